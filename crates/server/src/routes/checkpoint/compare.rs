use crate::app::App;
use crate::extract::{Id, Query, Who};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use model::{Refusal, RepoPath};
use protocol::{CheckpointComparison, ComparisonQuery};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    who: Who,
    Id(id): Id,
    Query(query): Query<ComparisonQuery>,
) -> Result<Json<CheckpointComparison>, Failure> {
    let from = app.engine.resolve_checkpoint(&who.0, &id)?;
    let to = query.with.map(|given| app.engine.resolve_checkpoint(&who.0, &given)).transpose()?;
    let path = query.path.map(|path| path.parse::<RepoPath>()).transpose();
    let path = path.map_err(|error| Refusal::invalid("path_refused", error.to_string()))?;
    let compared = app.engine.compare_checkpoint(&who.0, from, to, path).await?;
    Ok(Json(show::comparison(compared)))
}
