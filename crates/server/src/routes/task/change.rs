use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{Task, TaskPatch};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<TaskPatch>,
) -> Result<Json<Task>, Failure> {
    let task = app.engine.resolve_task(&call.caller, &id)?;
    let depends_on = body
        .depends_on
        .map(|given| {
            given.iter().map(|one| app.engine.resolve_task(&call.caller, one)).collect::<Result<_, _>>()
        })
        .transpose()?;
    let change = engine::TermsChange {
        depends_on,
        on_failed: body.on_failed,
        deadline: body.deadline,
        deadline_seconds: body.deadline_seconds,
        no_deadline: body.no_deadline,
        retry: body.retry.map(model::RetryPolicy::from),
        wants: body.wants,
    };
    Ok(Json(show::task(app.engine.change_task(&call.in_client(body.client), task, change).await?)))
}
