use crate::app::App;
use crate::extract::Id;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::Permission;
use std::sync::Arc;

pub(super) async fn handle(State(app): State<Arc<App>>, Id(id): Id) -> Result<Json<Permission>, Failure> {
    let permission = app.engine.resolve_permission(&id)?;
    Ok(Json(show::permission(app.engine.permission(permission)?)))
}
