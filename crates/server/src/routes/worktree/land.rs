use crate::app::App;
use crate::extract::{Command, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{Landed, NewLanding, Page};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Command { call, body }: Command<NewLanding>,
) -> Result<Json<Page<Landed>>, Failure> {
    let session = app.engine.resolve_session_for(&call.caller, &id)?;
    let landed = app.engine.land(&call, session, body.agent).await?;
    Ok(Json(Page::whole(landed.into_iter().map(show::landed).collect())))
}
