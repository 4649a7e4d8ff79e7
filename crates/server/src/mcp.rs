//! `/mcp`: the tools of agents over HTTP, behind the same gate as everything else.
//!
//! Who calls is who the credential belongs to; nothing in a request says otherwise. The tools are those of `coditect mcp`;
//! what they want of the daemon they ask of it by its socket, with the caller's own credential and under its rules.

use crate::app::App;
use crate::extract::{Who, read};
use crate::failure::Failure;
use crate::gate::bearer;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use engine::Caller;
use mcp::{Credential, Http, Place, Seat, Whose};
use protocol::limits::BODY_MAX;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The tools on the engine's bus.
pub(crate) fn service(app: &App) -> Http {
    let (options, root) = (&app.options, app.engine.data_root());
    let place = Place {
        root: root.clone(),
        workspace: root.workspace(&options.workspace),
        clock: Arc::clone(&options.clock),
        entropy: Arc::clone(&options.entropy),
        // A daemon stands nowhere: a caller's worktree is its registration's, or given with the call.
        cwd: PathBuf::new(),
        environment: Arc::new(BTreeMap::new()),
        version: options.version,
    };
    Http::new(place, app.engine.bus().clone(), BODY_MAX, app.draining.clone())
}

pub(crate) async fn answer(State(app): State<Arc<App>>, who: Who, request: Request) -> Response {
    let registration = app.engine.registration_of(&who.0);
    let whose = match &who.0 {
        Caller::User => Whose::User,
        Caller::Run { .. } => Whose::Session,
        Caller::Terminal { .. } => Whose::Anybody,
    };
    let credential = match (whose, bearer(request.headers())) {
        (Whose::User, _) => Credential::User,
        (_, Some(token)) => Credential::Run(token.to_owned()),
        (_, None) => return Failure::unauthorized().into_response(),
    };
    let (parts, body) = request.into_parts();
    let body = match read(body, &app).await {
        Ok(body) => body,
        Err(failure) => return failure.into_response(),
    };
    let tools = app.tools.get_or_init(|| service(&app)).clone();
    let request = Request::from_parts(parts, Body::from(body));
    tools.answer(Seat { registration, credential, whose }, request).await.map(Body::new)
}
