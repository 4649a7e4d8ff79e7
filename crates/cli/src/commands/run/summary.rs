//! What a run came to.

use super::super::{Outcome, task};
use super::question::Asked;
use super::{Ended, unanswered};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::{Narrator, Paint, Sheet, money, report, tokens};
use client::Client;
use model::{PlanState, TaskState};
use protocol::{
    Checkpoint, CheckpointQuery, KeptWorktree, Permission, Plan, Question, Session, TestReport, Usage,
};
use serde::Serialize;
use std::collections::BTreeSet;
use std::time::Duration;

#[derive(Debug, Serialize)]
struct Summary {
    ok: bool,
    session: model::SessionId,
    plan: model::PlanId,
    state: PlanState,
    /// What came of it, in words.
    text: Option<String>,
    tasks: Tasks,
    /// Changed files.
    files: Vec<String>,
    /// Commits of this plan, oldest first.
    commits: Vec<String>,
    tests: Option<TestReport>,
    /// Of a plan in worktrees: those that stay, and why.
    kept: Option<Vec<KeptWorktree>>,
    /// Waits for locks and take-overs from the dead, as far as this command saw them.
    lock_waits: u64,
    lock_takeovers: u64,
    usage: Usage,
    elapsed_ms: u64,
    /// What an agent waits to be told, when that is why the command ended.
    question: Option<Question>,
    /// What an agent has to be allowed, when that is why the command ended.
    permission: Option<Permission>,
}

#[derive(Debug, Default, Serialize)]
struct Tasks {
    completed: usize,
    failed: usize,
    open: usize,
}

/// Prints the summary; its exit code is the command's.
pub(super) async fn show(
    context: &Context,
    client: &Client,
    session: &Session,
    ended: &Ended,
    narrator: &Narrator,
    took: Duration,
) -> Outcome {
    let (plan, asked) = match ended {
        Ended::Plan(plan) => (plan, None),
        Ended::Asked(plan, asked) => (plan, Some(asked)),
    };
    let id = session.id.to_string();
    let checkpoints = client
        .checkpoints(&id, &CheckpointQuery { automatic: Some(false), ..CheckpointQuery::default() })
        .await
        .map_err(Failure::from)?
        .items;
    let usage = client.session(&id).await.map_err(Failure::from)?.value.usage;
    let summary = Summary {
        ok: plan.state == PlanState::Completed,
        session: session.id,
        plan: plan.id,
        state: plan.state,
        text: plan.text.clone(),
        tasks: counted(plan),
        files: files(plan),
        commits: commits(plan, &checkpoints),
        tests: plan.tests.clone(),
        kept: plan.kept.clone(),
        lock_waits: narrator.lock_waits,
        lock_takeovers: narrator.lock_takeovers,
        usage,
        elapsed_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        question: asked.and_then(|asked| match asked {
            Asked::Question(question) => Some(question.clone()),
            Asked::Permission(_) => None,
        }),
        permission: asked.and_then(|asked| match asked {
            Asked::Question(_) => None,
            Asked::Permission(permission) => Some(permission.as_ref().clone()),
        }),
    };
    context.screen.show_sheet(&summary, || sheet(&summary))?;
    Ok(match asked {
        Some(asked) => {
            unanswered(context, session, asked);
            Exit::NeedsInput
        }
        None if summary.ok => Exit::Done,
        None => Exit::Failed,
    })
}

fn counted(plan: &Plan) -> Tasks {
    let mut tasks = Tasks::default();
    for task in &plan.tasks {
        match task.state {
            TaskState::Completed => tasks.completed += 1,
            TaskState::Failed | TaskState::Canceled | TaskState::Rejected => tasks.failed += 1,
            TaskState::Submitted | TaskState::Working | TaskState::InputRequired => tasks.open += 1,
        }
    }
    tasks
}

fn files(plan: &Plan) -> Vec<String> {
    let paths: BTreeSet<&str> =
        plan.tasks.iter().flat_map(|task| &task.changes).map(|change| change.path.as_str()).collect();
    paths.into_iter().map(str::to_owned).collect()
}

/// The last checkpoint of a plan may be the commit of its last task.
fn commits(plan: &Plan, checkpoints: &[Checkpoint]) -> Vec<String> {
    let mut commits: Vec<String> = Vec::new();
    for checkpoint in checkpoints.iter().filter(|checkpoint| checkpoint.plan == Some(plan.id)) {
        if !commits.contains(&checkpoint.commit) {
            commits.push(checkpoint.commit.clone());
        }
    }
    commits
}

fn sheet(summary: &Summary) -> Sheet {
    let (state, paint) = match (&summary.question, summary.ok) {
        (Some(_), _) => ("waits for you", Paint::Warm),
        (None, true) => ("completed", Paint::Good),
        (None, false) => ("failed", Paint::Bad),
    };
    let Tasks { completed, failed, open } = summary.tasks;
    let used = summary.usage.input_tokens + summary.usage.output_tokens;
    let tests = summary.tests.as_ref().map(|tests| report(tests.exit_code, tests.passed, tests.failed));
    Sheet::new()
        .painted("result", state, paint)
        .maybe("summary", summary.text.clone())
        .maybe("question", summary.question.as_ref().map(|asked| asked.question.clone()))
        .row("tasks", format!("{completed} completed, {failed} failed, {open} open"))
        .maybe("files", (!summary.files.is_empty()).then(|| summary.files.join("\n")))
        .maybe("commits", (!summary.commits.is_empty()).then(|| summary.commits.join("\n")))
        .maybe("tests", tests)
        .maybe("kept", task::kept(summary.kept.as_deref()))
        .row("locks", format!("{} waits, {} taken over", summary.lock_waits, summary.lock_takeovers))
        .row("used", format!("{} tokens, {}", tokens(used), money(summary.usage.cost_micros)))
        .row("took", format!("{}.{} s", summary.elapsed_ms / 1000, summary.elapsed_ms % 1000 / 100))
}
