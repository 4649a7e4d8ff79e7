use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use protocol::{Aside, NewQuestion};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<NewQuestion>,
) -> Result<(StatusCode, Json<Aside>), Failure> {
    let asked = app.engine.resolve_session_for(&call.caller, &id)?;
    let asker = body.asker.map(|given| app.engine.resolve_session_for(&call.caller, &given)).transpose()?;
    let new = engine::NewQuestion { question: body.question, agent: body.agent, asker };
    Ok((StatusCode::CREATED, Json(show::aside(app.engine.ask_session(&call, asked, new).await?))))
}
