use crate::app::App;
use crate::extract::{Id, Who};
use crate::failure::Failure;
use crate::pour;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use std::sync::Arc;

/// Whatever it holds is bytes to be saved: none of it is ever shown or run in the page's place.
pub(super) async fn handle(State(app): State<Arc<App>>, who: Who, Id(id): Id) -> Result<Response, Failure> {
    let id = app.engine.resolve_artifact(&who.0, &id)?;
    let (artifact, content) = app.engine.artifact_content(&who.0, id).await?;
    Ok(pour::saved(&artifact.name, "application/octet-stream", Body::from(content)))
}
