//! Files of the worktrees, found by their names and the words in them.

use super::Tool;
use crate::answer::Answer;
use crate::call::Call;
use crate::failure::Failure;
use protocol::FileQuery;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn tools() -> Vec<Tool> {
    vec![
        Tool::new::<_, Found, _>(
            "file_search",
            "Find files by words",
            "Finds files of the worktree you work in whose path or text has all the words, the best first, with the lines that have \
             them, whether they differ from what is committed, and who has them locked. A word may be the beginning of one; \
             `room` finds `checkRoom` and `check_room`. Use it before you read or list files one by one.",
            search,
        )
        .reads()
        .of_daemon(),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Search {
    /// Words or names, at most 16; all of them must be in a file's path or text.
    query: String,
    /// Name, id or short id of a repository, to find what is in all its worktrees. Not for agents that the studio started.
    #[serde(default)]
    repo: Option<String>,
    /// Path of a folder in another worktree than your own. Not for agents that the studio started.
    #[serde(default)]
    worktree: Option<String>,
    /// As in `rust`, `typescript`, `markdown`.
    #[serde(default)]
    language: Option<String>,
    /// A file, or a folder to look in; relative to the worktree's root.
    #[serde(default)]
    under: Option<String>,
    /// Only files that differ from what is committed.
    #[serde(default)]
    changed: bool,
    /// At most 99; 20 without it.
    #[serde(default)]
    limit: Option<usize>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Line {
    number: usize,
    text: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct File {
    path: String,
    /// Where the worktree is.
    worktree: String,
    /// How many more worktrees have it with this content.
    also_in: u64,
    repo: String,
    language: Option<String>,
    bytes: u64,
    modified_at: String,
    content_hash: Option<String>,
    /// `clean`, `modified`, `staged` or `untracked`.
    git_status: String,
    /// The agent that has it locked for writing.
    agent_lock: Option<String>,
    /// The session that left it so, if that is known.
    session: Option<String>,
    lines: Vec<Line>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Found {
    files: Vec<File>,
    /// There are more; give more words.
    more: bool,
    /// What was changed lately may be missing; search again in a moment.
    behind: bool,
}

impl From<protocol::FoundFile> for File {
    fn from(file: protocol::FoundFile) -> Self {
        let line = |line: protocol::FoundLine| Line { number: line.number, text: line.text };
        Self {
            path: file.path.to_string(),
            worktree: file.worktree,
            also_in: file.also_in,
            repo: file.repo,
            language: file.language,
            bytes: file.bytes,
            modified_at: file.modified_at.to_string(),
            content_hash: file.content_hash,
            git_status: file.git_status.as_str().to_owned(),
            agent_lock: file.agent_lock,
            session: file.session.map(|session| session.to_string()),
            lines: file.lines.into_iter().map(line).collect(),
        }
    }
}

impl File {
    fn told(&self) -> String {
        let mut told = self.path.clone();
        if self.git_status != "clean" {
            told.push_str(&format!(" ({})", self.git_status));
        }
        if let Some(agent) = &self.agent_lock {
            told.push_str(&format!(" (locked by {agent})"));
        }
        for line in &self.lines {
            told.push_str(&format!("\n  {}: {}", line.number, line.text));
        }
        told
    }
}

async fn search(call: Call, wish: Search) -> Result<Answer, Failure> {
    let Search { query, repo, worktree, language, under, changed, limit } = wish;
    // A driven agent's own worktree is known to the daemon.
    let worktree = match (worktree, &repo) {
        (None, None) if !call.is_driven() => call.worktree(None).ok().and_then(|own| own.name().ok()),
        (given, _) => given,
    };
    let changed = changed.then_some(true);
    let query = FileQuery { query, repo, worktree, language, under, changed, limit };
    let found = call.daemon().search_files(&query).await?;
    let (more, behind) = (found.more, found.behind);
    let files: Vec<File> = found.items.into_iter().map(File::from).collect();
    let mut told: Vec<String> = files.iter().map(File::told).collect();
    if told.is_empty() {
        told.push("No file has all of these words.".to_owned());
    }
    if more {
        told.push("There are more; give more words.".to_owned());
    }
    if behind {
        told.push("The files are still being looked at; search again in a moment.".to_owned());
    }
    Answer::new(told.join("\n"), Found { files, more, behind })
}
