//! Operations: what the API can do, one entry per route.
//!
//! Every noun's file describes its own; the server binds a handler to each and refuses to start when
//! one is missing on either side, and OpenAPI is generated from the same list. A route therefore cannot exist
//! undescribed or without its access class.

use crate::Page;
use std::collections::BTreeMap;
use std::fmt;
use utoipa::openapi::path::Parameter;
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{IntoParams, ToSchema};

/// Path prefix of the API.
pub const API_PREFIX: &str = "/api/v1";
/// Header with the id that ties a response to the daemon's log. Taken over from the request when it has one.
pub const CORRELATION_HEADER: &str = "x-correlation-id";
/// Header that makes a repeated mutation harmless.
pub const IDEMPOTENCY_HEADER: &str = "idempotency-key";
/// Header of every API response: a cursor that the response is at least as new as. A reader that
/// subscribes after it misses nothing.
pub const CURSOR_HEADER: &str = "x-coditect-cursor";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    Get,
    Post,
    Patch,
    Delete,
}

impl Method {
    pub const ALL: [Self; 4] = [Self::Get, Self::Post, Self::Patch, Self::Delete];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whose credential a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Nobody's. Two routes only.
    Open,
    /// The user's: token or cookie.
    User,
    /// The user's, or that of a running agent, which then sees and touches only what is its own.
    Run,
}

impl Access {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::User => "user",
            Self::Run => "user or run",
        }
    }
}

/// A named schema and everything it refers to.
#[derive(Clone)]
pub(crate) struct Shape {
    pub(crate) reference: RefOr<Schema>,
    pub(crate) schemas: Vec<(String, RefOr<Schema>)>,
}

impl Shape {
    pub(crate) fn of<T: ToSchema>() -> Self {
        let name = T::name().into_owned();
        let mut schemas = vec![(name.clone(), T::schema())];
        T::schemas(&mut schemas);
        Self { reference: Ref::from_schema_name(name).into(), schemas }
    }
}

/// What a successful response carries.
#[derive(Clone)]
pub(crate) enum Answer {
    Json(Box<Shape>),
    Nothing,
    /// 303 to the page.
    Redirect,
    /// 101.
    Upgrade,
    Text,
    /// One JSON value per line, as many as there are.
    JsonLines,
    /// A file to be saved.
    Bytes,
    AnyJson,
}

/// One route.
#[derive(Clone)]
pub struct Operation {
    /// `verb_noun`, unique.
    pub id: &'static str,
    pub method: Method,
    /// Whole path, with `{id}` for what varies.
    pub path: String,
    pub access: Access,
    pub(crate) tag: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) query: Vec<Parameter>,
    pub(crate) body: Option<Shape>,
    /// The body is bytes as they are, and no JSON.
    pub(crate) bytes: bool,
    pub(crate) status: u16,
    pub(crate) answer: Answer,
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.method, self.path, self.id)
    }
}

impl Operation {
    /// An operation under the API prefix that answers 200.
    pub(crate) fn new(
        tag: &'static str,
        id: &'static str,
        method: Method,
        path: &str,
        access: Access,
        summary: &'static str,
    ) -> Self {
        Self {
            id,
            method,
            path: format!("{API_PREFIX}{path}"),
            access,
            tag,
            summary,
            query: Vec::new(),
            body: None,
            bytes: false,
            status: 200,
            answer: Answer::Nothing,
        }
    }

    pub(crate) fn query<Q: IntoParams>(mut self) -> Self {
        self.query = Q::into_params(|| None);
        self
    }

    pub(crate) fn body<B: ToSchema>(mut self) -> Self {
        self.body = Some(Shape::of::<B>());
        self
    }

    pub(crate) fn bytes(mut self) -> Self {
        self.bytes = true;
        self
    }

    pub(crate) fn returns<R: ToSchema>(mut self) -> Self {
        self.answer = Answer::Json(Box::new(Shape::of::<R>()));
        self
    }

    pub(crate) fn creates<R: ToSchema>(mut self) -> Self {
        self.status = 201;
        self.returns::<R>()
    }

    pub(crate) fn lists<T: ToSchema>(self) -> Self {
        self.returns::<Page<T>>()
    }

    /// Makes items and answers them as a page.
    pub(crate) fn creates_list<T: ToSchema>(self) -> Self {
        self.creates::<Page<T>>()
    }

    pub(crate) fn answers(mut self, status: u16, answer: Answer) -> Self {
        self.status = status;
        self.answer = answer;
        self
    }

    /// Names in braces, in the order of the path.
    pub fn path_parameters(&self) -> Vec<&str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect()
    }

    pub fn is_mutation(&self) -> bool {
        self.method != Method::Get
    }

    /// Whether the request carries a JSON body.
    pub fn takes_body(&self) -> bool {
        self.body.is_some()
    }
}

/// Every operation, grouped by noun.
pub fn operations() -> Vec<Operation> {
    [
        crate::daemon::operations(),
        crate::session::operations(),
        crate::lineage::operations(),
        crate::compaction::operations(),
        crate::presence::operations(),
        crate::archive::operations(),
        crate::message::operations(),
        crate::task::operations(),
        crate::terms::operations(),
        crate::plan::operations(),
        crate::permission::operations(),
        crate::cost::operations(),
        crate::checkpoint::operations(),
        crate::board::operations(),
        crate::artifact::operations(),
        crate::agent::operations(),
        crate::import::operations(),
        crate::lock::operations(),
        crate::notice::operations(),
        crate::context::operations(),
        crate::registration::operations(),
        crate::repo::operations(),
        crate::worktree::operations(),
        crate::conflict::operations(),
        crate::merge_queue::operations(),
        crate::file::operations(),
        crate::event::operations(),
        crate::data::operations(),
    ]
    .concat()
}

/// Paths and what each of their methods is.
pub fn by_path() -> BTreeMap<String, Vec<Operation>> {
    let mut paths: BTreeMap<String, Vec<Operation>> = BTreeMap::new();
    for operation in operations() {
        paths.entry(operation.path.clone()).or_default().push(operation);
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_and_routes_are_unique() {
        let all = operations();
        let ids: BTreeSet<&str> = all.iter().map(|op| op.id).collect();
        let routes: BTreeSet<(Method, &str)> = all.iter().map(|op| (op.method, op.path.as_str())).collect();
        assert_eq!((ids.len(), routes.len()), (all.len(), all.len()));
    }

    #[test]
    fn only_the_pulse_and_the_launch_are_open() {
        let open: Vec<&str> =
            operations().iter().filter(|op| op.access == Access::Open).map(|op| op.id).collect();
        assert_eq!(open, ["health", "use_launch"]);
    }

    #[test]
    fn reads_have_no_body() {
        for op in operations().iter().filter(|op| op.method == Method::Get) {
            assert!(op.body.is_none(), "{op:?}");
        }
    }
}
