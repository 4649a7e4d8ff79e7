use crate::app::App;
use crate::extract::{Id, Who};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::Presences;
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    who: Who,
    Id(id): Id,
) -> Result<Json<Presences>, Failure> {
    let session = who.session(&app, &id)?;
    Ok(Json(show::presences(app.engine.clients(session)?)))
}
