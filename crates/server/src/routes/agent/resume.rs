use crate::app::App;
use crate::extract::Command;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{Agent, NewResumption, Page};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Command { call, body }: Command<NewResumption>,
) -> Result<Json<Page<Agent>>, Failure> {
    let agents = app.engine.resume_vendor(&call, body.vendor).await?;
    Ok(Json(Page::whole(agents.into_iter().map(show::agent).collect())))
}
