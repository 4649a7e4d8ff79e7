//! Shared context: what the agents of a workspace agree on, by key.

use super::Tool;
use crate::answer::{Answer, clipped};
use crate::call::{Call, wait};
use crate::failure::Failure;
use bus::{BusError, ContextPage, ContextQuery, NewContext};
use model::{ContextChange, ContextEntry, ContextKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// Most entries one answer lists.
const LISTED_MAX: usize = 100;
/// How much of a value a list shows, in characters.
const SHOWN_MAX: usize = 200;
/// Most changes one answer has.
const CHANGES_MAX: usize = 20;
/// How soon a wait that was taken back ends.
const ROUND: Duration = Duration::from_millis(250);

pub(super) fn tools() -> Vec<Tool> {
    vec![
        Tool::new::<_, Entry, _>(
            "context_get",
            "Read shared context",
            "Gives the value all agents of the workspace share under a key, and its version; with versions, also what \
             it was before and who set it. no_context means there is none yet.",
            get,
        )
        .reads(),
        Tool::new::<_, Changed, _>(
            "context_set",
            "Write shared context",
            "Shares a value under a key. Give expected_version, the version you read, or 0 for a new key: then \
             nothing of others is overwritten, and context_conflict shows what is there instead. The value null \
             removes the key.",
            set,
        )
        .replaces(),
        Tool::new::<_, Page, _>(
            "context_list",
            "List shared context",
            "Lists what is shared, in the order of the keys; values are cut short here.",
            list,
        )
        .reads(),
        Tool::new::<_, Changes, _>(
            "context_wait",
            "Wait for a change of shared context",
            "Gives the changes after a version, and waits for one when there is none. Give `next` of the answer as \
             `after` to follow on. Use it when you cannot go on before others have shared something.",
            await_change,
        )
        .reads(),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Get {
    /// 1 to 128 letters, digits, `_`, `-`, `.`, `:` or `/`.
    key: String,
    /// True: give the versions that are kept, too.
    #[serde(default)]
    versions: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wait {
    /// Only changes of keys that begin so.
    #[serde(default)]
    prefix: Option<String>,
    /// Only changes after this version, 0 being the start; without it, the next one.
    #[serde(default)]
    after: Option<u64>,
    /// How long to wait at most; 0 to 300, 30 without.
    #[serde(default)]
    wait_seconds: Option<u64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Set {
    /// 1 to 128 letters, digits, `_`, `-`, `.`, `:` or `/`.
    key: String,
    /// Any JSON of at most 64 KiB; null removes the key.
    value: Value,
    /// The version you made the change from; 0: the key must be new. Without it, whatever is there is overwritten.
    #[serde(default)]
    expected_version: Option<u64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct List {
    /// Only keys that begin so.
    #[serde(default)]
    prefix: Option<String>,
    /// Go on behind this key.
    #[serde(default)]
    after: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Entry {
    key: String,
    value: Value,
    version: u64,
    /// Who set it.
    agent: String,
    changed_at: String,
    /// What is kept of what it was, the newest first; empty unless asked for.
    versions: Vec<Version>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Version {
    key: String,
    /// Null: the key was removed.
    value: Value,
    version: u64,
    agent: String,
    changed_at: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Changes {
    /// The oldest first.
    changes: Vec<Version>,
    /// Give it as `after` to follow on.
    next: u64,
    /// Some changes in between are kept no more; context_get shows what is there now.
    missed: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Changed {
    key: String,
    version: u64,
    /// The key is shared no more.
    removed: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Short {
    key: String,
    version: u64,
    agent: String,
    /// The beginning of the value.
    shown: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Page {
    entries: Vec<Short>,
    /// Give it as `after` to read on.
    next: Option<String>,
}

fn key(given: &str) -> Result<ContextKey, Failure> {
    given.parse().map_err(|words: String| Failure::new("bad_key", words, "choose another key"))
}

fn said(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn version(change: ContextChange) -> Version {
    Version {
        key: change.key.to_string(),
        value: change.value.unwrap_or_default(),
        version: change.version,
        agent: change.agent,
        changed_at: change.changed_at.to_string(),
    }
}

fn line(one: &Version) -> String {
    let shown =
        if one.value.is_null() { "removed".to_owned() } else { clipped(&said(&one.value), SHOWN_MAX) };
    format!("{} (version {}, by {}): {shown}", one.key, one.version, one.agent)
}

async fn get(call: Call, wish: Get) -> Result<Answer, Failure> {
    let key = key(&wish.key)?;
    let found = call.blocking(move |call| {
        let entry = call.bus.context(&key)?.ok_or_else(|| BusError::NoContext(key.clone()))?;
        let versions = if wish.versions { call.bus.context_versions(&key)? } else { Vec::new() };
        Ok((entry, versions))
    });
    let (ContextEntry { key, value, version: at, agent, changed_at, .. }, versions) = found.await?;
    let versions: Vec<Version> = versions.into_iter().map(version).collect();
    let mut text = format!("{key} (version {at}, by {agent}): {}", said(&value));
    for one in &versions {
        text.push('\n');
        text.push_str(&line(one));
    }
    let changed_at = changed_at.to_string();
    Answer::new(text, Entry { key: key.to_string(), value, version: at, agent, changed_at, versions })
}

async fn await_change(call: Call, wish: Wait) -> Result<Answer, Failure> {
    let patience = wait(Some(wish.wait_seconds.unwrap_or(30)))?;
    let prefix = wish.prefix.unwrap_or_default();
    let found = call.blocking(move |call| changes(call, prefix, wish.after, patience)).await?;
    let ContextPage { changes, next, missed } = found;
    let changes: Vec<Version> = changes.into_iter().map(version).collect();
    let lines: Vec<String> = changes.iter().map(line).collect();
    let text = if lines.is_empty() { "Nothing changed.".to_owned() } else { lines.join("\n") };
    Answer::new(text, Changes { changes, next, missed })
}

fn changes(
    call: &Call,
    prefix: String,
    after: Option<u64>,
    patience: Duration,
) -> Result<ContextPage, Failure> {
    let after = match after {
        Some(after) => after,
        None => call.bus.newest_context()?,
    };
    let query = ContextQuery { prefix, after, limit: CHANGES_MAX };
    let clock = &call.shared.place.clock;
    let deadline = clock.uptime() + patience;
    loop {
        let left = deadline.saturating_sub(clock.uptime());
        let page = call.bus.wait_context(&query, left.min(ROUND))?;
        if call.is_canceled() {
            return Err(Failure::canceled());
        }
        if !page.changes.is_empty() || left.is_zero() {
            return Ok(page);
        }
    }
}

async fn set(call: Call, wish: Set) -> Result<Answer, Failure> {
    let new = NewContext {
        author: call.me(),
        key: key(&wish.key)?,
        value: wish.value,
        expected_version: wish.expected_version,
    };
    let change = call.blocking(move |call| Ok(call.bus.set_context(&new)?)).await?;
    let removed = change.value.is_none();
    let word = if removed { "is shared no more" } else { "is shared" };
    let text = format!("{} {word}, version {}.", change.key, change.version);
    Answer::new(text, Changed { key: change.key.to_string(), version: change.version, removed })
}

async fn list(call: Call, wish: List) -> Result<Answer, Failure> {
    let after = wish.after.as_deref().map(key).transpose()?;
    let prefix = wish.prefix.unwrap_or_default();
    let reading =
        call.blocking(move |call| Ok(call.bus.context_entries(&prefix, after.as_ref(), LISTED_MAX)?));
    let found = reading.await?;
    let next = (found.len() == LISTED_MAX).then(|| found.last().map(|last| last.key.to_string())).flatten();
    let entries: Vec<Short> = found
        .into_iter()
        .map(|entry| Short {
            key: entry.key.to_string(),
            version: entry.version,
            agent: entry.agent,
            shown: clipped(&said(&entry.value), SHOWN_MAX),
        })
        .collect();
    let lines: Vec<String> = entries
        .iter()
        .map(|one| format!("{} (version {}, by {}): {}", one.key, one.version, one.agent, one.shown))
        .collect();
    let text = if lines.is_empty() { "Nothing is shared.".to_owned() } else { lines.join("\n") };
    Answer::new(text, Page { entries, next })
}
