use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{Session, SessionPatch};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<SessionPatch>,
) -> Result<Json<Session>, Failure> {
    let session = app.engine.resolve_session_for(&call.caller, &id)?;
    let SessionPatch { title, add_tags, remove_tags, callback } = body;
    let callback = callback.map(show::callback_wish);
    let change = engine::SessionChange { title, add_tags, remove_tags, callback };
    Ok(Json(show::session(app.engine.change_session(&call, session, change).await?)))
}
