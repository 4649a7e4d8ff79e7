use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{NewSteer, Task};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<NewSteer>,
) -> Result<Json<Task>, Failure> {
    let task = app.engine.resolve_task(&call.caller, &id)?;
    let steered = app.engine.steer_task(&call.in_client(body.client), task, &body.text).await?;
    Ok(Json(show::task(steered)))
}
