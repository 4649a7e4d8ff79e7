use crate::app::App;
use crate::extract::Command;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use protocol::{Import, NewImport};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Command { call, body }: Command<NewImport>,
) -> Result<(StatusCode, Json<Import>), Failure> {
    let new = engine::NewImport { vendor: body.vendor, path: body.path.into(), watch: body.watch };
    Ok((StatusCode::CREATED, Json(show::import(app.engine.start_import(&call, new).await?))))
}
