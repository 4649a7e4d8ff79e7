use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{Card, CardAnswer};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<CardAnswer>,
) -> Result<Json<Card>, Failure> {
    let card = app.engine.resolve_card(&id)?;
    Ok(Json(show::card(app.engine.answer_card(&call, card, body.confirm).await?)))
}
