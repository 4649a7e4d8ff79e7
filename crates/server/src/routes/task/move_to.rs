use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{Page, Task, TaskMove};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<TaskMove>,
) -> Result<Json<Page<Task>>, Failure> {
    let task = app.engine.resolve_task(&call.caller, &id)?;
    let before = body.before.map(|given| app.engine.resolve_task(&call.caller, &given)).transpose()?;
    let to = engine::TaskMove { priority: body.priority, before, last: body.last };
    let queue = app.engine.move_task(&call.in_client(body.client), task, to).await?;
    Ok(Json(Page::whole(queue.into_iter().map(show::task).collect())))
}
