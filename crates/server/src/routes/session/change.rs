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
    let session = app.engine.resolve_session(&id)?;
    let changed = match body.title {
        Some(title) => app.engine.rename_session(&call, session, title).await?,
        None => app.engine.session(session)?,
    };
    Ok(Json(show::session(changed)))
}
