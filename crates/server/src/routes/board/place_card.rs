use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::CardSubject;
use protocol::{Card, NewCard};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<NewCard>,
) -> Result<(StatusCode, Json<Card>), Failure> {
    let board = app.engine.resolve_board(&id)?;
    let subject = match (body.session, body.worktree) {
        (None, None) => CardSubject::Note,
        (Some(given), None) => CardSubject::Session { session: app.engine.resolve_session(&given)? },
        (None, Some(given)) => {
            CardSubject::Worktree { worktree: app.engine.resolve_worktree(&call.caller, &given)? }
        }
        (Some(_), Some(_)) => return Err(show::of_both().into()),
    };
    let new = engine::NewCard { subject, note: body.note, place: body.place.map(model::Place::from) };
    Ok((StatusCode::CREATED, Json(show::card(app.engine.place_card(&call, board, new).await?))))
}
