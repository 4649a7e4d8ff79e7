use crate::app::App;
use crate::extract::{Id, Query, Who};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{Page, Script, ScriptQuery};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    who: Who,
    Id(id): Id,
    Query(query): Query<ScriptQuery>,
) -> Result<Json<Page<Script>>, Failure> {
    let repo = app.engine.repo(app.engine.resolve_repo(&who.0, &id)?)?;
    let worktree =
        query.worktree.map(|worktree| app.engine.resolve_worktree(&who.0, &worktree)).transpose()?;
    let scripts = app.engine.scripts(&repo, worktree).await?.into_iter();
    Ok(Json(Page::whole(scripts.map(|script| show::script(script, &repo.trusted)).collect())))
}
