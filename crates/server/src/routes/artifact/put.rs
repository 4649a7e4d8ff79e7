use crate::app::App;
use crate::extract::{Bytes, Query};
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::Refusal;
use protocol::{Artifact, NewArtifact};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Query(query): Query<NewArtifact>,
    Bytes { call, body, place }: Bytes,
) -> Result<(StatusCode, Json<Artifact>), Failure> {
    let session = query.session.as_deref().map(|given| app.engine.resolve_session_for(&call.caller, given));
    let path = query.path.as_deref().map(str::parse).transpose().map_err(|error: model::RepoPathError| {
        Refusal::invalid("path_refused", error.to_string()).hint("name it as the repository does")
    })?;
    let new = engine::NewArtifact {
        name: query.name,
        kind: query.kind,
        session: session.transpose()?,
        path,
        commit: query.commit,
        content: body.into(),
    };
    let kept = app.engine.put_artifact(&call, new).await?;
    drop(place);
    Ok((StatusCode::CREATED, Json(kept.into())))
}
