//! Changing a file: the lock first, then a look at the content under it, then the new content to the
//! daemon's writer, which checks both again.
//!
//! Invariant: what is written was computed from the content it replaces.

use model::{ParticipantStatus, RepoPath};
use serde_json::Value;

use super::super::confine::ConfineError;
use super::{FILE_MAX, Outcome, ToolError, Toolbox, misanswered};
use crate::run::wire::{Reply, Request};

/// Times a change is computed when the content moves under it: somebody writes without the lock.
const ATTEMPTS: usize = 2;

/// What is to be done with the present content, none when there is no file.
pub(super) type Compute<'a> = &'a dyn Fn(Option<&[u8]>, Seen) -> Result<String, ToolError>;

/// How the present content relates to what the model has last seen of the file in this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    Never,
    Same,
    Other,
}

/// `wanted` is what the model wants done, as it said it.
pub(super) async fn change(
    toolbox: &Toolbox,
    path: &str,
    wanted: &Value,
    compute: Compute<'_>,
) -> Result<Outcome, ToolError> {
    let path: RepoPath = path.parse()?;
    toolbox.status(ParticipantStatus::Editing, path.as_str()).await;
    match toolbox.ask(Request::to_edit(path.clone(), Some(wanted))).await? {
        Reply::Locked { .. } => {}
        other => return Err(misanswered(&other)),
    }
    let mut attempt = 1;
    loop {
        match write(toolbox, &path, compute).await {
            Err(ToolError::Refused(refusal)) if refusal.code == "stale_base" && attempt < ATTEMPTS => {
                attempt += 1;
            }
            other => return other,
        }
    }
}

async fn write(toolbox: &Toolbox, path: &RepoPath, compute: Compute<'_>) -> Result<Outcome, ToolError> {
    let present = match toolbox.tree.read(path, FILE_MAX) {
        Ok(content) => Some(content),
        Err(ConfineError::Missing(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let base = present.as_ref().map(|content| blake3::hash(content).to_hex().to_string());
    let seen = match (toolbox.seen.borrow().get(path), &base) {
        (None, _) => Seen::Never,
        (Some(seen), Some(base)) if seen == base => Seen::Same,
        (Some(_), _) => Seen::Other,
    };
    let content = compute(present.as_deref(), seen)?;
    if content.len() as u64 > FILE_MAX {
        return Err(ToolError::Failed(format!(
            "the file would have {} bytes; this tool writes up to {FILE_MAX}",
            content.len()
        )));
    }
    if present.as_deref() == Some(content.as_bytes()) {
        return Ok(Outcome::ok(format!("{path} has that content already")));
    }
    let created = base.is_none();
    match toolbox.ask(Request::Write { path: path.clone(), base, content }).await? {
        Reply::Written { hash, lines_added, lines_removed } => {
            toolbox.seen.borrow_mut().insert(path.clone(), hash);
            let did = if created { "created" } else { "changed" };
            Ok(Outcome::ok(format!("{did} {path}: {lines_added} lines added, {lines_removed} removed")))
        }
        other => Err(misanswered(&other)),
    }
}

/// Line ends of a file, when it has one kind only.
pub(super) fn is_crlf(text: &[u8]) -> bool {
    let mut ends = 0;
    for (at, byte) in text.iter().enumerate() {
        if *byte == b'\n' {
            if at == 0 || text[at - 1] != b'\r' {
                return false;
            }
            ends += 1;
        }
    }
    ends > 0
}

/// The text with every line end as in a CRLF file.
pub(super) fn to_crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}
