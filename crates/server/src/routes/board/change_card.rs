use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{Card, CardPatch};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<CardPatch>,
) -> Result<Json<Card>, Failure> {
    let card = app.engine.resolve_card(&id)?;
    let CardPatch { x, y, width, height, note, revision } = body;
    let change = engine::CardChange { x, y, width, height, note, revision };
    Ok(Json(show::card(app.engine.change_card(&call, card, change).await?)))
}
