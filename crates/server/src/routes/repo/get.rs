use crate::app::App;
use crate::extract::{Id, Who};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::Repo;
use std::sync::Arc;

pub(super) async fn handle(State(app): State<Arc<App>>, who: Who, Id(id): Id) -> Result<Json<Repo>, Failure> {
    let repo = app.engine.repo(app.engine.resolve_repo(&who.0, &id)?)?;
    Ok(Json(show::repo(app.engine.repo_view(repo).await)))
}
