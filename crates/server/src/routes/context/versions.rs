use super::key;
use crate::app::App;
use crate::extract::Id;
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use protocol::{ContextVersion, Page};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
) -> Result<Json<Page<ContextVersion>>, Failure> {
    let versions = app.engine.context_versions(&key(&id)?)?;
    Ok(Json(Page::whole(versions.into_iter().map(ContextVersion::from).collect())))
}
