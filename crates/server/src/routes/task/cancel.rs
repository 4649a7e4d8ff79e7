use crate::app::App;
use crate::extract::{Bare, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::Task;
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Bare { call }: Bare,
) -> Result<Json<Task>, Failure> {
    let task = app.engine.resolve_task(&call.caller, &id)?;
    Ok(Json(show::task(app.engine.cancel_task(&call, task).await?)))
}
