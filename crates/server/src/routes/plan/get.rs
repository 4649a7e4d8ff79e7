use crate::app::App;
use crate::extract::{Id, Who};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::Plan;
use std::sync::Arc;

pub(super) async fn handle(State(app): State<Arc<App>>, who: Who, Id(id): Id) -> Result<Json<Plan>, Failure> {
    let plan = app.engine.plan(app.engine.resolve_plan(&who.0, &id)?)?;
    who.may_see(&app, plan.plan.session)?;
    Ok(Json(show::plan(plan)))
}
