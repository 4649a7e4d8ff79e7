use crate::app::App;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{Page, RepoClone};
use std::sync::Arc;

pub(super) async fn handle(State(app): State<Arc<App>>) -> Result<Json<Page<RepoClone>>, Failure> {
    Ok(Json(Page::whole(app.engine.clones()?.into_iter().map(show::clone).collect())))
}
