use crate::app::App;
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use protocol::{Page, PermissionRule};
use std::sync::Arc;

pub(super) async fn handle(State(app): State<Arc<App>>) -> Result<Json<Page<PermissionRule>>, Failure> {
    let rules = app.engine.permission_rules()?;
    Ok(Json(Page::whole(rules.into_iter().map(PermissionRule::from).collect())))
}
