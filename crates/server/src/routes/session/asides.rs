use crate::app::App;
use crate::extract::{Id, Who};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{Aside, Page};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    who: Who,
    Id(id): Id,
) -> Result<Json<Page<Aside>>, Failure> {
    let session = who.session(&app, &id)?;
    let items = app.engine.asides(session)?.into_iter().map(show::aside);
    Ok(Json(Page::whole(items.collect())))
}
