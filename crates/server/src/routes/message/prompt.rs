use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use protocol::{NewPrompt, Task};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<NewPrompt>,
) -> Result<(StatusCode, Json<Task>), Failure> {
    let session = app.engine.resolve_session_for(&call.caller, &id)?;
    let depends_on = body
        .depends_on
        .iter()
        .map(|given| app.engine.resolve_task(&call.caller, given))
        .collect::<Result<_, _>>()?;
    let terms = engine::NewTerms {
        on_failed: body.on_failed,
        deadline: body.deadline,
        deadline_seconds: body.deadline_seconds,
        retry: body.retry.map(model::RetryPolicy::from),
        wants: body.wants,
        pool: body.pool,
    };
    let (text, targets, priority) = (body.text, body.targets, body.priority);
    let prompt = engine::NewPrompt { text, targets, priority, depends_on, terms };
    let task = app.engine.prompt(&call.in_client(body.client), session, prompt).await?;
    Ok((StatusCode::CREATED, Json(show::task(task))))
}
