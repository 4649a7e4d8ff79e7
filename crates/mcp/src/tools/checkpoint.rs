//! Checkpoints: what an agent may keep and bring back of its own session's files, under the daemon's rules.

use super::Tool;
use crate::answer::Answer;
use crate::call::Call;
use crate::failure::Failure;
use model::RepoPath;
use protocol::{CheckpointQuery, CheckpointRestore, NewCheckpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Checkpoints one answer lists when nothing else is said.
const LISTED: u32 = 50;
/// Files one answer names.
const FILES_NAMED: usize = 50;

pub(super) fn tools() -> Vec<Tool> {
    vec![
        Tool::new::<_, Listing, _>(
            "checkpoint_list",
            "List checkpoints",
            "Lists the checkpoints of a session, oldest first: made before and after each turn that edits, and those \
             somebody asked for.",
            list,
        )
        .reads()
        .of_session(),
        Tool::new::<_, Checkpoint, _>(
            "checkpoint_create",
            "Keep the files as they are",
            "Keeps all files of the worktree you work in as they are now, under a name, before something risky. Called by \
             the user, of where the session works, or of an agent's own worktree.",
            create,
        )
        .of_session(),
        Tool::new::<_, Restored, _>(
            "checkpoint_restore",
            "Bring files back",
            "Brings files of the worktree you work in back to a checkpoint of it. Name the files: others may work there. What \
             is there now is kept first, as the checkpoint in `before`. Refused while somebody else holds one of them.",
            restore,
        )
        .replaces()
        .of_session(),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct List {
    /// Id or short id of the session.
    session: String,
    /// Without those that nobody asked for.
    #[serde(default)]
    asked: bool,
    /// The newest so many, 1 to 1000; 50 without.
    #[serde(default)]
    limit: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Create {
    /// Id or short id of the session.
    session: String,
    /// What it is called, 1 to 100 characters.
    name: String,
    /// Name of the agent of the session whose own worktree it is of.
    #[serde(default)]
    agent: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Restore {
    /// Id or short id of the checkpoint.
    checkpoint: String,
    /// Files and folders, relative to the worktree. An agent names at least one.
    #[serde(default)]
    paths: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Checkpoint {
    id: String,
    short_id: String,
    /// work, before_turn, after_turn, named or before_restore.
    kind: String,
    name: Option<String>,
    message: String,
    commit: String,
    created_at: String,
    /// Files that differ from the one before.
    changed: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Listing {
    checkpoints: Vec<Checkpoint>,
    /// There are older ones.
    more: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Restored {
    /// Checkpoint of what was there before.
    before: Option<String>,
    /// Files that were brought back.
    files: Vec<String>,
    /// How many more.
    more: usize,
    /// Files that stayed as they were, and why.
    kept: Vec<String>,
}

impl From<protocol::Checkpoint> for Checkpoint {
    fn from(one: protocol::Checkpoint) -> Self {
        Self {
            id: one.id.to_string(),
            short_id: one.id.short(),
            kind: one.kind.as_str().to_owned(),
            name: one.name,
            message: one.message,
            commit: one.commit,
            created_at: one.created_at.to_string(),
            changed: one.point.map_or(one.paths.len(), |point| point.changed as usize),
        }
    }
}

impl Checkpoint {
    fn line(&self) -> String {
        let what = self.name.as_deref().unwrap_or_else(|| self.message.lines().next().unwrap_or_default());
        format!("{} [{}] {what}, {} files, {}", self.short_id, self.kind, self.changed, self.created_at)
    }
}

async fn list(call: Call, wish: List) -> Result<Answer, Failure> {
    let query = CheckpointQuery {
        automatic: wish.asked.then_some(false),
        before: None,
        limit: Some(wish.limit.unwrap_or(LISTED)),
    };
    let page = call.daemon().checkpoints(&wish.session, &query).await?;
    let more = page.next.is_some();
    let checkpoints: Vec<Checkpoint> = page.items.into_iter().map(Checkpoint::from).collect();
    let lines: Vec<String> = checkpoints.iter().map(Checkpoint::line).collect();
    let text = if lines.is_empty() { "There are none.".to_owned() } else { lines.join("\n") };
    Answer::new(text, Listing { checkpoints, more })
}

async fn create(call: Call, wish: Create) -> Result<Answer, Failure> {
    let agent = wish.agent.map(|agent| agent.parse::<model::AgentName>()).transpose().map_err(|error| {
        Failure::new("bad_agent", format!("{error}"), "call session_read to see who is in the session")
    })?;
    let new = NewCheckpoint { name: wish.name, agent };
    let made = Checkpoint::from(call.daemon().create_checkpoint(&wish.session, &new, None).await?);
    Answer::new(made.line(), made)
}

async fn restore(call: Call, wish: Restore) -> Result<Answer, Failure> {
    let paths = wish.paths.iter().map(|path| path.parse::<RepoPath>()).collect::<Result<Vec<_>, _>>();
    let paths = paths.map_err(|error| {
        Failure::new("path_refused", error.to_string(), "give paths relative to the worktree's top")
    })?;
    let restore = CheckpointRestore { files: Some(true), conversation: false, paths, force: false };
    let done = call.daemon().restore_checkpoint(&wish.checkpoint, &restore, None).await?;
    let count = done.files.len() + done.more as usize;
    let files: Vec<String> = done.files.iter().take(FILES_NAMED).map(|file| file.path.to_string()).collect();
    let kept: Vec<String> = done.kept.iter().map(|file| format!("{}: {}", file.path, file.reason)).collect();
    let text = format!("{count} files are back, {} stayed as they are", kept.len());
    let more = count - files.len();
    Answer::new(text, Restored { before: done.before.map(|id| id.to_string()), files, more, kept })
}
