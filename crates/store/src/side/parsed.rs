//! parsed_sessions.db: what each session consists of, as counts and lists that JSON tools read.

use crate::{StoreError, column};
use journal::Record;
use model::{Block, Event, FileChange, PermissionDecision, SessionId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Files and decisions listed of one session; more are counted.
const LISTED_MAX: usize = 500;
/// Tools counted by name of one session.
const TOOLS_MAX: usize = 200;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Content {
    /// By role.
    messages: BTreeMap<String, u64>,
    /// By tool.
    tools: BTreeMap<String, u64>,
    /// By outcome.
    turns: BTreeMap<String, u64>,
    tasks: u64,
    characters: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Changes {
    files: BTreeMap<String, Change>,
    /// Edits of files that are not listed.
    more: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Change {
    edits: u64,
    lines_added: u64,
    lines_removed: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Decisions {
    listed: Vec<Decision>,
    more: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Decision {
    at: Timestamp,
    allowed: bool,
    by: String,
    reason: String,
}

pub(super) fn apply(db: &Connection, record: &Record) -> Result<(), StoreError> {
    match &record.event {
        Event::SessionCreated(session) => {
            let empty = (column::to_json(&Content::default())?, column::to_json(&Changes::default())?);
            db.prepare_cached(
                "INSERT INTO parsed_sessions (session_id, parsed_content, code_changes, decisions, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (session_id) DO NOTHING",
            )?
            .execute(params![
                session.id.to_string(),
                empty.0,
                empty.1,
                column::to_json(&Decisions::default())?,
                session.created_at.as_millis()
            ])?;
            Ok(())
        }
        Event::TaskSubmitted(task) => content(db, task.session, |content| content.tasks += 1),
        Event::TurnEnded(end) => content(db, end.session, |content| {
            *content.turns.entry(end.outcome.as_str().to_owned()).or_default() += 1;
        }),
        Event::MessageAppended(message) => content(db, message.session, |content| {
            *content.messages.entry(message.role.as_str().to_owned()).or_default() += 1;
            content.characters += message.text().chars().count() as u64;
            for block in &message.blocks {
                if let Block::ToolCall { tool, .. } = block
                    && (content.tools.len() < TOOLS_MAX || content.tools.contains_key(tool))
                {
                    *content.tools.entry(tool.clone()).or_default() += 1;
                }
            }
        }),
        Event::FileModified(change) => {
            patch(db, change.session, "code_changes", |all: &mut Changes| changed(all, change))
        }
        Event::PermissionDecided(decision) => {
            let at = record.ts;
            patch(db, decision.session, "decisions", |all: &mut Decisions| decided(all, at, decision))
        }
        _ => Ok(()),
    }
}

fn changed(all: &mut Changes, change: &FileChange) {
    let path = change.path.as_str();
    if all.files.len() >= LISTED_MAX && !all.files.contains_key(path) {
        all.more += 1;
        return;
    }
    let file = all.files.entry(path.to_owned()).or_default();
    file.edits += 1;
    file.lines_added += u64::from(change.lines_added);
    file.lines_removed += u64::from(change.lines_removed);
}

fn decided(all: &mut Decisions, at: Timestamp, decision: &PermissionDecision) {
    if all.listed.len() >= LISTED_MAX {
        all.more += 1;
        return;
    }
    let PermissionDecision { allowed, by, reason, .. } = decision;
    all.listed.push(Decision { at, allowed: *allowed, by: by.clone(), reason: reason.clone() });
}

fn content(db: &Connection, session: SessionId, change: impl FnOnce(&mut Content)) -> Result<(), StoreError> {
    patch(db, session, "parsed_content", change)
}

/// Changes the JSON in a column of the session's row, if it has one.
fn patch<T: Default + Serialize + for<'de> Deserialize<'de>>(
    db: &Connection,
    session: SessionId,
    column: &'static str,
    change: impl FnOnce(&mut T),
) -> Result<(), StoreError> {
    let id = session.to_string();
    let found: Option<String> = db
        .prepare_cached(&format!("SELECT {column} FROM parsed_sessions WHERE session_id = ?1"))?
        .query_row([&id], |row| row.get(0))
        .optional()?;
    let Some(text) = found else { return Ok(()) };
    let mut value: T = serde_json::from_str(&text).unwrap_or_default();
    change(&mut value);
    db.prepare_cached(&format!("UPDATE parsed_sessions SET {column} = ?2 WHERE session_id = ?1"))?
        .execute(params![id, column::to_json(&value)?])?;
    Ok(())
}
