use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use model::PermissionScope;
use protocol::{NewDecision, Permission};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<NewDecision>,
) -> Result<Json<Permission>, Failure> {
    let permission = app.engine.resolve_permission(&id)?;
    let NewDecision { allow, scope, arguments_hash, reason } = body;
    let scope = scope.unwrap_or(PermissionScope::Once);
    let new = engine::NewDecision { allow, scope, arguments_hash, reason };
    Ok(Json(show::permission(app.engine.decide_permission(&call, permission, new).await?)))
}
