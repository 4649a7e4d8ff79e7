use crate::app::App;
use crate::extract::{Id, Who};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{Page, Participant};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    who: Who,
    Id(id): Id,
) -> Result<Json<Page<Participant>>, Failure> {
    let session = who.session(&app, &id)?;
    let items = app.engine.participants(session)?.into_iter().map(show::participant);
    Ok(Json(Page::whole(items.collect())))
}
