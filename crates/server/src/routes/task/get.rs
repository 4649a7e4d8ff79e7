use crate::app::App;
use crate::extract::{Id, Who};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::Task;
use std::sync::Arc;

pub(super) async fn handle(State(app): State<Arc<App>>, who: Who, Id(id): Id) -> Result<Json<Task>, Failure> {
    let task = app.engine.task(app.engine.resolve_task(&who.0, &id)?)?;
    who.may_see(&app, task.task.session)?;
    Ok(Json(show::task(task)))
}
