use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{BundleImport, NewBundleImport};
use std::path::PathBuf;
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<NewBundleImport>,
) -> Result<Json<BundleImport>, Failure> {
    let repo = app.engine.resolve_repo(&call.caller, &id)?;
    let session = body.session.map(|session| app.engine.resolve_session(&session)).transpose()?;
    let new = engine::NewBundleImport { path: body.path.map(PathBuf::from), session };
    Ok(Json(show::bundle_import(app.engine.import_bundle(&call, repo, new).await?)))
}
