//! Landing in a plan in worktrees: what a task did comes to the plan's tip, and what the plan did to the branch it was made on.
//!
//! Invariant: the tip only ever gets work that was made again on top of it, or goes back to where a task settles something, with all of
//! it kept. The branch moves forward to the very commit that was tested, and only while the plan is open. What the user has taken off
//! the branch does not come back.

use super::settle::{self, Given};
use super::step::{fail, record};
use super::tip::{begun, branch_tip, forward, move_to, tip};
use crate::engine::Shared;
use crate::merge_queue::{is_in_the_way, named, trial};
use crate::{checkpoint, worktree};
use git::{GitError, Landing, MERGE_CONFLICT, NO_BRANCH, Oid, Repository};
use model::{
    AgentName, Checkpoint, Event, MERGE_TRIES, Plan, PlanEnd, PlanTest, Refusal, RefusalKind, Repo, RepoPath,
    Task, TaskId, TaskKind, TurnOutcome,
};
use std::path::Path;
use std::sync::Arc;
use store::{PlanRow, StoreError, TaskRow, View};
use tokio_util::sync::CancellationToken;

/// Code of a turn's end after which its task is done again, because what it did does not go together with what others have landed.
pub(crate) const HANDED_BACK: &str = "handed_back";

/// What a task was told the last time it was handed back, and how often it was.
pub(crate) fn handed_back(view: &View<'_>, task: TaskId) -> Result<Option<(String, u32)>, StoreError> {
    let mut found = None;
    for row in view.turns(task)? {
        if let Some(TurnOutcome::Failed { code, message }) = row.outcome
            && code == HANDED_BACK
        {
            found = Some((message, found.map_or(0, |(_, times)| times) + 1));
        }
    }
    Ok(found)
}

/// What is added to the prompt of a task that was handed back.
pub(crate) fn told(message: &str, times: u32) -> String {
    let left = MERGE_TRIES.saturating_sub(times);
    format!(
        "\n\nYou have done this before, and it was handed back: {message}.\n\n{} When your turn is over, it is landed again; {left} more \
         times.",
        both_sides("what the others did")
    )
}

/// How two sides stand in a file, and what is to be done about it.
pub(super) fn both_sides(theirs: &str) -> String {
    format!(
        "What you did is in the files, on top of {theirs}. Where both sides changed the same lines, both stand in the file: between \
         `<<<<<<<` and `=======` {theirs}, between `=======` and `>>>>>>>` what you did. Settle these places so that what both sides \
         wanted holds, and take the marks out."
    )
}

/// Commits what a task did in its worktree, and puts it on top of the plan's tip. What does not go together with that is laid into the
/// worktree again, and refused with [`HANDED_BACK`]. None when nothing changed.
pub(crate) async fn of_task(
    shared: &Arc<Shared>,
    plan: &Plan,
    own: &Repo,
    task: &Task,
    agent: &AgentName,
) -> Result<Option<Checkpoint>, Refusal> {
    let made = checkpoint::of_own_worktree(shared, own, task, agent).await?;
    // It stays in the worktree of a plan that has ended.
    if checkpoint::still_wanted(shared, plan.id).is_err() {
        return Ok(made);
    }
    let draft = match made {
        Some(made) => made,
        // It may have committed by itself.
        None => checkpoint::draft(shared, own, task, agent, Vec::new())?.0,
    };
    let (repo, before) = shared.store.read_or_refuse(|view| {
        let repo = view.repo(plan.repo)?.ok_or_else(|| Refusal::not_found("repo", plan.repo))?;
        Ok((repo, handed_back(view, task.id)?))
    })?;
    let (shared_, plan, own) = (Arc::clone(shared), plan.clone(), own.path.clone());
    let (checkout, id) = (repo.path.clone(), task.id);
    shared
        .writers
        .run(Path::new(&repo.path), move || {
            let main = checkpoint::open(&shared_, &checkout)?;
            let worktree = checkpoint::open(&shared_, &own)?;
            // A task that settles something has both sides in its files from the first.
            let settles = settle::under_way(&main, plan.id)?.is_some_and(|settling| settling.task == id);
            put_on_tip(&shared_, &plan, &main, &worktree, draft, before.is_some() || settles)
        })
        .await
}

/// On the writer's thread of the checkout, on which the plan's tip moves.
fn put_on_tip(
    shared: &Shared,
    plan: &Plan,
    main: &Repository,
    worktree: &Repository,
    draft: Checkpoint,
    both_sides: bool,
) -> Result<Option<Checkpoint>, Refusal> {
    let Some(head) = worktree.head()? else { return Ok(None) };
    let tip = tip(main, plan)?;
    if both_sides {
        let (now, before) = (main.marked(&head)?, main.marked(&tip)?);
        let left: Vec<RepoPath> = now.difference(&before).cloned().collect();
        if !left.is_empty() {
            let message = format!("marks between both sides still stand in {}", named(&left));
            return Err(Refusal::conflict(HANDED_BACK, message));
        }
    }
    let author = main.identity(&shared.user_home())?;
    let top = match main.rebased_onto(&tip, &forward(&head, &author, draft.created_at)) {
        Ok(top) => top,
        Err(GitError::MergeConflict { paths, .. }) => {
            main.update_ref(&draft.git_ref, &head)?;
            let both = worktree.lay_on(&tip)?;
            let paths = if both.is_empty() { paths } else { both };
            let message =
                format!("it does not go together with what others have landed meanwhile: {}", named(&paths));
            return Err(Refusal::conflict(HANDED_BACK, message));
        }
        Err(error) => return Err(error.into()),
    };
    let paths = main.compare(&tip, &top)?.files.into_iter().map(|file| file.path).collect();
    main.update_ref(&checkpoint::plan_ref(plan.id), &top)?;
    if let Err(error) = worktree.move_to(&top) {
        // Its work is on the tip; the agent's next task gets another worktree.
        tracing::warn!(%error, worktree = %worktree.top().display(), "a worktree stays behind what it has landed");
    }
    if top == tip {
        return Ok(None);
    }
    main.update_ref(&draft.git_ref, &top)?;
    Ok(Some(Checkpoint { commit: top.to_string(), paths, ..draft }))
}

/// The plan's work on top of its branch as that stands now.
struct Top {
    tip: Oid,
    /// Where the branch stands.
    base: Oid,
    /// The repository's tests have passed on this very commit.
    tested: bool,
    /// The branch has all of it.
    landed: bool,
}

enum Made {
    Top(Top),
    /// The branch has new commits with which one of the plan's does not go together.
    Given(Box<Given>),
}

/// None when they do not go together; then an agent settles it, or the plan has failed.
async fn on_top(shared: &Arc<Shared>, row: &PlanRow, repo: &Repo) -> Result<Option<Top>, Refusal> {
    let (shared_, plan, path) = (Arc::clone(shared), row.plan.clone(), repo.path.clone());
    let made = shared.writers.run(Path::new(&repo.path), move || remake(&shared_, &plan, &path)).await;
    match made {
        Ok(Made::Top(top)) => Ok(Some(top)),
        Ok(Made::Given(given)) => settle::hand_back(shared, row, *given).await.map(|()| None),
        Err(refusal) if matches!(refusal.code.as_ref(), MERGE_CONFLICT | NO_BRANCH) => {
            let why = settle::with_what_is_kept(shared, row, repo, refusal.message).await;
            fail(shared, row, why).await.map(|()| None)
        }
        Err(refusal) => Err(refusal),
    }
}

fn remake(shared: &Shared, plan: &Plan, path: &str) -> Result<Made, Refusal> {
    let main = checkpoint::open(shared, path)?;
    if let Some(given) = settle::go_on(shared, plan, &main)? {
        return Ok(Made::Given(Box::new(given)));
    }
    let (base, tip) = (branch_tip(&main, plan)?, tip(&main, plan)?);
    let begun = begun(&main, plan)?;
    let top = |tip: Oid, landed| {
        let tested = settle::is_tested(&main, plan.id, &tip)?;
        Ok(Made::Top(Top { tip, base: base.clone(), tested, landed }))
    };
    if main.is_ancestor(&tip, &base)? {
        return top(tip, true);
    }
    // A branch that was taken back behind it would get again what the user has taken off.
    if main.is_ancestor(&begun, &base)? && main.is_ancestor(&base, &tip)? {
        return top(tip, false);
    }
    let author = main.identity(&shared.user_home())?;
    // Made with the same time, so that making it again after a crash makes the same commits.
    let pile = main.piled_onto(&base, &begun, &forward(&tip, &author, plan.created_at))?;
    if let Some(stuck) = pile.stuck {
        return settle::stuck_at(shared, plan, &main, &tip, (&base, &pile.top), stuck)
            .map(|given| Made::Given(Box::new(given)));
    }
    // They go along, so that nothing in them is nowhere else.
    settle::follow(shared, plan, &main, &[&tip], &pile.top)?;
    move_to(&main, plan.id, &base, &pile.top)?;
    top(pile.top, false)
}

/// Runs the repository's tests on the plan's work as it would land.
pub(super) async fn test(
    shared: &Arc<Shared>,
    row: &PlanRow,
    repo: &Repo,
    canceled: &CancellationToken,
) -> Result<(), Refusal> {
    let Some(top) = on_top(shared, row, repo).await? else { return Ok(()) };
    tested(shared, row, repo, &top.tip, canceled).await
}

async fn tested(
    shared: &Arc<Shared>,
    row: &PlanRow,
    repo: &Repo,
    tip: &Oid,
    canceled: &CancellationToken,
) -> Result<(), Refusal> {
    let place = trial::place(shared, &row.plan.id.short());
    let Some(report) = trial::run(shared, repo, &place, tip, canceled).await? else { return Ok(()) };
    if report.exit_code == Some(0) {
        let (shared_, path, plan, tip) = (Arc::clone(shared), repo.path.clone(), row.plan.id, tip.clone());
        let note = move || settle::note_tested(&checkpoint::open(&shared_, &path)?, plan, &tip);
        shared.writers.run(Path::new(&repo.path), note).await?;
    }
    let tested = PlanTest { plan: row.plan.id, session: row.plan.session, report };
    record(shared, row, vec![Event::PlanTested(tested)]).await
}

/// Brings the plan's work to its branch, and to the checkout that is on it.
pub(super) async fn of_plan(
    shared: &Arc<Shared>,
    row: &PlanRow,
    tasks: &[TaskRow],
    repo: &Repo,
    canceled: &CancellationToken,
) -> Result<(), Refusal> {
    let Some(top) = on_top(shared, row, repo).await? else { return Ok(()) };
    // The branch or the plan's work has moved since, or the daemon ended in between.
    if repo.test_command.is_some() && !top.tested && !top.landed {
        return tested(shared, row, repo, &top.tip, canceled).await;
    }
    let commits = match bring(shared, row, repo, &top).await {
        Ok(commits) => commits,
        // The next look finds it ended, or the branch elsewhere.
        Err(refusal) if matches!(refusal.code.as_ref(), "plan_ended" | "branch_moved") => return Ok(()),
        Err(refusal) if refusal.kind == RefusalKind::Conflict && !is_in_the_way(&refusal) => {
            let why = settle::with_what_is_kept(shared, row, repo, refusal.to_string()).await;
            return fail(shared, row, why).await;
        }
        Err(refusal) => return Err(refusal),
    };
    completed(shared, row, tasks, repo, &top, commits).await
}

/// How many commits came to the branch, as far as it had not got them before.
async fn bring(shared: &Arc<Shared>, row: &PlanRow, repo: &Repo, top: &Top) -> Result<usize, Refusal> {
    if top.landed {
        return Ok(0);
    }
    let (shared_, plan, path) = (Arc::clone(shared), row.plan.clone(), repo.path.clone());
    let (tip, base, at) = (top.tip.clone(), top.base.clone(), shared.now());
    let job = move || {
        let main = checkpoint::open(&shared_, &path)?;
        if plan.branch.is_none() {
            checkpoint::on_branch(&main, None)?;
        }
        checkpoint::still_wanted(&shared_, plan.id)?;
        let found = branch_tip(&main, &plan)?;
        if found != base {
            return Err(GitError::Moved { expected: Some(base), found: Some(found) }.into());
        }
        let author = main.identity(&shared_.user_home())?;
        let message = format!("Land plan {}", plan.id.short());
        let landing = Landing { commit: &tip, message: &message, author: &author, at, forward_only: true };
        let own = trial::place(&shared_, &plan.id.short()).path;
        worktree::bring(&shared_, &main, &own, plan.branch.as_deref(), &landing)?;
        Ok(main.count_between(&base, &tip)?)
    };
    shared.writers.run(Path::new(&repo.path), job).await
}

async fn completed(
    shared: &Arc<Shared>,
    row: &PlanRow,
    tasks: &[TaskRow],
    repo: &Repo,
    top: &Top,
    commits: usize,
) -> Result<(), Refusal> {
    let (plan, session, state) = (row.plan.id, row.plan.session, row.state);
    let parts = checkpoint::parts(shared, plan, session)?;
    let message = format!("Checkpoint of plan {}", plan.short());
    let draft = checkpoint::draft_of_plan(shared, repo, &row.plan, &parts, message);
    let checkpoint = (!parts.is_empty()).then(|| Checkpoint { commit: top.tip.to_string(), ..draft });
    let work = tasks.iter().filter(|row| row.task.kind == TaskKind::Work).count();
    let settled = settle::settled(row, tasks).len();
    let mut text = format!("{} tasks done, each in its agent's worktree", work - settled);
    if settled > 0 {
        text.push_str(&format!("; settled with new commits on the branch: {settled}"));
    }
    if let Some(report) = &row.tests {
        text.push_str(&format!("; tests: {} passed", report.passed));
    }
    match (&checkpoint, commits) {
        (None, _) => text.push_str("; no file changed"),
        (Some(_), 0) => text.push_str("; the branch has its commits"),
        (Some(_), commits) => text.push_str(&format!("; commits: {commits}")),
    }
    let events = move |view: &View<'_>| {
        let mut events: Vec<Event> = checkpoint.into_iter().map(Event::CheckpointCreated).collect();
        // Canceled while the branch was moved: what is on the branch is recorded all the same.
        if view.plan(plan)?.is_some_and(|now| now.state == state) {
            events.push(Event::PlanCompleted(PlanEnd { plan, session, text }));
        }
        Ok(events)
    };
    shared.commit(model::Actor::System, None, events).await.map(drop)
}
