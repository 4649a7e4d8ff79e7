use crate::app::App;
use crate::extract::{Bare, Id};
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use protocol::Artifact;
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Bare { call }: Bare,
) -> Result<Json<Artifact>, Failure> {
    let id = app.engine.resolve_artifact(&call.caller, &id)?;
    Ok(Json(app.engine.remove_artifact(&call, id).await?.into()))
}
