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
    let repo = app.engine.resolve_repo(&call.caller, &id)?;
    app.engine.remove_repo(&call, repo).await?;
    Ok(StatusCode::NO_CONTENT)
}
