use crate::app::App;
use crate::extract::{Id, Query, Who};
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use engine::{CHECKPOINTS_MAX, CheckpointFilter};
use protocol::{Checkpoint, CheckpointQuery, Page};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    who: Who,
    Id(id): Id,
    Query(query): Query<CheckpointQuery>,
) -> Result<Json<Page<Checkpoint>>, Failure> {
    let session = who.session(&app, &id)?;
    let filter = CheckpointFilter {
        automatic: query.automatic.unwrap_or(true),
        before: query.before.map(|given| app.engine.resolve_checkpoint(&who.0, &given)).transpose()?,
        limit: query.limit.map_or(CHECKPOINTS_MAX, |limit| limit as usize),
    };
    let (items, more) = app.engine.checkpoints_page(session, filter)?;
    let next = items.first().filter(|_| more).map(|oldest| oldest.id.to_string());
    Ok(Json(Page { next, ..Page::whole(items.into_iter().map(Checkpoint::from).collect()) }))
}
