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
    let session = app.engine.resolve_session(&id)?;
    let depends_on =
        body.depends_on.iter().map(|given| app.engine.resolve_task(given)).collect::<Result<_, _>>()?;
    let prompt =
        engine::NewPrompt { text: body.text, targets: body.targets, priority: body.priority, depends_on };
    let task = app.engine.prompt(&call, session, prompt).await?;
    Ok((StatusCode::CREATED, Json(show::task(task))))
}
