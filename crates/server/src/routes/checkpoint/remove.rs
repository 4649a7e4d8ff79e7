use crate::app::App;
use crate::extract::{Bare, Id};
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use protocol::Checkpoint;
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Bare { call }: Bare,
) -> Result<Json<Checkpoint>, Failure> {
    let id = app.engine.resolve_checkpoint(&call.caller, &id)?;
    Ok(Json(app.engine.remove_checkpoint(&call, id).await?.into()))
}
