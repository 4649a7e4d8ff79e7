use crate::app::App;
use crate::extract::{Query, Who};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{Merge, MergeQuery, Page};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    who: Who,
    Query(query): Query<MergeQuery>,
) -> Result<Json<Page<Merge>>, Failure> {
    let repo = query.repo.map(|repo| app.engine.resolve_repo(&who.0, &repo)).transpose()?;
    let repo = app.engine.repo_for(&who.0, repo)?;
    let merges = app.engine.merges(repo, query.ended)?;
    Ok(Json(Page::whole(merges.into_iter().map(show::merge).collect())))
}
