use crate::app::App;
use crate::extract::{Bare, Id};
use crate::failure::Failure;
use axum::extract::State;
use axum::http::StatusCode;
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Bare { call }: Bare,
) -> Result<StatusCode, Failure> {
    let rule = app.engine.resolve_permission_rule(&id)?;
    app.engine.remove_permission_rule(&call, rule).await?;
    Ok(StatusCode::NO_CONTENT)
}
