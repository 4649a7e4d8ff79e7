//! Plans in worktrees: each agent has one of its own, in which its tasks begin from what the plan's others have landed.
//!
//! Invariant: a task begins on the plan's tip, with nothing of another task in its files. What a task left that was not completed stays
//! where it is, and the agent's next task gets another worktree.

use super::settle;
use super::tip::{forward, tip};
use crate::Engine;
use crate::checkpoint;
use crate::engine::Shared;
use crate::turn::Order;
use crate::worktree::{Claim, NewWorktree, checkout};
use git::{GitError, Repository};
use model::{Actor, AgentName, PLANNED_TASKS_MAX, Plan, Refusal, RefusalKind, Repo, TaskId, Worktree};
use std::path::Path;
use std::sync::Arc;
use store::View;

/// Worktrees of one agent in one plan: one, and one more for each of its tasks that left something behind.
const WORKTREES_MAX: usize = PLANNED_TASKS_MAX + 1;

/// The repo as the agent's turn sees it: at the path of its worktree, which is made when there is none to begin in, and stays while the
/// claim lives.
pub(crate) async fn place(
    shared: &Arc<Shared>,
    plan: &Plan,
    order: &Order,
    agent: &AgentName,
    repo: &Repo,
) -> Result<(Repo, Claim), Refusal> {
    let before = shared.store.read(|view| begun_on(view, order.task.id))?;
    let mut own = of_agent(shared, plan, agent)?;
    // Where it was begun it goes on.
    own.sort_by_key(|worktree| before.is_none() || worktree.branch != before);
    for worktree in &own {
        let again = before.is_some() && worktree.branch == before;
        // Taken before it is looked at: whoever puts it away looks for claims.
        let claim = shared.claims.take(Path::new(&worktree.path), agent.as_str());
        if is_ready(shared, plan, repo, worktree, (order.task.id, again)).await? {
            return Ok((Repo { path: worktree.path.clone(), ..repo.clone() }, claim));
        }
    }
    let made = make(shared, plan, agent, repo, &own).await?;
    let claim = shared.claims.take(Path::new(&made.path), agent.as_str());
    // It may have been put away before the claim was there.
    if !is_ready(shared, plan, repo, &made, (order.task.id, true)).await? {
        let message = format!("the worktree {} was taken away at once", made.name);
        return Err(Refusal::new(RefusalKind::Busy, "worktree_missing", message));
    }
    Ok((Repo { path: made.path, ..repo.clone() }, claim))
}

/// Branch of the worktree in which the task was begun.
fn begun_on(view: &View<'_>, task: TaskId) -> Result<Option<String>, store::StoreError> {
    Ok(view.turns(task)?.into_iter().rev().find_map(|row| row.turn.git?.branch))
}

/// What the names of a plan's worktrees begin with.
fn stem(plan: &Plan) -> String {
    format!("plan-{}-", plan.id.short())
}

/// The name of an agent's first worktree in the plan, and of those after it. No agent's name has a dot.
fn name(plan: &Plan, agent: &AgentName, number: usize) -> String {
    match number {
        1 => format!("{}{agent}", stem(plan)),
        number => format!("{}{agent}.{number}", stem(plan)),
    }
}

/// The branch of the worktree of that name.
fn branch(plan: &Plan, name: &str) -> String {
    name.replacen(&stem(plan), &format!("plan-{}/", plan.id.short()), 1)
}

/// Worktrees of the plan that are not in the trash, by their names.
pub(crate) fn all(shared: &Shared, plan: &Plan) -> Result<Vec<Worktree>, Refusal> {
    let stem = stem(plan);
    let rows = shared.store.read(|view| view.live_worktrees())?;
    let mut own: Vec<Worktree> = rows.into_iter().map(|row| row.worktree).collect();
    own.retain(|worktree| worktree.repo == plan.repo && worktree.name.starts_with(&stem));
    own.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(own)
}

/// Those of one agent.
pub(crate) fn of_agent(shared: &Shared, plan: &Plan, agent: &AgentName) -> Result<Vec<Worktree>, Refusal> {
    let first = name(plan, agent, 1);
    let mut own = all(shared, plan)?;
    own.retain(|worktree| worktree.name.split('.').next() == Some(&first));
    Ok(own)
}

async fn is_ready(
    shared: &Arc<Shared>,
    plan: &Plan,
    repo: &Repo,
    worktree: &Worktree,
    given: (TaskId, bool),
) -> Result<bool, Refusal> {
    let (shared_, plan, repo_, worktree_) =
        (Arc::clone(shared), plan.clone(), repo.clone(), worktree.clone());
    // On the thread on which the plan's tip moves.
    let job = move || prepare(&shared_, &plan, &repo_, &worktree_, given);
    match shared.writers.run(Path::new(&repo.path), job).await {
        Err(refusal) if refusal.passes() => Err(refusal),
        Err(refusal) => {
            tracing::warn!(worktree = worktree.name, %refusal, "a worktree of a plan stays as it is; another one is made");
            Ok(false)
        }
        ready => ready,
    }
}

/// Brings a worktree to the plan's tip, with what the task is to settle in its files. One with something in it is ready for nobody but
/// the task that left it there.
pub(super) fn prepare(
    shared: &Shared,
    plan: &Plan,
    repo: &Repo,
    worktree: &Worktree,
    (task, again): (TaskId, bool),
) -> Result<bool, Refusal> {
    let main = checkpoint::open(shared, &repo.path)?;
    let open = checkout(shared, repo, Path::new(&worktree.path))?;
    if !again {
        // Nobody has worked here since it was moved, so what is not as the commit is was cut off.
        open.finish_landing()?;
    }
    let Some(head) = open.head()? else { return Ok(false) };
    let tip = tip(&main, plan)?;
    let settling = settle::under_way(&main, plan.id)?.filter(|settling| settling.task == task);
    if !is_clean(&open)? {
        return match settling {
            // Laid there for this task, and cut off before its turn began.
            Some(settling) if !again && head == tip => Ok(open.lay_again(&settling.commit()?)?),
            _ => Ok(again),
        };
    }
    if let Some(settling) = settling
        && settle::lay(&main, &open, &settling, &tip)?
    {
        return Ok(true);
    }
    if main.is_ancestor(&head, &tip)? {
        open.move_to(&tip)?;
        return Ok(true);
    }
    if again {
        // Committed, and cut off before it landed. What does not go on top of the tip is handed back when the turn is over.
        let author = main.identity(&shared.user_home())?;
        match main.rebased_onto(&tip, &forward(&head, &author, plan.created_at)) {
            Ok(top) => drop(open.move_to(&top)?),
            Err(GitError::MergeConflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(again)
}

pub(super) fn is_clean(open: &Repository) -> Result<bool, GitError> {
    let status = open.status(&[])?;
    Ok(status.entries.is_empty() && status.unnamable == 0)
}

/// A new one on the plan's tip, under the first name that is free.
async fn make(
    shared: &Arc<Shared>,
    plan: &Plan,
    agent: &AgentName,
    repo: &Repo,
    own: &[Worktree],
) -> Result<Worktree, Refusal> {
    let (shared_, plan_, path) = (Arc::clone(shared), plan.clone(), repo.path.clone());
    let from = shared
        .writers
        .run(Path::new(&repo.path), move || tip(&checkpoint::open(&shared_, &path)?, &plan_))
        .await?;
    let engine = Engine { shared: Arc::clone(shared) };
    for number in 1..=WORKTREES_MAX {
        let name = name(plan, agent, number);
        if own.iter().any(|worktree| worktree.name == name) {
            continue;
        }
        let branch = branch(plan, &name);
        let new = NewWorktree {
            repo: repo.id,
            name,
            branch: Some(branch),
            from: Some(from.to_string()),
            checkout: None,
        };
        match engine.make_worktree((Actor::System, None), new).await {
            // What an end of the daemon left half made, or the user's own.
            Err(refusal) if is_taken(&refusal) => {}
            Err(refusal) => return Err(refusal),
            Ok(id) => return Ok(engine.worktree_row(id)?.worktree),
        }
    }
    let message =
        format!("{agent} has {WORKTREES_MAX} worktrees in this plan, and something is left in all of them");
    Err(Refusal::conflict("worktrees_exhausted", message)
        .hint("`coditect worktree list` shows them; start the plan again when they are put away"))
}

fn is_taken(refusal: &Refusal) -> bool {
    ["worktree_exists", "worktree_registered", "branch_exists", "path_taken"].contains(&refusal.code.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::{Stage, agent};
    use crate::worktree::{NAME_MAX, check_name};
    use model::Event;

    /// A plan of two agents whose names begin alike, with worktrees of these names.
    fn plan_with(names: impl Fn(&Plan) -> Vec<String>) -> (Stage, Plan) {
        let stage = Stage::new();
        let (session, seats) = stage.session(&["claude", "claude-2"]);
        let plan = stage.plan(&session, &seats);
        let made = |name: String| {
            Event::WorktreeCreated(Worktree {
                id: stage.shared.new_id(),
                repo: plan.repo,
                path: format!("/worktrees/{name}"),
                branch: None,
                base: None,
                git_id: name.clone(),
                name,
                made_branch: true,
                adopted: false,
                port_base: 0,
                lent: None,
                created_at: plan.created_at,
            })
        };
        stage.commit(names(&plan).into_iter().map(made).collect());
        (stage, plan)
    }

    #[test]
    fn worktrees_of_agents_whose_names_begin_alike_are_not_mistaken() {
        let (claude, second) = (agent("claude"), agent("claude-2"));
        let (stage, plan) = plan_with(|plan| {
            let ours =
                [(&claude, 1), (&second, 1), (&claude, 2)].map(|(agent, number)| name(plan, agent, number));
            ours.into_iter().chain(["plan-claude".to_owned()]).collect()
        });
        let of = |agent: &AgentName| -> Vec<String> {
            of_agent(&stage.shared, &plan, agent).unwrap().into_iter().map(|one| one.name).collect()
        };
        assert_eq!(of(&claude), [name(&plan, &claude, 1), name(&plan, &claude, 2)]);
        assert_eq!(of(&second), [name(&plan, &second, 1)]);
        assert_eq!(all(&stage.shared, &plan).unwrap().len(), 3, "what is not of the plan is left alone");
    }

    #[test]
    fn every_worktree_there_may_be_has_a_name_and_a_branch_that_are_taken() {
        let (_stage, plan) = plan_with(|_| Vec::new());
        let longest = agent(&format!("a{}", "-b".repeat(15)));
        let name = name(&plan, &longest, WORKTREES_MAX);
        assert!(name.len() <= NAME_MAX, "{name}");
        check_name(&name).unwrap();
        git::check_branch(&branch(&plan, &name)).unwrap();
        assert_eq!(branch(&plan, &name).matches('/').count(), 1);
    }
}
