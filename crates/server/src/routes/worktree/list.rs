use crate::app::App;
use crate::extract::{Query, Who};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{Page, Worktree, WorktreeQuery};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    who: Who,
    Query(query): Query<WorktreeQuery>,
) -> Result<Json<Page<Worktree>>, Failure> {
    let repo = query.repo.map(|repo| app.engine.resolve_repo(&who.0, &repo)).transpose()?;
    let worktrees = app.engine.worktrees(repo, query.trash).await?;
    Ok(Json(Page::whole(worktrees.into_iter().map(show::worktree).collect())))
}
