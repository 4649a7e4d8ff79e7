use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{ClaimRenewal, Task};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<ClaimRenewal>,
) -> Result<Json<Task>, Failure> {
    let task = app.engine.resolve_task(&call.caller, &id)?;
    Ok(Json(show::task(app.engine.renew_claim(&call, task, body.token, body.seconds).await?)))
}
