use crate::app::App;
use crate::extract::{Id, Who};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{LiveTurn, Page};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    who: Who,
    Id(id): Id,
) -> Result<Json<Page<LiveTurn>>, Failure> {
    let session = who.session(&app, &id)?;
    let items = app.engine.live(session)?.into_iter().map(show::live_turn);
    Ok(Json(Page::whole(items.collect())))
}
