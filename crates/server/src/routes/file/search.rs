use crate::app::App;
use crate::extract::{Query, Who};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use model::Refusal;
use protocol::{FileQuery, FilesFound};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    who: Who,
    Query(query): Query<FileQuery>,
) -> Result<Json<FilesFound>, Failure> {
    let under = query.under.as_deref().map(|given| given.trim_end_matches('/').parse()).transpose();
    let under = under.map_err(|error: model::RepoPathError| {
        Refusal::invalid("path_refused", error.to_string()).hint("give it relative to the repository's root")
    })?;
    let query = engine::FileQuery {
        query: query.query,
        repo: query.repo,
        worktree: query.worktree,
        language: query.language,
        under,
        changed: query.changed.unwrap_or_default(),
        limit: query.limit.unwrap_or_default(),
    };
    Ok(Json(show::found_files(app.engine.search_files(&who.0, query).await?)))
}
