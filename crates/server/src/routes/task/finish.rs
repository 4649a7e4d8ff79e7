use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{ClaimEnd, ClaimOutcome, Task};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<ClaimEnd>,
) -> Result<Json<Task>, Failure> {
    let task = app.engine.resolve_task(&call.caller, &id)?;
    let outcome = match body.outcome {
        ClaimOutcome::Completed => engine::ClaimOutcome::Completed,
        ClaimOutcome::Failed => engine::ClaimOutcome::Failed,
        ClaimOutcome::Released => engine::ClaimOutcome::Released,
    };
    Ok(Json(show::task(app.engine.finish_claim(&call, task, body.token, outcome, body.text).await?)))
}
