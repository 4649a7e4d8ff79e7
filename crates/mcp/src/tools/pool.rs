//! The pool: tasks of the studio that wait for whoever claims them.

use super::{Tool, text};
use crate::answer::Answer;
use crate::call::Call;
use crate::failure::Failure;
use protocol::{ClaimEnd, ClaimOutcome, ClaimRenewal, NewClaim};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most tasks one answer lists.
const LISTED_MAX: usize = 50;

pub(super) fn tools() -> Vec<Tool> {
    vec![
        Tool::new::<_, Pool, _>(
            "pool_list",
            "See what can be claimed",
            "Lists the tasks of the studio that wait for whoever claims them, the most urgent first, and what each wants \
             of whoever does it.",
            list,
        )
        .reads()
        .of_daemon(),
        Tool::new::<_, Pooled, _>(
            "pool_claim",
            "Claim a task of the studio",
            "Claims a task of the pool for a while, by its id, or without one the most urgent whose wishes are met. \
             Nobody else gets it until the claim runs out: tell how it stands with pool_report before that. no_work means \
             there is none.",
            claim,
        )
        .of_daemon(),
        Tool::new::<_, Pooled, _>(
            "pool_report",
            "Say how a claimed task stands",
            "Says of a claimed task that you still work on it, which renews the claim, or that it is completed, failed or \
             released for others. claim_lost means that somebody else may be doing it: stop.",
            report,
        )
        .replaces()
        .of_daemon(),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct All {}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Claim {
    /// Id or short id of a task of the pool.
    #[serde(default)]
    task: Option<String>,
    /// Who does it, for people; an agent of the studio need not say it.
    #[serde(default)]
    holder: Option<String>,
    /// What you are able to, in the words of the tasks' wishes.
    #[serde(default)]
    can: Vec<String>,
    /// How long the claim holds: 5 to 86400, 600 without.
    #[serde(default)]
    seconds: Option<u64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Report {
    /// Id or short id of the task.
    task: String,
    /// Token of the claim, as pool_claim gave it.
    token: u64,
    /// How it stands.
    state: Standing,
    /// What was done, or why not. At most 32 KiB.
    #[serde(default)]
    text: Option<String>,
    /// With `working`: how long the claim holds from now on; 600 without.
    #[serde(default)]
    seconds: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Standing {
    Working,
    Completed,
    Failed,
    Released,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Pool {
    tasks: Vec<Pooled>,
}

/// A task of the pool.
#[derive(Debug, Serialize, JsonSchema)]
struct Pooled {
    id: String,
    short_id: String,
    session: String,
    title: String,
    state: String,
    /// What is wanted.
    prompt: String,
    /// What whoever does it must be able to.
    wants: Vec<String>,
    /// Give it to pool_report; none while nobody has claimed the task.
    token: Option<u64>,
    expires_at: Option<String>,
    deadline: Option<String>,
}

impl From<protocol::Task> for Pooled {
    fn from(task: protocol::Task) -> Self {
        Self {
            id: task.id.to_string(),
            short_id: task.short_id,
            session: task.session.to_string(),
            title: task.title,
            state: task.state.as_str().to_owned(),
            prompt: task.prompt,
            wants: task.wants,
            token: task.claim.as_ref().map(|claim| claim.token),
            expires_at: task.claim.map(|claim| claim.expires_at.to_string()),
            deadline: task.deadline.map(|at| at.to_string()),
        }
    }
}

impl Pooled {
    fn line(&self) -> String {
        let wants =
            if self.wants.is_empty() { String::new() } else { format!(" (wants {})", self.wants.join(", ")) };
        format!("task {} [{}] {}{wants}", self.short_id, self.state, self.title)
    }
}

async fn list(call: Call, _: All) -> Result<Answer, Failure> {
    let tasks = call.daemon().task_pool().await?.items;
    let tasks: Vec<Pooled> = tasks.into_iter().take(LISTED_MAX).map(Pooled::from).collect();
    let lines: Vec<String> = tasks.iter().map(Pooled::line).collect();
    let text = if lines.is_empty() { "Nothing can be claimed.".to_owned() } else { lines.join("\n") };
    Answer::new(text, Pool { tasks })
}

async fn claim(call: Call, wish: Claim) -> Result<Answer, Failure> {
    let new = NewClaim { task: wish.task, holder: wish.holder, can: wish.can, seconds: wish.seconds };
    let task = Pooled::from(call.daemon().claim_task(&new, None).await?);
    let (token, until) = (task.token.unwrap_or(0), task.expires_at.clone().unwrap_or_default());
    let line = format!(
        "Yours until {until} (task {}, token {token}):\n{}\nEnd it with pool_report.",
        task.short_id, task.prompt
    );
    Answer::new(line, task)
}

async fn report(call: Call, wish: Report) -> Result<Answer, Failure> {
    let said = wish.text.unwrap_or_default();
    text(&said)?;
    let (daemon, token) = (call.daemon(), wish.token);
    let outcome = match wish.state {
        Standing::Working => {
            let renewal = ClaimRenewal { token, seconds: wish.seconds };
            let task = Pooled::from(daemon.renew_claim(&wish.task, &renewal, None).await?);
            return Answer::new(task.line(), task);
        }
        Standing::Completed => ClaimOutcome::Completed,
        Standing::Failed => ClaimOutcome::Failed,
        Standing::Released => ClaimOutcome::Released,
    };
    let end = ClaimEnd { token, outcome, text: said };
    let task = Pooled::from(daemon.finish_claim(&wish.task, &end, None).await?);
    Answer::new(task.line(), task)
}
