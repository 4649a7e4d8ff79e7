use crate::app::App;
use crate::extract::Command;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use protocol::{NewAdoption, Worktree};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Command { call, body }: Command<NewAdoption>,
) -> Result<(StatusCode, Json<Worktree>), Failure> {
    let NewAdoption { repo, path, name } = body;
    let new = engine::NewAdoption { repo: app.engine.resolve_repo(&call.caller, &repo)?, path, name };
    let adopted = app.engine.adopt_worktree(&call, new).await?;
    Ok((StatusCode::CREATED, Json(show::worktree(adopted))))
}
