use crate::app::App;
use crate::extract::Query;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use engine::SessionFilter;
use protocol::{Page, Session, SessionQuery, page_size};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Query(query): Query<SessionQuery>,
) -> Result<Json<Page<Session>>, Failure> {
    let limit = page_size(query.limit)?;
    let filter = SessionFilter { include_archived: query.archived, before: query.before, limit };
    let found = app.engine.sessions(filter)?;
    // A full page may have more behind it; a further empty one ends the list.
    let next = (found.len() == limit).then(|| found.last().map(|last| last.session.id.to_string())).flatten();
    Ok(Json(Page { items: found.into_iter().map(show::session).collect(), next }))
}
