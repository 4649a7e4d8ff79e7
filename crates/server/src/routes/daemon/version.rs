use crate::app::App;
use axum::Json;
use axum::extract::State;
use protocol::{API_REVISION, Version};
use std::sync::Arc;

pub(super) async fn handle(State(app): State<Arc<App>>) -> Json<Version> {
    Json(Version {
        version: app.options.version.to_owned(),
        api_revision: API_REVISION,
        event_version: model::EVENT_VERSION,
        pid: std::process::id(),
        workspace: app.options.workspace.clone(),
        started_at: app.started_at,
    })
}
