use crate::app::App;
use crate::extract::Wish;
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use protocol::{IndexOrder, IndexReport};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Wish { call, body }: Wish<IndexOrder>,
) -> Result<Json<IndexReport>, Failure> {
    let repo = body.repo.map(|repo| app.engine.resolve_repo(&call.caller, &repo)).transpose()?;
    let engine::IndexCounts { worktrees, files, documents, left_out, bytes } =
        app.engine.index_files(&call, repo, body.anew).await?;
    Ok(Json(IndexReport { worktrees, files, documents, left_out, bytes }))
}
