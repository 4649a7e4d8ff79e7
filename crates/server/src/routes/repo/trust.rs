use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{NewTrust, Repo};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<NewTrust>,
) -> Result<Json<Repo>, Failure> {
    let repo = app.engine.resolve_repo(&call.caller, &id)?;
    let repo = app.engine.trust_scripts(&call, repo, body.hashes, body.only).await?;
    Ok(Json(show::repo(app.engine.repo_view(repo).await)))
}
