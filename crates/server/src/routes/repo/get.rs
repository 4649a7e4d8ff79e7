use crate::app::App;
use crate::extract::Id;
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use protocol::Repo;
use std::sync::Arc;

pub(super) async fn handle(State(app): State<Arc<App>>, Id(id): Id) -> Result<Json<Repo>, Failure> {
    Ok(Json(app.engine.repo(app.engine.resolve_repo(&id)?)?.into()))
}
