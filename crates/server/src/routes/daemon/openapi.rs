use axum::Json;
use serde_json::Value;

pub(super) async fn handle() -> Json<Value> {
    Json(protocol::openapi())
}
