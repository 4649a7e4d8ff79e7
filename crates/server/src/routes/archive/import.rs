use crate::app::App;
use crate::extract::Command;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use protocol::{NewSessionImport, SessionImport};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Command { call, body }: Command<NewSessionImport>,
) -> Result<(StatusCode, Json<SessionImport>), Failure> {
    let imported = app.engine.import_session(&call, body.path.into()).await?;
    Ok((StatusCode::CREATED, Json(show::imported_session(imported))))
}
