use crate::app::App;
use crate::extract::{Id, Who};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{Page, Task};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    who: Who,
    Id(id): Id,
) -> Result<Json<Page<Task>>, Failure> {
    let session = who.session(&app, &id)?;
    let items = app.engine.queue(session)?.into_iter().map(show::task);
    Ok(Json(Page::whole(items.collect())))
}
