use crate::app::App;
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use protocol::{Page, Repo};
use std::sync::Arc;

pub(super) async fn handle(State(app): State<Arc<App>>) -> Result<Json<Page<Repo>>, Failure> {
    Ok(Json(Page::whole(app.engine.repos()?.into_iter().map(Repo::from).collect())))
}
