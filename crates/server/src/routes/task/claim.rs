use crate::app::App;
use crate::extract::Command;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{NewClaim, Task};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Command { call, body }: Command<NewClaim>,
) -> Result<Json<Task>, Failure> {
    let task = body.task.map(|given| app.engine.resolve_task(&call.caller, &given)).transpose()?;
    let new = engine::NewClaim { task, holder: body.holder, can: body.can, seconds: body.seconds };
    Ok(Json(show::task(app.engine.claim_task(&call, new).await?)))
}
