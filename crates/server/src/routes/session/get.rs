use crate::app::App;
use crate::extract::{Id, Who};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::Session;
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    who: Who,
    Id(id): Id,
) -> Result<Json<Session>, Failure> {
    let session = app.engine.resolve_session(&id)?;
    who.may_see(session)?;
    Ok(Json(show::session(app.engine.session(session)?)))
}
