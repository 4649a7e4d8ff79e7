//! Context entries on the wire.

use crate::operation::{
    Access::Run,
    Method::{Get, Post},
    Operation,
};
use model::{ContextKey, RegistrationId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What the agents of a workspace share under a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContextEntry {
    #[schema(value_type = String)]
    pub key: ContextKey,
    pub value: serde_json::Value,
    /// Rises with every change of any entry.
    pub version: u64,
    #[schema(value_type = String)]
    pub author: RegistrationId,
    /// The author's label.
    pub agent: String,
    #[schema(value_type = String, format = DateTime)]
    pub changed_at: Timestamp,
}

impl From<model::ContextEntry> for ContextEntry {
    fn from(entry: model::ContextEntry) -> Self {
        let model::ContextEntry { key, value, version, author, agent, changed_at } = entry;
        Self { key, value, version, author, agent, changed_at }
    }
}

/// A version of an entry: what was set, or that it was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContextVersion {
    #[schema(value_type = String)]
    pub key: ContextKey,
    /// None: the entry was removed.
    pub value: Option<serde_json::Value>,
    pub version: u64,
    #[schema(value_type = String)]
    pub author: RegistrationId,
    /// The author's label.
    pub agent: String,
    #[schema(value_type = String, format = DateTime)]
    pub changed_at: Timestamp,
}

impl From<model::ContextChange> for ContextVersion {
    fn from(change: model::ContextChange) -> Self {
        let model::ContextChange { key, value, version, author, agent, changed_at } = change;
        Self { key, value, version, author, agent, changed_at }
    }
}

/// Changes in the order they were made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContextChanges {
    pub items: Vec<ContextVersion>,
    /// Given back as `after`, it goes on.
    pub next: u64,
    /// Some changes in between are kept no more. What each key is now is known all the same.
    pub missed: bool,
}

/// Body of `POST /context`. The author is whoever the credential says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewContext {
    /// 1 to 128 letters, digits, `_`, `-`, `.`, `:` or `/`.
    #[schema(value_type = String)]
    pub key: ContextKey,
    /// At most 64 KiB as JSON; null removes the entry.
    pub value: serde_json::Value,
    /// The version the change is made from, 0 for a key that must be new; without it, what is there is overwritten.
    #[serde(default)]
    pub expected_version: Option<u64>,
}

/// Which entries to list, in the order of their keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ContextQuery {
    /// Only keys that begin so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Go on behind this key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub after: Option<ContextKey>,
    /// 1 to 200; 50 without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Which changes to give, and how long to wait for one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ContextChangeQuery {
    /// Only of keys that begin so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Only those after this version, 0 being the start; without it, those from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Seconds to wait when there is none, 0 to 25; 0 without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<u64>,
    /// 1 to 200; 50 without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// What can be done with shared context.
pub(crate) fn operations() -> Vec<Operation> {
    let op = |id, method, path, summary| Operation::new("context", id, method, path, Run, summary);
    vec![
        op("list_context", Get, "/context", "Lists what the agents of the workspace share, by key.")
            .query::<ContextQuery>()
            .lists::<ContextEntry>(),
        op(
            "set_context",
            Post,
            "/context",
            "Shares a value under a key, or removes it, from the version it was made from or not at all.",
        )
        .body::<NewContext>()
        .returns::<ContextVersion>(),
        op("get_context", Get, "/context/{key}", "Shows what is shared under a key.")
            .returns::<ContextEntry>(),
        op(
            "list_context_versions",
            Get,
            "/context/{key}/versions",
            "Lists the versions of an entry that are kept, the newest first.",
        )
        .lists::<ContextVersion>(),
        op(
            "watch_context",
            Get,
            "/context-changes",
            "Gives the changes after a version, and waits for one when there is none.",
        )
        .query::<ContextChangeQuery>()
        .returns::<ContextChanges>(),
    ]
}
