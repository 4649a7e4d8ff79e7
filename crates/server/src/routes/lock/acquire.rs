use crate::app::App;
use crate::extract::Command;
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use protocol::{Lock, NewLock, Page};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Command { call, body }: Command<NewLock>,
) -> Result<(StatusCode, Json<Page<Lock>>), Failure> {
    let repo = app.engine.resolve_repo(&call.caller, &body.repo)?;
    let new = engine::NewLock { repo, paths: body.paths, mode: body.mode, ttl_seconds: body.ttl_seconds };
    let taken = app.engine.acquire_lock(&call, new).await?;
    Ok((StatusCode::CREATED, Json(Page::whole(taken.into_iter().map(Lock::from).collect()))))
}
