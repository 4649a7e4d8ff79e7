use crate::app::App;
use crate::extract::{Query, Who};
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use protocol::{Artifact, ArtifactQuery, Page, page_size};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    who: Who,
    Query(query): Query<ArtifactQuery>,
) -> Result<Json<Page<Artifact>>, Failure> {
    let session = query.session.as_deref().map(|given| who.session(&app, given)).transpose()?;
    let page = app.engine.artifacts(&who.0, session, query.before, page_size(query.limit)?)?;
    let items = page.artifacts.into_iter().map(Artifact::from).collect();
    Ok(Json(Page { items, next: page.next.map(|next| next.to_string()) }))
}
