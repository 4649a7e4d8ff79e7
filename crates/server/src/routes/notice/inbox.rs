use crate::app::App;
use crate::extract::{Query, Who};
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use protocol::{InboxQuery, Notice, Page, page_size};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Who(caller): Who,
    Query(query): Query<InboxQuery>,
) -> Result<Json<Page<Notice>>, Failure> {
    let found = app.engine.inbox(&caller, query.registration, page_size(query.limit)?)?;
    Ok(Json(Page::whole(found.into_iter().map(Notice::from).collect())))
}
