use crate::app::App;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{Page, Task};
use std::sync::Arc;

pub(super) async fn handle(State(app): State<Arc<App>>) -> Result<Json<Page<Task>>, Failure> {
    Ok(Json(Page::whole(app.engine.pool()?.into_iter().map(show::task).collect())))
}
