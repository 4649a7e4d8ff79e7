use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{Comment, CommentPatch};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<CommentPatch>,
) -> Result<Json<Comment>, Failure> {
    let comment = app.engine.resolve_comment(&id)?;
    Ok(Json(show::comment(app.engine.settle_comment(&call, comment, body.resolved).await?)))
}
