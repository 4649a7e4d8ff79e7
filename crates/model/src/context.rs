//! Context entries: versioned keys and values that the agents of a workspace share.

use crate::{RegistrationId, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Longest key of a context entry, in characters.
pub const CONTEXT_KEY_MAX: usize = 128;
/// Longest value of a context entry, in bytes of JSON.
pub const CONTEXT_VALUE_MAX: usize = 64 * 1024;
/// Most context entries of a workspace.
pub const CONTEXT_ENTRIES_MAX: usize = 1024;
/// Most versions of one entry that are kept, the present one among them.
pub const CONTEXT_VERSIONS_MAX: usize = 64;
/// An older version is kept while it is among this many last changes of the workspace.
pub const CONTEXT_HISTORY_MAX: usize = 2048;

/// What a context entry is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContextKey(String);

impl ContextKey {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ContextKey {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        let ok = (1..=CONTEXT_KEY_MAX).contains(&given.len())
            && given.chars().all(|c| c.is_ascii_alphanumeric() || "_-.:/".contains(c));
        if ok {
            Ok(Self(given.to_owned()))
        } else {
            Err(format!("a context key is 1 to {CONTEXT_KEY_MAX} letters, digits, `_`, `-`, `.`, `:` or `/`"))
        }
    }
}

impl TryFrom<String> for ContextKey {
    type Error = String;

    fn try_from(given: String) -> Result<Self, String> {
        given.parse()
    }
}

impl From<ContextKey> for String {
    fn from(key: ContextKey) -> Self {
        key.0
    }
}

impl fmt::Display for ContextKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is known under a key now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextEntry {
    pub key: ContextKey,
    /// Never null: null removes an entry.
    pub value: serde_json::Value,
    /// Rises with every change of any entry, so that a key that was removed and set anew is not taken for the old one.
    pub version: u64,
    /// Who set it.
    pub author: RegistrationId,
    /// The author's label.
    pub agent: String,
    pub changed_at: Timestamp,
}

/// An entry was set or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextChange {
    pub key: ContextKey,
    /// None: the entry was removed.
    pub value: Option<serde_json::Value>,
    pub version: u64,
    pub author: RegistrationId,
    pub agent: String,
    pub changed_at: Timestamp,
}

impl From<ContextEntry> for ContextChange {
    fn from(entry: ContextEntry) -> Self {
        let ContextEntry { key, value, version, author, agent, changed_at } = entry;
        Self { key, value: Some(value), version, author, agent, changed_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_a_length_and_an_alphabet() {
        for good in ["a", "build/flags", "api.v2:auth-rules_1", &"k".repeat(CONTEXT_KEY_MAX)] {
            assert_eq!(good.parse::<ContextKey>().unwrap().as_str(), good);
        }
        for bad in ["", "two words", "naïve", "a\nb", &"k".repeat(CONTEXT_KEY_MAX + 1)] {
            assert!(bad.parse::<ContextKey>().is_err(), "{bad}");
        }
    }
}
