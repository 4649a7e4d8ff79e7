//! Operations and their handlers, bound one to one.
//!
//! Invariant: the routes served are exactly `protocol::operations()`, each behind the access class it
//! declares. A missing or unknown one keeps the server from starting.

use crate::app::App;
use crate::correlate::correlate;
use crate::extract::Who;
use crate::failure::Failure;
use crate::gate::gate;
use crate::{ServerError, mcp, routes, ui};
use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, any, on};
use engine::Caller;
use protocol::{Access, Method, Operation};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Binds handlers to operations by the operations' ids.
pub(crate) struct Binder {
    router: Router<Arc<App>>,
    open: BTreeMap<&'static str, Operation>,
    unknown: Vec<String>,
}

impl Binder {
    fn new() -> Self {
        let open = protocol::operations().into_iter().map(|operation| (operation.id, operation)).collect();
        Self { router: Router::new(), open, unknown: Vec::new() }
    }

    pub(crate) fn bind<H, T>(mut self, id: &'static str, handler: H) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        let Some(operation) = self.open.remove(id) else {
            self.unknown.push(format!("{id} is bound and not described"));
            return self;
        };
        let access = operation.access;
        let guarded = on(filter(operation.method), handler)
            .layer(middleware::from_fn(move |request: Request, next: Next| admit(access, request, next)));
        self.router = self.router.route(&operation.path, guarded);
        self
    }

    fn finish(self) -> Result<Router<Arc<App>>, ServerError> {
        let mut faults = self.unknown;
        faults.extend(self.open.keys().map(|id| format!("{id} is described and not bound")));
        if faults.is_empty() { Ok(self.router) } else { Err(ServerError::Routes(faults)) }
    }
}

/// Lets an agent's credential through only where the operation says so.
async fn admit(access: Access, request: Request, next: Next) -> Response {
    let is_agent = !matches!(request.extensions().get::<Caller>(), None | Some(Caller::User));
    if is_agent && access != Access::Run {
        return Failure::forbidden("not_for_agents", "an agent's credential may not do this")
            .hint("agents hold locks, send notices and read their own session; ask the user for the rest")
            .into_response();
    }
    next.run(request).await
}

fn filter(method: Method) -> MethodFilter {
    match method {
        Method::Get => MethodFilter::GET,
        Method::Post => MethodFilter::POST,
        Method::Patch => MethodFilter::PATCH,
        Method::Delete => MethodFilter::DELETE,
    }
}

/// Everything the server answers, behind its layers: `correlate` around `gate` around the routes.
pub(crate) fn router(app: &Arc<App>) -> Result<Router, ServerError> {
    let bound = routes::bind(Binder::new()).finish()?;
    Ok(bound
        .route(protocol::MCP_PATH, any(mcp::answer))
        .method_not_allowed_fallback(|| async {
            Failure::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "this cannot be done with this method",
            )
        })
        .fallback(page)
        .layer(middleware::from_fn_with_state(Arc::clone(app), gate))
        .layer(middleware::from_fn_with_state(Arc::clone(app), correlate))
        .with_state(Arc::clone(app)))
}

/// What is no route of the API is the page's, and the page is the user's alone.
async fn page(who: Who, request: Request) -> Response {
    match who.0 {
        Caller::User => ui::serve(&request),
        Caller::Run { .. } | Caller::Terminal { .. } => {
            Failure::forbidden("not_for_agents", "the page is the user's").into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_a_handler_and_no_handler_is_left_over() {
        assert!(routes::bind(Binder::new()).finish().is_ok());
    }

    #[test]
    fn a_difference_is_found_on_both_sides() {
        let binder = Binder::new().bind("teleport", || async {});
        let Err(ServerError::Routes(faults)) = binder.finish() else { unreachable!("nothing is bound") };
        assert!(faults.iter().any(|fault| fault == "teleport is bound and not described"));
        assert!(faults.iter().any(|fault| fault == "get_version is described and not bound"));
    }
}
