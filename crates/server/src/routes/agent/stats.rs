use crate::app::App;
use crate::extract::Query;
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{AgentStats, AgentStatsQuery};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Query(query): Query<AgentStatsQuery>,
) -> Result<Json<AgentStats>, Failure> {
    let session = query.session.as_deref().map(|given| app.engine.resolve_session(given)).transpose()?;
    Ok(Json(show::agent_stats(app.engine.agent_figures(session, query.since)?)))
}
