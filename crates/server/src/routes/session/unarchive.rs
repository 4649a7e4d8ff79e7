use crate::app::App;
use crate::extract::{Bare, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::Session;
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Bare { call }: Bare,
) -> Result<Json<Session>, Failure> {
    let session = app.engine.resolve_session_for(&call.caller, &id)?;
    Ok(Json(show::session(app.engine.unarchive_session(&call, session).await?)))
}
