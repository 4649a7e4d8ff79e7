//! Context entries on the wire.

use model::{ContextKey, RegistrationId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
