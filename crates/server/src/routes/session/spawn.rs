use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use protocol::{NewSpawn, SpawnedSession};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<NewSpawn>,
) -> Result<(StatusCode, Json<SpawnedSession>), Failure> {
    let parent = app.engine.resolve_session_for(&call.caller, &id)?;
    let repo = body.repo.map(|given| app.engine.resolve_repo(&call.caller, &given)).transpose()?;
    let new = engine::NewSpawn {
        prompt: body.prompt,
        agents: body.agents,
        title: body.title,
        repo,
        callback: Some(show::callback_wish(body.callback)),
        callback_to: body.callback_to,
    };
    let spawned = app.engine.spawn_session(&call, parent, new).await?;
    let (session, task) = (show::session(spawned.session), show::task(spawned.task));
    Ok((StatusCode::CREATED, Json(SpawnedSession { session, task })))
}
