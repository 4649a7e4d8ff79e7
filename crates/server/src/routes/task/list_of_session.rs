use crate::app::App;
use crate::extract::{Id, Query, Who};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{Page, SessionTaskQuery, Task, limits, page_size};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    who: Who,
    Id(id): Id,
    Query(query): Query<SessionTaskQuery>,
) -> Result<Json<Page<Task>>, Failure> {
    let session = who.session(&app, &id)?;
    let limit = page_size(Some(query.limit.unwrap_or(limits::PAGE_MAX)))?;
    let page = app.engine.tasks(session, query.before, limit)?;
    let items = page.tasks.into_iter().map(show::task).collect();
    Ok(Json(Page { items, next: page.earlier.map(|earlier| earlier.to_string()) }))
}
