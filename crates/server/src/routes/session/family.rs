use crate::app::App;
use crate::extract::{Id, Query, Who};
use crate::failure::Failure;
use crate::show;
use axum::Json;
use axum::extract::State;
use protocol::{Family, FamilyQuery};
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    who: Who,
    Id(id): Id,
    Query(query): Query<FamilyQuery>,
) -> Result<Json<Family>, Failure> {
    let session = who.session(&app, &id)?;
    let limit = match query.limit {
        Some(limit) if !(1..=engine::KIN_MAX).contains(&limit) => {
            let message = format!("limit {limit} is not between 1 and {}", engine::KIN_MAX);
            return Err(model::Refusal::invalid("limit_out_of_range", message).hint("ask for fewer").into());
        }
        limit => limit.unwrap_or(0),
    };
    // An agent is shown what came out of its own session, and where that came from; not what else came from there.
    let whole = query.whole && who.is_user();
    let family = app.engine.family(session, engine::KinQuery { depth: query.depth, limit, whole })?;
    Ok(Json(show::family(family)))
}
