use crate::app::App;
use crate::failure::Failure;
use crate::ws;
use axum::extract::{Request, State};
use axum::response::Response;
use std::sync::Arc;

pub(super) async fn handle(State(app): State<Arc<App>>, request: Request) -> Result<Response, Failure> {
    ws::accept(app, request)
}
