use crate::app::App;
use crate::extract::{Id, Who};
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use protocol::Checkpoint;
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    who: Who,
    Id(id): Id,
) -> Result<Json<Checkpoint>, Failure> {
    let id = app.engine.resolve_checkpoint(&who.0, &id)?;
    Ok(Json(app.engine.checkpoint(&who.0, id)?.into()))
}
