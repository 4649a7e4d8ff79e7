use crate::app::App;
use crate::extract::Command;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use protocol::{NewRepo, Repo};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Command { call, body }: Command<NewRepo>,
) -> Result<(StatusCode, Json<Repo>), Failure> {
    let new = engine::NewRepo { path: body.path, slug: body.slug, test_command: body.test_command };
    let repo = app.engine.add_repo(&call, new).await?;
    Ok((StatusCode::CREATED, Json(show::repo(app.engine.repo_view(repo).await))))
}
