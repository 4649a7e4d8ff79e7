use crate::app::App;
use crate::extract::Command;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use protocol::{NewClone, RepoClone};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Command { call, body }: Command<NewClone>,
) -> Result<(StatusCode, Json<RepoClone>), Failure> {
    let new = engine::NewClone { url: body.url, slug: body.slug, test_command: body.test_command };
    let clone = app.engine.start_clone(&call, new).await?;
    Ok((StatusCode::CREATED, Json(show::clone(clone))))
}
