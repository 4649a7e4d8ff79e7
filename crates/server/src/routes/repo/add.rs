use crate::app::App;
use crate::extract::Command;
use crate::failure::Failure;
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
    Ok((StatusCode::CREATED, Json(app.engine.add_repo(&call, new).await?.into())))
}
