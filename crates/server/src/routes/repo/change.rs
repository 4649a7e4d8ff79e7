use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use engine::RepoChange;
use protocol::{Repo, RepoPatch};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<RepoPatch>,
) -> Result<Json<Repo>, Failure> {
    let repo = app.engine.resolve_repo(&call.caller, &id)?;
    let change = RepoChange { slug: body.slug, test_command: body.test_command };
    let repo = app.engine.change_repo(&call, repo, change).await?;
    Ok(Json(show::repo(app.engine.repo_view(repo).await)))
}
