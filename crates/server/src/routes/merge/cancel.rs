use crate::app::App;
use crate::extract::{Bare, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::Merge;
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Bare { call }: Bare,
) -> Result<Json<Merge>, Failure> {
    let id = app.engine.resolve_merge(&call.caller, &id)?;
    Ok(Json(show::merge(app.engine.cancel_merge(&call, id).await?)))
}
