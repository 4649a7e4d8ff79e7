//! Plans: agents of a session that propose, merge what they proposed, and do it together.

use super::Tool;
use super::session::agents;
use crate::answer::Answer;
use crate::call::Call;
use crate::failure::Failure;
use protocol::NewPlan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn tools() -> Vec<Tool> {
    vec![
        Tool::new::<_, Plan, _>(
            "session_coordinate",
            "Let agents plan together",
            "Lets the agents of a session propose tasks for its repository, merges the proposals into one plan and has it done; \
             session_read shows its tasks. With worktrees=true each agent works in a git worktree of its own.",
            coordinate,
        )
        .of_user(),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Coordinate {
    /// Id or short id of the session; it must have a repository.
    session: String,
    /// What is wanted; at most 256 KiB.
    prompt: String,
    /// Agents of the session; all of them without.
    #[serde(default)]
    agents: Vec<String>,
    /// Each agent does its tasks in a git worktree of its own; all of it comes to the branch at the end.
    #[serde(default)]
    worktrees: bool,
    /// The client you act in, as client_attach was told; refused with input_owned while another one has the input.
    #[serde(default)]
    client: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Plan {
    id: String,
    short_id: String,
    state: String,
    prompt: String,
    /// Where its commits go.
    branch: Option<String>,
    worktrees: bool,
}

async fn coordinate(call: Call, wish: Coordinate) -> Result<Answer, Failure> {
    let agents = agents(&wish.agents)?;
    let new = NewPlan { prompt: wish.prompt, agents, worktrees: wish.worktrees, client: wish.client };
    let plan = call.daemon().coordinate(&wish.session, &new, None).await?;
    let text = format!("plan {} is {}", plan.short_id, plan.state.as_str());
    let shown = Plan {
        id: plan.id.to_string(),
        short_id: plan.short_id,
        state: plan.state.as_str().to_owned(),
        prompt: plan.prompt,
        branch: plan.branch,
        worktrees: plan.worktrees,
    };
    Answer::new(text, shown)
}
