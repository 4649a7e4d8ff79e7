//! The merge queue: how an agent's finished work lands.

use super::Tool;
use crate::answer::Answer;
use crate::call::Call;
use crate::failure::Failure;
use protocol::{MergeMode, MergeQuery, NewMergeEntry};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn tools() -> Vec<Tool> {
    vec![
        Tool::new::<_, Entry, _>(
            "merge_add",
            "Queue work to land",
            "Puts a worktree into the merge queue of its repository, when the work in it is finished and committed. It is put on top \
             of its branch, the repository's checks run, and it lands. What does not go together or fails comes back as a task in \
             the session that made it. As an agent of the studio name none: the worktree you work in is meant.",
            add,
        )
        .of_session(),
        Tool::new::<_, Queue, _>(
            "merge_list",
            "See the merge queue",
            "Lists what is on its way to a branch, in the order in which it is tried, and what came of it.",
            list,
        )
        .reads()
        .of_session(),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Add {
    /// Name, repository/name, id or short id of a named worktree.
    #[serde(default)]
    worktree: Option<String>,
    /// Instead: id or short id of a session, whose agent's own worktree is meant.
    #[serde(default)]
    session: Option<String>,
    /// With `session`: the agent's name.
    #[serde(default)]
    agent: Option<String>,
    /// Branch it is to land on; without it, the one that the repository's checkout is on.
    #[serde(default)]
    into: Option<String>,
    /// Try it together with others that say so; when their checks fail, each half by itself.
    #[serde(default)]
    bisect: Option<bool>,
    /// Of the merge commit, where one is needed.
    #[serde(default)]
    message: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct List {
    /// Name, id or short id of a repository; without it, of all.
    #[serde(default)]
    repo: Option<String>,
    /// Those that are over, too.
    #[serde(default)]
    ended: Option<bool>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Entry {
    id: String,
    short_id: String,
    worktree: String,
    into: String,
    /// `held`, `queued`, `running`, `returned`, `landed`, `failed` or `canceled`.
    state: String,
    attempt: u32,
    text: Option<String>,
    /// Files that stood in the way.
    files: Vec<String>,
    /// In which it is repaired.
    task: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Queue {
    merges: Vec<Entry>,
}

impl From<protocol::Merge> for Entry {
    fn from(one: protocol::Merge) -> Self {
        Self {
            id: one.id.to_string(),
            short_id: one.short_id,
            worktree: one.name,
            into: one.into,
            state: one.state.as_str().to_owned(),
            attempt: one.attempt,
            text: one.text,
            files: one.paths.iter().map(ToString::to_string).collect(),
            task: one.task.map(|task| task.to_string()),
        }
    }
}

impl Entry {
    fn line(&self) -> String {
        let text = self.text.as_ref().map_or(String::new(), |text| format!(": {text}"));
        format!("{} {} into {} is {}{text}", self.short_id, self.worktree, self.into, self.state)
    }
}

async fn add(call: Call, wish: Add) -> Result<Answer, Failure> {
    let agent = wish.agent.map(|agent| agent.parse::<model::AgentName>()).transpose().map_err(|error| {
        Failure::new("bad_agent", format!("{error}"), "call session_read to see who is in the session")
    })?;
    let mode = if wish.bisect.unwrap_or(false) { MergeMode::Bisect } else { MergeMode::OneByOne };
    let new = NewMergeEntry {
        worktree: wish.worktree,
        session: wish.session,
        agent,
        into: wish.into,
        mode,
        message: wish.message,
        ..NewMergeEntry::default()
    };
    let entry = Entry::from(call.daemon().add_merge(&new, None).await?);
    Answer::new(entry.line(), entry)
}

async fn list(call: Call, wish: List) -> Result<Answer, Failure> {
    let query = MergeQuery { repo: wish.repo, ended: wish.ended.unwrap_or(false) };
    let merges: Vec<Entry> = call.daemon().merges(&query).await?.items.into_iter().map(Entry::from).collect();
    let lines: Vec<String> = merges.iter().map(Entry::line).collect();
    let text = if lines.is_empty() { "Nothing waits.".to_owned() } else { lines.join("\n") };
    Answer::new(text, Queue { merges })
}
