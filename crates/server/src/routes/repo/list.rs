use crate::app::App;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{Page, Repo};
use std::sync::Arc;

pub(super) async fn handle(State(app): State<Arc<App>>) -> Result<Json<Page<Repo>>, Failure> {
    let mut repos = Vec::new();
    for repo in app.engine.repos()? {
        repos.push(show::repo(app.engine.repo_view(repo).await));
    }
    Ok(Json(Page::whole(repos)))
}
