//! Conflicts between worktrees: who is on the way to change the same things.

use super::Tool;
use crate::answer::Answer;
use crate::call::Call;
use crate::failure::Failure;
use protocol::ConflictQuery;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn tools() -> Vec<Tool> {
    vec![
        Tool::new::<_, Listing, _>(
            "conflict_list",
            "See conflicts between worktrees",
            "Lists worktrees of the studio's repositories that are on their way to change the same files or lines, or that no longer \
             merge with the checkout's branch, the worst first. Look before you begin to change files many share, and before you \
             finish; then settle with the agents named who changes what.",
            list,
        )
        .reads()
        .of_session(),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct List {
    /// Name, id or short id of a repository; without it, of all.
    #[serde(default)]
    repo: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Conflict {
    id: String,
    /// `same_file`, `same_hunk`, `merge_conflict`, or `base_conflict` when it is with the checkout's branch.
    kind: String,
    files: Vec<String>,
    /// How many more files there are.
    more: u32,
    worktrees: Vec<String>,
    sessions: Vec<String>,
    agents: Vec<String>,
    since: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Listing {
    conflicts: Vec<Conflict>,
}

impl From<protocol::Conflict> for Conflict {
    fn from(one: protocol::Conflict) -> Self {
        Self {
            id: one.id.to_string(),
            kind: one.kind.as_str().to_owned(),
            files: one.paths.iter().map(ToString::to_string).collect(),
            more: one.more,
            worktrees: one.worktrees,
            sessions: one.sessions.iter().map(ToString::to_string).collect(),
            agents: one.agents,
            since: one.since.to_string(),
        }
    }
}

impl Conflict {
    fn line(&self) -> String {
        let files = model::named(&self.files, self.more as usize);
        let who =
            if self.agents.is_empty() { String::new() } else { format!(" ({})", self.agents.join(", ")) };
        format!("{}: {files} in {}{who}", self.kind, self.worktrees.join(" and "))
    }
}

async fn list(call: Call, wish: List) -> Result<Answer, Failure> {
    let open = call.daemon().conflicts(&ConflictQuery { repo: wish.repo }).await?;
    let conflicts: Vec<Conflict> = open.items.into_iter().map(Conflict::from).collect();
    let lines: Vec<String> = conflicts.iter().map(Conflict::line).collect();
    let text = if lines.is_empty() { "Nobody is in anybody's way.".to_owned() } else { lines.join("\n") };
    Answer::new(text, Listing { conflicts })
}
