use crate::app::App;
use crate::extract::{Bare, Id, Query};
use crate::failure::Failure;
use axum::extract::State;
use axum::http::StatusCode;
use engine::Caller;
use model::Refusal;
use protocol::ReleaseQuery;
use std::sync::Arc;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Query(query): Query<ReleaseQuery>,
    Bare { call }: Bare,
) -> Result<StatusCode, Failure> {
    let token = id.parse().map_err(|_| {
        Refusal::invalid("lock_token", "a lock is named by its token, which is a number")
            .hint("`coditect lock list` shows the tokens")
    })?;
    if query.break_it && !matches!(call.caller, Caller::User) {
        return Err(Failure::forbidden("not_for_agents", "only the user breaks a lock"));
    }
    match query.break_it {
        true => app.engine.break_lock(&call, token).await?,
        false => app.engine.release_lock(&call, token).await?,
    }
    Ok(StatusCode::NO_CONTENT)
}
