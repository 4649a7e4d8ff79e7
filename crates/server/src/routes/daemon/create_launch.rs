use crate::app::App;
use crate::extract::Bare;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use protocol::{API_PREFIX, Launch};
use std::sync::Arc;

pub(super) async fn handle(State(app): State<Arc<App>>, _: Bare) -> (StatusCode, Json<Launch>) {
    let (code, expires_at) = app.codes.make(&*app.options.clock, &*app.options.entropy);
    let url = format!("http://127.0.0.1:{}{API_PREFIX}/launch?code={code}", app.port);
    (StatusCode::CREATED, Json(Launch { code, url, expires_at }))
}
