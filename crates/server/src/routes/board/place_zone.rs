use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use protocol::{NewZone, Zone};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<NewZone>,
) -> Result<(StatusCode, Json<Zone>), Failure> {
    let board = app.engine.resolve_board(&id)?;
    let trigger = body.trigger.map(model::Trigger::from);
    let new = engine::NewZone { name: body.name, colour: body.colour, place: body.place.into(), trigger };
    Ok((StatusCode::CREATED, Json(app.engine.place_zone(&call, board, new).await?.into())))
}
