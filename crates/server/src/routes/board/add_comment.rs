use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use protocol::{Comment, NewComment};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<NewComment>,
) -> Result<(StatusCode, Json<Comment>), Failure> {
    let board = app.engine.resolve_board(&id)?;
    let new = engine::NewComment {
        text: body.text,
        card: body.card.map(|given| app.engine.resolve_card(&given)).transpose()?,
        reply_to: body.reply_to.map(|given| app.engine.resolve_comment(&given)).transpose()?,
    };
    Ok((StatusCode::CREATED, Json(show::comment(app.engine.add_comment(&call, board, new).await?))))
}
