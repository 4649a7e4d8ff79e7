use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use protocol::{NewPlan, Plan};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<NewPlan>,
) -> Result<(StatusCode, Json<Plan>), Failure> {
    let session = app.engine.resolve_session_for(&call.caller, &id)?;
    let new = engine::NewPlan { prompt: body.prompt, agents: body.agents, worktrees: body.worktrees };
    let plan = app.engine.coordinate(&call.in_client(body.client), session, new).await?;
    Ok((StatusCode::CREATED, Json(show::plan(plan))))
}
