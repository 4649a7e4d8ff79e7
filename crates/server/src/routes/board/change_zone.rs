use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use protocol::{Zone, ZonePatch};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<ZonePatch>,
) -> Result<Json<Zone>, Failure> {
    let zone = app.engine.resolve_zone(&id)?;
    let change = engine::ZoneChange {
        name: body.name,
        colour: body.colour,
        place: body.place.map(model::Place::from),
        trigger: body.trigger.map(|trigger| trigger.map(model::Trigger::from)),
        revision: body.revision,
    };
    Ok(Json(app.engine.change_zone(&call, zone, change).await?.into()))
}
