use crate::app::App;
use crate::extract::Query;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{Page, Task, TaskQuery};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Query(query): Query<TaskQuery>,
) -> Result<Json<Page<Task>>, Failure> {
    let found = app.engine.tasks_in_state(&query.states()?)?;
    Ok(Json(Page::whole(found.into_iter().map(show::task).collect())))
}
