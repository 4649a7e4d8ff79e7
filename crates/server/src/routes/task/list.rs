use crate::app::App;
use crate::extract::Query;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{Page, Task, TaskQuery, limits, page_size};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Query(query): Query<TaskQuery>,
) -> Result<Json<Page<Task>>, Failure> {
    let limit = page_size(Some(query.limit.unwrap_or(limits::PAGE_MAX)))?;
    let page = app.engine.tasks_by_state(&query.states()?, query.before, limit)?;
    let items = page.tasks.into_iter().map(show::task).collect();
    Ok(Json(Page { items, next: page.earlier.map(|earlier| earlier.to_string()) }))
}
