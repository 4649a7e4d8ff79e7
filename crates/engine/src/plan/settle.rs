//! What a plan did and what its branch has got meanwhile, brought together: commit by commit, and what does not go together by the
//! agent that made it.
//!
//! Invariant: the plan's work is whole at every moment: on its tip, or under [`whole_ref`] as it was. How far it came is one blob
//! under one ref, written before the tip moves, so that whoever comes after a crash goes on from there.

#[cfg(test)]
mod tests;

use super::step::KEPT;
use super::tip::{begun, begun_ref, forward, move_to, tip};
use super::worktree::{all, is_clean};
use crate::actor::Mail;
use crate::checkpoint;
use crate::engine::Shared;
use crate::merge_queue::named;
use git::{MERGE_CONFLICT, Oid, REF_PREFIX, Repository, Stuck};
use model::{
    Actor, Event, MERGE_TRIES, PLANNED_TITLE_MAX, Plan, PlanId, PlanStall, PlanState, Refusal, Repo,
    RepoPath, Task, TaskId, TaskKind, TaskTerms,
};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use store::{PlanRow, TaskRow, View};

/// What the title of a task that settles a conflict with the branch ends with.
const SETTLED: &str = " (settled with the branch)";

/// How far the plan's work has come on top of its branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Settling {
    /// The task that settles it. A crash may have come before it was submitted.
    pub(super) task: TaskId,
    /// The commit that does not go on top of those before it.
    commit: String,
    /// All of the plan's work as it was before.
    whole: String,
    /// Where the branch stood.
    base: String,
    /// What comes before that commit, on top of the branch; the task begins there.
    onto: String,
    paths: Vec<RepoPath>,
    /// All of it again, on top of what was settled.
    done: Option<String>,
}

impl Settling {
    pub(super) fn whole(&self) -> Result<Oid, Refusal> {
        oid(&self.whole)
    }

    pub(super) fn commit(&self) -> Result<Oid, Refusal> {
        oid(&self.commit)
    }
}

/// A commit that is handed to the agent of this task.
pub(super) struct Given {
    settling: Settling,
    /// Whose turn made it.
    of: Task,
    /// How often it was handed back before.
    times: usize,
}

fn oid(text: &str) -> Result<Oid, Refusal> {
    text.parse().map_err(Refusal::internal)
}

/// All of the plan's work as it was before it met the branch's new commits.
pub(super) fn whole_ref(plan: PlanId) -> String {
    format!("{REF_PREFIX}whole/{plan}")
}

fn settling_ref(plan: PlanId) -> String {
    format!("{REF_PREFIX}settling/{plan}")
}

/// The commit that the repository's tests have passed.
fn tested_ref(plan: PlanId) -> String {
    format!("{REF_PREFIX}tested/{plan}")
}

/// Written before it is recorded: who comes after a crash has nothing on the branch that was not tested.
pub(super) fn note_tested(main: &Repository, plan: PlanId, tip: &Oid) -> Result<(), Refusal> {
    Ok(main.update_ref(&tested_ref(plan), tip)?)
}

pub(super) fn is_tested(main: &Repository, plan: PlanId, tip: &Oid) -> Result<bool, Refusal> {
    Ok(main.resolve_ref(&tested_ref(plan))?.as_ref() == Some(tip))
}

/// What is being settled.
pub(super) fn under_way(main: &Repository, plan: PlanId) -> Result<Option<Settling>, Refusal> {
    let Some(blob) = main.resolve_ref(&settling_ref(plan))? else { return Ok(None) };
    let bytes = main.kept_blob(&blob)?;
    let read = serde_json::from_slice(&bytes);
    read.map(Some)
        .map_err(|error| Refusal::internal(format!("{} cannot be read: {error}", settling_ref(plan))))
}

fn keep(main: &Repository, plan: PlanId, settling: &Settling) -> Result<(), Refusal> {
    main.update_ref(&whole_ref(plan), &settling.whole()?)?;
    let bytes = serde_json::to_vec(settling).map_err(Refusal::internal)?;
    main.keep_blob(&settling_ref(plan), &bytes)?;
    Ok(())
}

/// Goes on where something was settled. What does not go on top of it is given to whoever made it.
pub(super) fn go_on(shared: &Shared, plan: &Plan, main: &Repository) -> Result<Option<Given>, Refusal> {
    let Some(settling) = under_way(main, plan.id)? else { return Ok(None) };
    if settling.done.is_some() {
        return over(shared, plan, main, &settling).map(|()| None);
    }
    if shared.store.read(|view| view.task(settling.task))?.is_none() {
        return give(shared, plan, main, settling).map(Some);
    }
    let (tip, whole, author) = (tip(main, plan)?, settling.whole()?, main.identity(&shared.user_home())?);
    let work = forward(&whole, &author, plan.created_at);
    let pile = main.piled_onto(&tip, &settling.commit()?, &work)?;
    if let Some(stuck) = pile.stuck {
        return stuck_at(shared, plan, main, &whole, (&oid(&settling.base)?, &pile.top), stuck).map(Some);
    }
    let settling = Settling { done: Some(pile.top.to_string()), ..settling };
    keep(main, plan.id, &settling)?;
    over(shared, plan, main, &settling).map(|()| None)
}

/// All of it is there again: the plan's tip is as whole as it was.
fn over(shared: &Shared, plan: &Plan, main: &Repository, settling: &Settling) -> Result<(), Refusal> {
    let Some(done) = &settling.done else { return Ok(()) };
    let (top, whole, tip) = (oid(done)?, settling.whole()?, tip(main, plan)?);
    follow(shared, plan, main, &[&whole, &tip], &top)?;
    move_to(main, plan.id, &oid(&settling.base)?, &top)?;
    drop_all(main, &[settling_ref(plan.id), whole_ref(plan.id)])
}

/// A commit of the plan's work does not go on top of `onto`, to which all before it has come on top of `base`.
pub(super) fn stuck_at(
    shared: &Shared,
    plan: &Plan,
    main: &Repository,
    whole: &Oid,
    (base, onto): (&Oid, &Oid),
    stuck: Stuck,
) -> Result<Given, Refusal> {
    let settling = Settling {
        task: shared.new_id(),
        commit: stuck.commit.to_string(),
        whole: whole.to_string(),
        base: base.to_string(),
        onto: onto.to_string(),
        paths: stuck.paths,
        done: None,
    };
    give(shared, plan, main, settling)
}

/// Finds whose it is, and lets the plan's tip stand where that agent begins.
fn give(shared: &Shared, plan: &Plan, main: &Repository, settling: Settling) -> Result<Given, Refusal> {
    let (row, tasks) = shared.store.read_or_refuse(|view| {
        let row = view.plan(plan.id)?.ok_or_else(|| Refusal::not_found("plan", plan.id))?;
        Ok((row, view.plan_tasks(plan.id)?))
    })?;
    let conflict = |message| Refusal::conflict(MERGE_CONFLICT, message);
    let what = words(&settling, &row);
    let (begun, settled) = (begun(main, plan)?, settled(&row, &tasks));
    let of = owner(main, &begun, &settling.commit()?, &tasks, &settled)?;
    let Some(of) = of else { return Err(conflict(what)) };
    let root = root(&of, &settled);
    let times = settled.iter().filter(|task| task.depends_on == [root]).count();
    if times >= MERGE_TRIES as usize {
        return Err(conflict(format!("given up after {times} tries: {what}")));
    }
    keep(main, plan.id, &settling)?;
    move_to(main, plan.id, &oid(&settling.base)?, &oid(&settling.onto)?)?;
    let of = tasks.into_iter().map(|row| row.task).find(|task| task.id == root).unwrap_or(of);
    Ok(Given { settling, of, times })
}

fn words(settling: &Settling, row: &PlanRow) -> String {
    let branch = row.plan.branch.as_deref().unwrap_or("what is checked out");
    format!(
        "{} does not go together with new commits on {branch}: {}",
        short(&settling.commit),
        named(&settling.paths)
    )
}

fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

/// The task whose turn made the commit: the first that landed with it.
fn owner(
    main: &Repository,
    begun: &Oid,
    commit: &Oid,
    tasks: &[TaskRow],
    settled: &[Task],
) -> Result<Option<Task>, Refusal> {
    let mut found: Option<(usize, &Task)> = None;
    for row in tasks.iter().filter(|row| row.task.kind == TaskKind::Work) {
        // The planned ones have landed one on top of the other. Those that settle stand elsewhere, and come in the order of their landing.
        if found.is_some() && settled.iter().any(|task| task.id == row.task.id) {
            break;
        }
        let Some(top) = main.resolve_ref(&checkpoint::task_ref(row.task.id))? else { continue };
        if main.has_again(begun, &top, commit)? {
            let length = main.count_between(begun, &top)?;
            if found.is_none_or(|(shortest, _)| length < shortest) {
                found = Some((length, &row.task));
            }
        }
    }
    Ok(found.map(|(_, task)| task.clone()))
}

/// The plan's tasks that settle conflicts with the branch: they come after the planned ones.
pub(super) fn settled(row: &PlanRow, tasks: &[TaskRow]) -> Vec<Task> {
    let planned = row.merged.as_ref().map_or(0, |merged| merged.tasks.len());
    let work = tasks.iter().map(|row| &row.task).filter(|task| task.kind == TaskKind::Work);
    work.skip(planned).cloned().collect()
}

/// The planned task that this one is, or settles.
fn root(of: &Task, settled: &[Task]) -> TaskId {
    match settled.iter().any(|task| task.id == of.id) {
        true => of.depends_on.first().copied().unwrap_or(of.id),
        false => of.id,
    }
}

/// Submits the task that settles it, and says so.
pub(super) async fn hand_back(shared: &Arc<Shared>, row: &PlanRow, given: Given) -> Result<(), Refusal> {
    let (plan, session, state) = (row.plan.id, row.plan.session, row.state);
    let what = words(&given.settling, row);
    let text = format!("{what}; it was handed back to the agent that did `{}`", given.of.title);
    let room = PLANNED_TITLE_MAX.saturating_sub(SETTLED.len());
    let title: String = given.of.title.chars().take(room).collect();
    let task = Task {
        id: given.settling.task,
        title: title + SETTLED,
        prompt: prompt(&given, &what),
        depends_on: vec![given.of.id],
        terms: TaskTerms::default(),
        created_at: shared.now(),
        ..given.of
    };
    let events = move |view: &View<'_>| {
        let stands = view.plan(plan)?.is_some_and(|now| now.state == state);
        let there = view.task(task.id)?.is_some();
        let stall = PlanStall { plan, session, text };
        Ok(match stands && !there {
            true => vec![Event::PlanStalled(stall), Event::TaskSubmitted(task)],
            false => Vec::new(),
        })
    };
    shared.commit(Actor::System, None, events).await?;
    shared.tell(session, Mail::Look).await;
    Ok(())
}

fn prompt(given: &Given, what: &str) -> String {
    let left = (MERGE_TRIES as usize).saturating_sub(given.times + 1);
    format!(
        "{}\n\nYou have done this before, and your commit {what}. Somebody else has changed the branch meanwhile; that stays.\n\n{} Change \
         nothing else. When your turn is over, the plan goes on; should the branch move again, it is handed back {left} more times.",
        given.of.prompt,
        super::land::both_sides("what is on the branch now")
    )
}

/// Takes the worktrees that hold nothing else along with the plan's work, which was made again: what is in them is in it.
pub(super) fn follow(
    shared: &Shared,
    plan: &Plan,
    main: &Repository,
    from: &[&Oid],
    top: &Oid,
) -> Result<(), Refusal> {
    for own in all(shared, plan)? {
        if let Err(refusal) = follow_one(shared, main, &own.path, from, top) {
            tracing::warn!(worktree = own.name, %refusal, "a worktree of a plan stays where it is");
        }
    }
    Ok(())
}

fn follow_one(
    shared: &Shared,
    main: &Repository,
    path: &str,
    from: &[&Oid],
    top: &Oid,
) -> Result<(), Refusal> {
    let open = checkpoint::open(shared, path)?;
    let Some(head) = open.head()? else { return Ok(()) };
    for from in from {
        if main.is_ancestor(&head, from)? && is_clean(&open)? {
            open.move_to(top)?;
            return Ok(());
        }
    }
    Ok(())
}

/// Brings a worktree in which nothing else is to where the task begins: what it is to settle is in its files.
pub(super) fn lay(
    main: &Repository,
    open: &Repository,
    settling: &Settling,
    tip: &Oid,
) -> Result<bool, Refusal> {
    let Some(head) = open.head()? else { return Ok(false) };
    if !main.is_ancestor(&head, tip)? && !main.is_ancestor(&head, &settling.whole()?)? {
        return Ok(false);
    }
    open.move_to(tip)?;
    open.lay_commit(&settling.commit()?)?;
    Ok(true)
}

/// Why a plan ends, and where all that it did is.
pub(super) async fn with_what_is_kept(
    shared: &Arc<Shared>,
    row: &PlanRow,
    repo: &Repo,
    why: String,
) -> String {
    let (path, plan) = (repo.path.clone(), row.plan.id);
    let look = move |shared: &Shared| {
        let main = checkpoint::open(shared, &path)?;
        let refs = [whole_ref(plan), checkpoint::plan_ref(plan)];
        for name in refs {
            if main.resolve_ref(&name)?.is_some() {
                return Ok(Some(name));
            }
        }
        Ok(None)
    };
    match shared.blocking(look).await {
        Ok(Some(name)) => format!("{why}; {KEPT}; all of it together is {name}"),
        Ok(None) => format!("{why}; {KEPT}"),
        Err(error) => {
            tracing::warn!(%error, "where a plan's work is kept was not looked up");
            format!("{why}; {KEPT}")
        }
    }
}

/// Takes away what only an open plan needs. Of one that did not come to its branch the whole stays.
pub(super) async fn tidy(shared: &Arc<Shared>, row: &PlanRow, repo: &Repo) {
    let (path, plan) = (repo.path.clone(), row.plan.id);
    let mut names = vec![tested_ref(plan), settling_ref(plan), begun_ref(plan)];
    if row.state == PlanState::Completed {
        names.push(whole_ref(plan));
    }
    let (shared_, names) = (Arc::clone(shared), names);
    let job = move || drop_all(&checkpoint::open(&shared_, &path)?, &names);
    if let Err(refusal) = shared.writers.run(Path::new(&repo.path), job).await {
        tracing::warn!(%refusal, "refs of a plan that has ended stay");
    }
}

fn drop_all(main: &Repository, names: &[String]) -> Result<(), Refusal> {
    for name in names {
        if let Some(at) = main.resolve_ref(name)? {
            main.drop_ref(name, &at)?;
        }
    }
    Ok(())
}
