use crate::app::App;
use crate::extract::{Id, Who};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::Merge;
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    who: Who,
    Id(id): Id,
) -> Result<Json<Merge>, Failure> {
    let id = app.engine.resolve_merge(&who.0, &id)?;
    Ok(Json(show::merge(app.engine.merge_for(&who.0, id)?)))
}
