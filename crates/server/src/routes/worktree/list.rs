use crate::app::App;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{Page, Worktree};
use std::sync::Arc;

pub(super) async fn handle(State(app): State<Arc<App>>) -> Result<Json<Page<Worktree>>, Failure> {
    let worktrees = app.engine.worktrees().await?;
    Ok(Json(Page::whole(worktrees.into_iter().map(show::worktree).collect())))
}
