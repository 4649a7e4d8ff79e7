use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{Merge, MergeMove, Page};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<MergeMove>,
) -> Result<Json<Page<Merge>>, Failure> {
    let id = app.engine.resolve_merge(&call.caller, &id)?;
    let before = body.before.map(|other| app.engine.resolve_merge(&call.caller, &other)).transpose()?;
    let to = engine::MergeMove { priority: body.priority, before, last: body.last };
    let merges = app.engine.move_merge(&call, id, to).await?;
    Ok(Json(Page::whole(merges.into_iter().map(show::merge).collect())))
}
