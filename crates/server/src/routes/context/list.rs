use crate::app::App;
use crate::extract::Query;
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use protocol::{ContextEntry, ContextQuery, Page, page_size};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Query(query): Query<ContextQuery>,
) -> Result<Json<Page<ContextEntry>>, Failure> {
    let limit = page_size(query.limit)?;
    let prefix = query.prefix.unwrap_or_default();
    let found = app.engine.context_entries(&prefix, query.after.as_ref(), limit)?;
    let next = found.last().filter(|_| found.len() == limit).map(|last| last.key.to_string());
    Ok(Json(Page { items: found.into_iter().map(ContextEntry::from).collect(), next }))
}
