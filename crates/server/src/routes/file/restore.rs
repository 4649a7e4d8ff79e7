use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{NewRestore, RestorePoint, RestoredFile};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<NewRestore>,
) -> Result<Json<RestoredFile>, Failure> {
    let repo = app.engine.resolve_repo(&call.caller, &id)?;
    let to = match body.to {
        RestorePoint::BeforeLock => engine::RestorePoint::BeforeLock,
        RestorePoint::LastKnown => engine::RestorePoint::LastKnown,
    };
    let new = engine::NewRestore { repo, path: body.path, to };
    Ok(Json(show::restored_file(app.engine.restore_file(&call, new).await?)))
}
