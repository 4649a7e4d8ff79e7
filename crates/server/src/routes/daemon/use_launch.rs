use crate::app::App;
use crate::extract::Query;
use crate::failure::Failure;
use crate::gate::welcome;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use protocol::LaunchQuery;
use std::sync::Arc;

/// The one read that changes something: it uses the code up, which is the point of it.
pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Query(query): Query<LaunchQuery>,
) -> Result<Response, Failure> {
    let token = app.token.token().ok_or_else(Failure::unauthorized)?;
    if !app.codes.redeem(&query.code, &token, &*app.options.clock) {
        return Err(match app.wrong_guess() {
            Ok(()) => {
                Failure::new(StatusCode::UNAUTHORIZED, "launch_code", "the code was used or is too old")
                    .hint("run `coditect open` for a new one")
            }
            Err(seconds) => Failure::too_many("too_many_guesses", "too many wrong codes", seconds),
        });
    }
    let cookie = welcome(&app, &token);
    Ok((StatusCode::SEE_OTHER, [(header::SET_COOKIE, cookie), (header::LOCATION, "/".to_owned())])
        .into_response())
}
