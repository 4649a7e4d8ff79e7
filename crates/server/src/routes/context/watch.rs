use crate::app::App;
use crate::extract::Query;
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use protocol::{ContextChangeQuery, ContextChanges, ContextVersion, page_size};
use std::sync::Arc;
use std::time::Duration;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Query(query): Query<ContextChangeQuery>,
) -> Result<Json<ContextChanges>, Failure> {
    let limit = page_size(query.limit)?;
    let wait = Duration::from_secs(query.wait.unwrap_or(0));
    let asked = app.engine.context_changes(query.prefix.unwrap_or_default(), query.after, limit, wait);
    let page = tokio::select! {
        page = asked => page?,
        // Who stops does not keep anybody waiting.
        () = app.draining.cancelled() => return Err(Failure::draining()),
    };
    let items = page.changes.into_iter().map(ContextVersion::from).collect();
    Ok(Json(ContextChanges { items, next: page.next, missed: page.missed }))
}
