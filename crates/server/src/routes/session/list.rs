use crate::app::App;
use crate::extract::{Query, Who};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use engine::SessionFilter;
use protocol::{Page, Session, SessionQuery, page_size};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Who(caller): Who,
    Query(query): Query<SessionQuery>,
) -> Result<Json<Page<Session>>, Failure> {
    let limit = page_size(query.limit)?;
    let filter = SessionFilter {
        archived: show::archived(query.archived.unwrap_or_default()),
        state: query.state,
        agent: query.agent,
        repo: query.repo.map(|given| app.engine.resolve_repo(&caller, &given)).transpose()?,
        board: query.board.map(|given| app.engine.resolve_board(&given)).transpose()?,
        tag: query.tag,
        source: query.parent.map(|given| app.engine.resolve_session_for(&caller, &given)).transpose()?,
        text: query.text,
        sort: show::session_sort(query.sort.unwrap_or_default()),
        ascending: query.ascending,
        after: None,
        limit,
    };
    let page = app.engine.sessions(filter, query.cursor.as_deref())?;
    Ok(Json(Page { items: page.sessions.into_iter().map(show::session).collect(), next: page.next }))
}
