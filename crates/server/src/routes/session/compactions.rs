use crate::app::App;
use crate::extract::{Id, Who};
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use protocol::{Compaction, Page};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    who: Who,
    Id(id): Id,
) -> Result<Json<Page<Compaction>>, Failure> {
    let session = who.session(&app, &id)?;
    let items = app.engine.compactions(session)?.into_iter().map(Into::into);
    Ok(Json(Page::whole(items.collect())))
}
