use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{Detachment, Presences};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<Detachment>,
) -> Result<Json<Presences>, Failure> {
    let session = app.engine.resolve_session_for(&call.caller, &id)?;
    Ok(Json(show::presences(app.engine.detach(&call, session, &body.client)?)))
}
