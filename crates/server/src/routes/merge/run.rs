use crate::app::App;
use crate::extract::Command;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{Merge, MergeRun, Page};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Command { call, body }: Command<MergeRun>,
) -> Result<Json<Page<Merge>>, Failure> {
    let repo = body.repo.map(|repo| app.engine.resolve_repo(&call.caller, &repo)).transpose()?;
    let one = body.merge.map(|merge| app.engine.resolve_merge(&call.caller, &merge)).transpose()?;
    let merges = app.engine.run_merges(&call, repo, one, body.mode).await?;
    Ok(Json(Page::whole(merges.into_iter().map(show::merge).collect())))
}
