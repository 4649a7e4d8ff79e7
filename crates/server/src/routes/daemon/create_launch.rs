use crate::app::App;
use crate::extract::Bare;
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use protocol::{API_PREFIX, Launch};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    _: Bare,
) -> Result<(StatusCode, Json<Launch>), Failure> {
    let token = app.token.token().ok_or_else(Failure::unauthorized)?;
    let (code, expires_at) = app.codes.make(token, &*app.options.clock, &*app.options.entropy);
    let url = format!("http://127.0.0.1:{}{API_PREFIX}/launch?code={code}", app.port);
    Ok((StatusCode::CREATED, Json(Launch { code, url, expires_at })))
}
