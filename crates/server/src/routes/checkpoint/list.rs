use crate::app::App;
use crate::extract::{Id, Who};
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use protocol::{Checkpoint, Page};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    who: Who,
    Id(id): Id,
) -> Result<Json<Page<Checkpoint>>, Failure> {
    let session = who.session(&app, &id)?;
    let items = app.engine.checkpoints(session)?.into_iter().map(Checkpoint::from);
    Ok(Json(Page::whole(items.collect())))
}
