use crate::app::App;
use crate::extract::Command;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use protocol::{NewWorktree, Worktree};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Command { call, body }: Command<NewWorktree>,
) -> Result<(StatusCode, Json<Worktree>), Failure> {
    let NewWorktree { repo, name, branch, from, checkout } = body;
    let new = engine::NewWorktree {
        repo: app.engine.resolve_repo(&call.caller, &repo)?,
        name,
        branch,
        from,
        checkout,
    };
    let made = app.engine.add_worktree(&call, new).await?;
    Ok((StatusCode::CREATED, Json(show::worktree(made))))
}
