use crate::app::App;
use crate::extract::{Bare, Id, Query};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{RemovalQuery, RemovedSession};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Query(query): Query<RemovalQuery>,
    Bare { call }: Bare,
) -> Result<Json<RemovedSession>, Failure> {
    let session = app.engine.resolve_session_for(&call.caller, &id)?;
    let removed = app.engine.remove_session(&call, session, query.anyway).await?;
    Ok(Json(show::removed_session(removed)))
}
