use crate::app::App;
use crate::extract::{Query, Who};
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use protocol::{Conflict, ConflictQuery, Page};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    who: Who,
    Query(query): Query<ConflictQuery>,
) -> Result<Json<Page<Conflict>>, Failure> {
    let repo = query.repo.map(|repo| app.engine.resolve_repo(&who.0, &repo)).transpose()?;
    let repo = app.engine.repo_for(&who.0, repo)?;
    let open = app.engine.conflicts(repo)?;
    Ok(Json(Page::whole(open.into_iter().map(Conflict::from).collect())))
}
