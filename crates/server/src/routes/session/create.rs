use crate::app::App;
use crate::extract::Command;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use protocol::{NewSession, Session};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Command { call, body }: Command<NewSession>,
) -> Result<(StatusCode, Json<Session>), Failure> {
    let repo = body.repo.map(|given| app.engine.resolve_repo(&call.caller, &given)).transpose()?;
    let parent = body.parent.map(|given| app.engine.resolve_session_for(&call.caller, &given)).transpose()?;
    let new = engine::NewSession { title: body.title, repo, agents: body.agents, board: body.board, parent };
    let session = app.engine.create_session(&call, new).await?;
    Ok((StatusCode::CREATED, Json(show::session(session))))
}
