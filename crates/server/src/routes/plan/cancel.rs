use crate::app::App;
use crate::extract::{Bare, Id};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::Plan;
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Bare { call }: Bare,
) -> Result<Json<Plan>, Failure> {
    let plan = app.engine.resolve_plan(&call.caller, &id)?;
    Ok(Json(show::plan(app.engine.cancel_plan(&call, plan).await?)))
}
