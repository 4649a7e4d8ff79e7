//! The steps of a plan: merge when all have proposed, test when all is done, land when all is well.
//!
//! What the next step is follows from the store alone ([`next`], a pure function), so a plan goes
//! on after a restart as if nothing had been.

#[cfg(test)]
mod tests;

use super::{clear, land, settle};
use crate::engine::Shared;
use crate::merge_queue::is_in_the_way;
use crate::{checkpoint, checks, merge};
use model::{
    Actor, AgentName, Event, MergedPlan, MergedTask, ParticipantId, PlanEnd, PlanId, PlanMerge, PlanStall,
    PlanState, PlanTest, Refusal, RefusalKind, Repo, RepoPath, Task, TaskId, TaskKind, TaskState, TestReport,
};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use store::{PlanRow, TaskRow, View};
use tokio_util::sync::CancellationToken;

/// Pause after a step that failed for a reason that is not the plan's.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// How often a step is tried before the plan ends. A full disk and a busy machine are waited for without counting.
pub(crate) const STEP_TRIES: u32 = 12;
/// Where the work of a plan is that did not land.
pub(crate) const KEPT: &str =
    "the tasks' commits are kept under refs/coditect/tasks, nothing was put on the branch";

/// What a plan needs next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// Somebody is still at work.
    Wait,
    Merge,
    Test,
    Land,
    Fail(String),
    /// It has ended, and nobody has looked at its worktrees since.
    Clear,
}

/// Decides from what is recorded.
pub(crate) fn next(row: &PlanRow, tasks: &[TaskRow], has_tests: bool) -> Next {
    match row.state {
        PlanState::Completed | PlanState::Failed if row.plan.worktrees && row.kept.is_none() => Next::Clear,
        PlanState::Completed | PlanState::Failed => Next::Wait,
        PlanState::Proposing => proposing(row, tasks),
        PlanState::Executing => executing(tasks).unwrap_or(if has_tests { Next::Test } else { Next::Land }),
        // What does not go together with new commits on the branch is work again.
        PlanState::Testing => executing(tasks).unwrap_or_else(|| match &row.tests {
            None => Next::Test,
            Some(report) if report.exit_code == Some(0) => Next::Land,
            Some(report) => Next::Fail(tests_failed(report)),
        }),
    }
}

fn proposing(row: &PlanRow, tasks: &[TaskRow]) -> Next {
    if tasks.iter().any(|task| !task.state.is_terminal()) {
        return Next::Wait;
    }
    if !row.proposals.is_empty() {
        return Next::Merge;
    }
    let reasons: Vec<&str> = tasks.iter().filter_map(|task| task.text.as_deref()).collect();
    Next::Fail(format!("no agent proposed a plan: {}", reasons.join("; ")))
}

/// What the plan's work needs; none when all of it is done.
fn executing(tasks: &[TaskRow]) -> Option<Next> {
    let work: Vec<&TaskRow> = tasks.iter().filter(|row| row.task.kind != TaskKind::Propose).collect();
    let broken: Vec<&&TaskRow> =
        work.iter().filter(|row| row.state.is_terminal() && row.state != TaskState::Completed).collect();
    if work.iter().any(|row| !row.state.is_terminal()) {
        return Some(Next::Wait);
    }
    // A review that came to nothing is a pity, not a failure of the plan.
    match broken.iter().find(|row| row.task.kind == TaskKind::Work && row.state != TaskState::Canceled) {
        Some(failed) => Some(Next::Fail(format!(
            "`{}` failed: {}",
            failed.task.title,
            failed.text.as_deref().unwrap_or("no reason was given")
        ))),
        None if broken.iter().any(|row| row.task.kind == TaskKind::Work) => {
            Some(Next::Fail("a task was canceled".to_owned()))
        }
        None => None,
    }
}

fn tests_failed(report: &TestReport) -> String {
    format!(
        "the tests fail ({} of {}); the changes are in the worktree and kept under refs/coditect, nothing was put on the branch",
        report.failed,
        report.failed + report.passed
    )
}

/// Moves the plan as far as it goes now. True when a step failed; that is said, waited over, and after
/// [`STEP_TRIES`] in a row it is how the plan ends.
pub(crate) async fn go(
    shared: &Arc<Shared>,
    plan: PlanId,
    failed_before: u32,
    canceled: &CancellationToken,
) -> bool {
    let Err(refusal) = take(shared, plan, failed_before, canceled).await else { return false };
    tracing::error!(%plan, %refusal, "the plan's next step failed");
    if let Err(error) = stalled(shared, plan, failed_before + 1, &refusal).await {
        tracing::error!(%plan, %error, "nobody was told why the plan stands still");
    }
    // Not at once again: whatever is wrong may need a moment, or a person.
    tokio::select! {
        () = canceled.cancelled() => {}
        () = tokio::time::sleep(RETRY_AFTER) => {}
    }
    true
}

/// Says what stands in the plan's way, or ends it when that has been so for too long.
async fn stalled(shared: &Arc<Shared>, plan: PlanId, tries: u32, refusal: &Refusal) -> Result<(), Refusal> {
    let passes = refusal.passes() || is_in_the_way(refusal);
    let given_up = tries >= STEP_TRIES && !passes;
    let text = match &refusal.hint {
        Some(hint) => format!("{}; {hint}", refusal.message),
        None => refusal.message.clone(),
    };
    let say = move |view: &View<'_>| {
        let open = |row: &PlanRow| !row.state.is_terminal();
        let Some(row) = view.plan(plan)?.filter(open) else { return Ok(Vec::new()) };
        let session = row.plan.session;
        if given_up {
            let text = format!("given up after {tries} tries: {text}; {KEPT}");
            let mut events = vec![Event::PlanFailed(PlanEnd { plan, session, text })];
            events.extend(crate::task::canceled(view, &view.plan_tasks(plan)?, "its plan was given up")?);
            return Ok(events);
        }
        let said = row.text.as_ref() == Some(&text);
        let stall = PlanStall { plan, session, text: text.clone() };
        Ok(if said { Vec::new() } else { vec![Event::PlanStalled(stall)] })
    };
    shared.commit(Actor::System, None, say).await.map(drop)
}

/// Takes the plan's next step, and the one after it, as long as there is one to take now.
async fn take(
    shared: &Arc<Shared>,
    plan: PlanId,
    failed_before: u32,
    canceled: &CancellationToken,
) -> Result<(), Refusal> {
    while !canceled.is_cancelled() {
        let (row, tasks, repo) = shared.store.read_or_refuse(|view| {
            let row = view.plan(plan)?.ok_or_else(|| Refusal::not_found("plan", plan))?;
            let repo = view.repo(row.plan.repo)?.ok_or_else(|| Refusal::not_found("repo", row.plan.repo))?;
            Ok((row, view.plan_tasks(plan)?, repo))
        })?;
        match next(&row, &tasks, repo.test_command.is_some()) {
            Next::Wait => return Ok(()),
            Next::Merge => merge_proposals(shared, &row).await?,
            Next::Test if row.plan.worktrees => land::test(shared, &row, &repo, canceled).await?,
            Next::Test => test(shared, &row, &repo, canceled).await?,
            Next::Land if row.plan.worktrees => {
                land::of_plan(shared, &row, &tasks, &repo, canceled).await?;
            }
            Next::Land => land_in_checkout(shared, &row, &tasks, &repo).await?,
            Next::Clear if clear::is_at_work(shared, &tasks)? => return Ok(()),
            Next::Clear => clear::clear(shared, &row, &repo, failed_before).await?,
            Next::Fail(reason) if row.plan.worktrees && !settle::settled(&row, &tasks).is_empty() => {
                let why = settle::with_what_is_kept(shared, &row, &repo, reason).await;
                fail(shared, &row, why).await?;
            }
            Next::Fail(reason) => fail(shared, &row, reason).await?,
        }
    }
    Ok(())
}

/// Commits what a step came to, if the plan still stands where the step began.
pub(super) async fn record(shared: &Arc<Shared>, row: &PlanRow, events: Vec<Event>) -> Result<(), Refusal> {
    let (plan, state) = (row.plan.id, row.state);
    let still = move |view: &View<'_>| {
        let stands = view.plan(plan)?.is_some_and(|now| now.state == state);
        Ok(if stands { events } else { Vec::new() })
    };
    shared.commit(Actor::System, None, still).await.map(drop)
}

async fn merge_proposals(shared: &Arc<Shared>, row: &PlanRow) -> Result<(), Refusal> {
    let (plan, session) = (row.plan.id, row.plan.session);
    let seats: Vec<(AgentName, ParticipantId)> = shared.store.read(|view| {
        let seats =
            view.participants(session)?.into_iter().map(|row| (row.participant.agent, row.participant.id));
        Ok(seats.collect())
    })?;
    let by_id: HashMap<ParticipantId, &AgentName> = seats.iter().map(|(agent, id)| (*id, agent)).collect();
    let agents: Vec<AgentName> =
        row.plan.participants.iter().filter_map(|id| by_id.get(id).map(|agent| (*agent).clone())).collect();
    let merged = match merge::merge(&agents, &row.proposals) {
        Ok(merged) => merged,
        Err(error) => return fail(shared, row, error.to_string()).await,
    };
    let tasks = tasks_of(shared, row, &merged, &seats.into_iter().collect())?;
    let mut events = vec![Event::PlanMerged(PlanMerge { plan, session, merged })];
    events.extend(tasks.into_iter().map(Event::TaskSubmitted));
    record(shared, row, events).await?;
    shared.tell(session, crate::actor::Mail::Look).await;
    Ok(())
}

/// The tasks of a merged plan, each after those it depends on, each review after what it reviews.
fn tasks_of(
    shared: &Shared,
    row: &PlanRow,
    merged: &MergedPlan,
    seats: &HashMap<AgentName, ParticipantId>,
) -> Result<Vec<Task>, Refusal> {
    let ids: HashMap<&str, TaskId> =
        merged.tasks.iter().map(|task| (task.name.as_str(), shared.new_id())).collect();
    let id_of =
        |name: &str| ids.get(name).copied().ok_or_else(|| Refusal::internal(format!("no task `{name}`")));
    let seat_of =
        |agent: &AgentName| seats.get(agent).copied().ok_or_else(|| Refusal::not_found("participant", agent));
    let mut tasks = Vec::new();
    for task in &merged.tasks {
        let id = id_of(&task.name)?;
        let base = Task {
            id,
            session: row.plan.session,
            plan: Some(row.plan.id),
            kind: TaskKind::Work,
            title: task.title.clone(),
            prompt: work_prompt(merged, task),
            targets: vec![seat_of(&task.assignee)?],
            priority: task.priority,
            depends_on: task.depends_on.iter().map(|name| id_of(name)).collect::<Result<_, _>>()?,
            files: task.files.clone(),
            terms: model::TaskTerms::default(),
            created_at: shared.now(),
        };
        tasks.push(base.clone());
        for reviewer in &task.reviewers {
            tasks.push(Task {
                id: shared.new_id(),
                kind: TaskKind::Review,
                title: format!("Review: {}", task.title),
                prompt: review_prompt(task),
                targets: vec![seat_of(reviewer)?],
                depends_on: vec![id],
                ..base.clone()
            });
        }
    }
    Ok(tasks)
}

fn work_prompt(merged: &MergedPlan, task: &MergedTask) -> String {
    let mut text = format!("{}\n\nFiles: {}\n\n{}", task.title, listed(&task.files), task.instructions);
    let others = merged.tasks.iter().filter(|other| other.name != task.name);
    let others: Vec<String> = others
        .map(|other| format!("- {} ({}): {}", other.title, other.assignee, listed(&other.files)))
        .collect();
    if !others.is_empty() {
        text.push_str("\n\nAt the same time others work on:\n");
        text.push_str(&others.join("\n"));
    }
    text
}

/// What the reviewer is asked for, and what it had wanted itself: the merge kept that beside the
/// assignee's instructions.
fn review_prompt(task: &MergedTask) -> String {
    format!(
        "Review what {} did as `{}` in {}. You had proposed to change the same files yourself. Read them as they \
         are now; say whether the change is right and what of your own intention is missing.\n\n\
         This is what the task was:\n\n{}",
        task.assignee,
        task.title,
        listed(&task.files),
        task.instructions
    )
}

fn listed(files: &[RepoPath]) -> String {
    files.iter().map(RepoPath::as_str).collect::<Vec<_>>().join(", ")
}

/// Runs the repository's tests and records what came of it.
async fn test(
    shared: &Arc<Shared>,
    row: &PlanRow,
    repo: &Repo,
    canceled: &CancellationToken,
) -> Result<(), Refusal> {
    let Some(report) = checks::run(shared, repo, repo.path.as_ref(), canceled).await else { return Ok(()) };
    let tested = PlanTest { plan: row.plan.id, session: row.plan.session, report };
    record(shared, row, vec![Event::PlanTested(tested)]).await
}

async fn land_in_checkout(
    shared: &Arc<Shared>,
    row: &PlanRow,
    tasks: &[TaskRow],
    repo: &Repo,
) -> Result<(), Refusal> {
    let (plan, session) = (row.plan.id, row.plan.session);
    let message = format!("Checkpoint of plan {}", plan.short());
    let landed = match checkpoint::of_plan(shared, repo, &row.plan, message).await {
        Ok(landed) => landed,
        Err(refusal) if refusal.kind == RefusalKind::Conflict => {
            return fail(shared, row, format!("{refusal}; {KEPT}")).await;
        }
        Err(refusal) => return Err(refusal),
    };
    let done = tasks.iter().filter(|row| row.task.kind == TaskKind::Work).count();
    let mut text = format!("{done} tasks done");
    if let Some(report) = &row.tests {
        text.push_str(&format!("; tests: {} passed", report.passed));
    }
    match &landed.checkpoint {
        Some(_) => text.push_str(&format!("; commits: {}", landed.commits)),
        None => text.push_str("; no file changed"),
    }
    if let Some(left_out) = landed.left_out.sentence(row.tests.is_some()) {
        text.push_str(&format!("; {left_out}"));
    }
    text.push_str("; sync: not configured");
    let state = row.state;
    let events = move |view: &View<'_>| {
        let mut events: Vec<Event> = landed.checkpoint.into_iter().map(Event::CheckpointCreated).collect();
        // Canceled while the branch was moved: what is on the branch is recorded all the same.
        if view.plan(plan)?.is_some_and(|now| now.state == state) {
            events.push(Event::PlanCompleted(PlanEnd { plan, session, text }));
        }
        Ok(events)
    };
    shared.commit(Actor::System, None, events).await.map(drop)
}

pub(super) async fn fail(shared: &Arc<Shared>, row: &PlanRow, text: String) -> Result<(), Refusal> {
    let end = PlanEnd { plan: row.plan.id, session: row.plan.session, text };
    record(shared, row, vec![Event::PlanFailed(end)]).await
}
