use crate::app::App;
use crate::extract::{Bare, Id};
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use protocol::Compaction;
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Bare { call }: Bare,
) -> Result<Json<Compaction>, Failure> {
    let session = app.engine.resolve_session_for(&call.caller, &id)?;
    Ok(Json(app.engine.compact_session(&call, session).await?.into()))
}
