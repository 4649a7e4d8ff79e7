use crate::app::App;
use crate::extract::{Bare, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use protocol::Session;
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Bare { call }: Bare,
) -> Result<(StatusCode, Json<Session>), Failure> {
    let source = app.engine.resolve_session(&id)?;
    Ok((StatusCode::CREATED, Json(show::session(app.engine.fork_session(&call, source).await?))))
}
