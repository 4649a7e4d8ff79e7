use crate::app::App;
use crate::extract::{Id, Wish};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use protocol::{NewFork, Session};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Wish { call, body }: Wish<NewFork>,
) -> Result<(StatusCode, Json<Session>), Failure> {
    let source = app.engine.resolve_session_for(&call.caller, &id)?;
    let message = body.message.map(|given| app.engine.resolve_message(&call.caller, &given)).transpose()?;
    let new = engine::NewFork { message, title: body.title, agents: body.agents };
    Ok((StatusCode::CREATED, Json(show::session(app.engine.fork_session(&call, source, new).await?))))
}
