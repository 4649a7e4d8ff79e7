use crate::app::App;
use crate::extract::Bare;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{Page, RemovedWorktree};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Bare { call }: Bare,
) -> Result<Json<Page<RemovedWorktree>>, Failure> {
    let pruned = app.engine.prune_worktrees(&call).await?;
    Ok(Json(Page::whole(pruned.into_iter().map(show::removed_worktree).collect())))
}
