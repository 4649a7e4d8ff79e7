use crate::app::App;
use crate::extract::{Bare, Query};
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use protocol::{Conflict, ConflictQuery, Page};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Query(query): Query<ConflictQuery>,
    Bare { call }: Bare,
) -> Result<Json<Page<Conflict>>, Failure> {
    let repo = query.repo.map(|repo| app.engine.resolve_repo(&call.caller, &repo)).transpose()?;
    let open = app.engine.sweep_conflicts(&call, repo).await?;
    Ok(Json(Page::whole(open.into_iter().map(Conflict::from).collect())))
}
