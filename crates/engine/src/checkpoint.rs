//! Checkpoints: what a task changed, kept as a commit of just its paths as soon as it is done; and
//! what a plan changed, put on the user's branch when all of it is done.
//!
//! Invariant: a checkpoint commit exists under a ref of ours before its event is committed.

pub(crate) mod bundle;
pub(crate) mod carry;
pub(crate) mod expire;
mod hold;
pub(crate) mod import;
pub(crate) mod look;
pub(crate) mod point;
pub(crate) mod restore;
mod steps;
#[cfg(test)]
mod tests;

use crate::engine::Shared;
use git::{Author, GitError, Oid, REF_PREFIX, Repository, Snapshot};
use model::{
    AgentName, Checkpoint, CheckpointKind, Plan, PlanId, PlanState, Refusal, Repo, RepoPath, SessionId, Task,
    TaskKind,
};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// How often a plan's commits are put on top again when the user commits at the same moment.
const ADVANCE_TRIES: usize = 5;
/// Files named that a plan did not commit; the others are counted.
const LEFT_OUT_NAMED: usize = 5;

/// What a plan left on the branch.
pub(crate) struct Landed {
    /// None when no file was changed.
    pub(crate) checkpoint: Option<Checkpoint>,
    pub(crate) commits: usize,
    pub(crate) left_out: LeftOut,
}

/// What is in the worktree and not in its newest commit, whoever made it.
pub(crate) enum LeftOut {
    Files {
        named: Vec<RepoPath>,
        more: usize,
    },
    /// Git could not say.
    Unknown,
}

impl LeftOut {
    fn of(repository: &Repository) -> Self {
        match repository.status(&[]) {
            Ok(status) => {
                let more = status.entries.len().saturating_sub(LEFT_OUT_NAMED) + status.unnamable;
                let named = status.entries.into_iter().take(LEFT_OUT_NAMED).map(|entry| entry.path);
                Self::Files { named: named.collect(), more }
            }
            Err(error) => {
                tracing::warn!(%error, "nobody knows what was not committed");
                Self::Unknown
            }
        }
    }

    /// Said to whoever might take the tests, or the worktree, for what was committed.
    pub(crate) fn sentence(&self, tested: bool) -> Option<String> {
        let (named, more) = match self {
            Self::Files { named, more } if named.is_empty() && *more == 0 => return None,
            Self::Files { named, more } => (named, *more),
            Self::Unknown => return Some("git did not say what else is in the worktree".to_owned()),
        };
        let seen = if tested { ", though the tests saw it" } else { "" };
        Some(format!("not committed{seen}: {}", model::named(named, more)))
    }
}

/// Keeps what a task changed. Taken while the task still holds its locks, so that its paths have
/// nobody else's unfinished work in them. None when nothing changed.
pub(crate) async fn of_task(
    shared: &Arc<Shared>,
    repo: &Repo,
    task: &Task,
    agent: &AgentName,
) -> Result<Option<Checkpoint>, Refusal> {
    let paths = changed(shared, task)?;
    if paths.is_empty() {
        return Ok(None);
    }
    let (draft, tip) = draft(shared, repo, task, agent, paths)?;
    let (shared_, path) = (Arc::clone(shared), repo.path.clone());
    let taken = shared.writers.run(Path::new(&repo.path), move || {
        let repository = open(&shared_, &path)?;
        snapshot(&shared_, &repository, tip.as_deref(), draft).map_err(Refusal::from)
    });
    taken.await
}

/// Keeps what is in the worktree of a participant's own, whoever or whatever put it there, and moves its branch to it.
/// None when nothing changed.
pub(crate) async fn of_own_worktree(
    shared: &Arc<Shared>,
    repo: &Repo,
    task: &Task,
    agent: &AgentName,
) -> Result<Option<Checkpoint>, Refusal> {
    let edited = changed(shared, task)?;
    let (draft, _) = draft(shared, repo, task, agent, Vec::new())?;
    let (shared_, path) = (Arc::clone(shared), repo.path.clone());
    let taken = shared.writers.run(Path::new(&repo.path), move || {
        let repository = open(&shared_, &path)?;
        let dirty: Vec<RepoPath> =
            repository.status(&[])?.entries.into_iter().map(|entry| entry.path).collect();
        // Of more files than a commit of ours takes, those that were edited; the others stay as they are.
        let paths = if dirty.len() > git::PATHS_MAX { edited } else { dirty };
        let head = repository.head()?;
        let taken = snapshot(&shared_, &repository, None, Checkpoint { paths, ..draft })?;
        if let Some(taken) = &taken {
            let commit: Oid = taken.commit.parse().map_err(Refusal::internal)?;
            repository.advance(&commit, head.as_ref(), &taken.paths)?;
        }
        Ok(taken)
    });
    taken.await
}

/// Paths that the task's turns edited.
fn changed(shared: &Shared, task: &Task) -> Result<Vec<RepoPath>, Refusal> {
    let changes = shared.store.read(|view| view.file_changes(task.id))?;
    let paths: BTreeSet<RepoPath> = changes.into_iter().map(|row| row.change.path).collect();
    Ok(paths.into_iter().collect())
}

/// A task's checkpoint but for its commit, and the ref it is put on top of.
pub(crate) fn draft(
    shared: &Shared,
    repo: &Repo,
    task: &Task,
    agent: &AgentName,
    paths: Vec<RepoPath>,
) -> Result<(Checkpoint, Option<String>), Refusal> {
    let id = task.id;
    let reviewers = shared.store.read_or_refuse(|view| reviewers(view, task))?;
    let co_authors: Vec<AgentName> = std::iter::once(agent.clone()).chain(reviewers).collect();
    let git_ref = task_ref(id);
    let tip = task.plan.map(plan_ref);
    let message = message(task, agent);
    let draft = Checkpoint {
        id: shared.new_id(),
        session: task.session,
        plan: task.plan,
        repo: repo.id,
        git_ref: git_ref.clone(),
        commit: String::new(),
        paths,
        co_authors,
        message,
        created_at: shared.now(),
        kind: CheckpointKind::Work,
        name: None,
        point: None,
    };
    Ok((draft, tip))
}

fn snapshot(
    shared: &Shared,
    repository: &Repository,
    tip: Option<&str>,
    draft: Checkpoint,
) -> Result<Option<Checkpoint>, GitError> {
    let parent = match tip.map(|tip| repository.resolve_ref(tip)).transpose()?.flatten() {
        Some(tip) => Some(tip),
        None => repository.head()?,
    };
    let author = repository.identity(&shared.user_home())?;
    let co_authors: Vec<Author> = draft.co_authors.iter().map(Author::agent).collect();
    let taken = repository.snapshot(&Snapshot {
        parent: parent.as_ref(),
        paths: &draft.paths,
        message: &draft.message,
        author: &author,
        co_authors: &co_authors,
        at: draft.created_at,
    })?;
    let Some(commit) = taken.commit else { return Ok(None) };
    repository.update_ref(&draft.git_ref, &commit)?;
    if let Some(tip) = tip {
        repository.update_ref(tip, &commit)?;
    }
    Ok(Some(Checkpoint { commit: commit.to_string(), ..draft }))
}

/// Puts the commits of a plan's tasks, in the order in which they were made, on the user's branch.
pub(crate) async fn of_plan(
    shared: &Arc<Shared>,
    repo: &Repo,
    plan: &Plan,
    message: String,
) -> Result<Landed, Refusal> {
    let id = plan.id;
    let parts = parts(shared, id, plan.session)?;
    let draft = draft_of_plan(shared, repo, plan, &parts, message);
    let (shared_, path, branch) = (Arc::clone(shared), repo.path.clone(), plan.branch.clone());
    let landed = shared.writers.run(Path::new(&repo.path), move || {
        let repository = open(&shared_, &path)?;
        let mut checkpoint = None;
        if !parts.is_empty() {
            on_branch(&repository, branch.as_deref())?;
            still_wanted(&shared_, id)?;
            let commits = parts.iter().map(|part| part.commit.parse::<Oid>()).collect::<Result<Vec<_>, _>>();
            checkpoint = land(&repository, &commits.map_err(Refusal::internal)?, draft)?;
        }
        let commits = checkpoint.as_ref().map_or(0, |_| parts.len());
        Ok(Landed { checkpoint, commits, left_out: LeftOut::of(&repository) })
    });
    landed.await
}

/// The checkpoint of all that a plan did, but for its commit.
pub(crate) fn draft_of_plan(
    shared: &Shared,
    repo: &Repo,
    plan: &Plan,
    parts: &[Checkpoint],
    message: String,
) -> Checkpoint {
    Checkpoint {
        id: shared.new_id(),
        session: plan.session,
        plan: Some(plan.id),
        repo: repo.id,
        git_ref: plan_ref(plan.id),
        commit: String::new(),
        paths: parts
            .iter()
            .flat_map(|part| part.paths.clone())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        co_authors: parts
            .iter()
            .flat_map(|part| part.co_authors.clone())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        message,
        created_at: shared.now(),
        kind: CheckpointKind::Work,
        name: None,
        point: None,
    }
}

/// Takes back what was committed for a plan and not recorded before a crash: the task is done again, and
/// its commit is made again on top of the recorded ones. Only while no turn of the plan runs.
pub(crate) async fn rewind(shared: &Arc<Shared>, plan: &Plan) -> Result<(), Refusal> {
    // There the tip is what has landed, recorded or not, and a task that is done again lands on top of it.
    if plan.worktrees {
        return Ok(());
    }
    let (id, session) = (plan.id, plan.session);
    let repo = plan.repo;
    let Some(repo) = shared.store.read(|view| view.repo(repo))? else { return Ok(()) };
    let recorded = parts(shared, id, session)?;
    let (shared_, path) = (Arc::clone(shared), repo.path.clone());
    let rewound = shared.writers.run(Path::new(&repo.path), move || {
        let repository = open(&shared_, &path)?;
        let Some(tip) = repository.resolve_ref(&plan_ref(id))? else { return Ok(()) };
        let commits = recorded.iter().map(|part| part.commit.parse::<Oid>()).collect::<Result<Vec<_>, _>>();
        let commits = commits.map_err(Refusal::internal)?;
        if commits.last() == Some(&tip) {
            return Ok(());
        }
        let head = repository.head()?;
        let remade = match repository.replay(&commits, head.as_ref()) {
            Ok(remade) => remade.into_iter().filter_map(|one| one.to).next_back(),
            // The branch went another way; the plan's end will say so.
            Err(GitError::ReplayConflict { .. }) => commits.into_iter().next_back(),
            Err(error) => return Err(error.into()),
        };
        match remade.or(head) {
            Some(tip) => Ok(repository.update_ref(&plan_ref(id), &tip)?),
            None => Ok(()),
        }
    });
    rewound.await
}

/// The checkpoints of a plan's tasks, in the order in which they were recorded.
pub(crate) fn parts(
    shared: &Shared,
    plan: model::PlanId,
    session: SessionId,
) -> Result<Vec<Checkpoint>, Refusal> {
    let all = shared.store.read(|view| view.checkpoints(session))?;
    Ok(all.into_iter().filter(|part| part.plan == Some(plan) && part.git_ref != plan_ref(plan)).collect())
}

/// At the last moment before the branch moves: the user may have canceled the plan.
pub(crate) fn still_wanted(shared: &Shared, plan: PlanId) -> Result<(), Refusal> {
    let row = shared.store.read(|view| view.plan(plan))?;
    match row.filter(|row| matches!(row.state, PlanState::Executing | PlanState::Testing)) {
        Some(_) => Ok(()),
        None => Err(Refusal::conflict("plan_ended", "the plan has ended")),
    }
}

/// The user may have checked out another branch meanwhile; what was made for one is not put on another.
pub(crate) fn on_branch(repository: &Repository, planned: Option<&str>) -> Result<(), Refusal> {
    let present = repository.branch()?;
    if present.as_deref() == planned {
        return Ok(());
    }
    let named = |branch: Option<&str>| branch.map_or("no branch".to_owned(), |branch| format!("`{branch}`"));
    let message =
        format!("the plan was made on {}, and {} is checked out", named(planned), named(present.as_deref()));
    Err(Refusal::conflict("other_branch", message))
}

fn land(repository: &Repository, commits: &[Oid], draft: Checkpoint) -> Result<Option<Checkpoint>, GitError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let head = repository.head()?;
        let replayed = repository.replay(commits, head.as_ref())?;
        let made: Vec<&Oid> = replayed.iter().filter_map(|one| one.to.as_ref()).collect();
        // After a crash the branch may have been moved already; then nothing is left to replay.
        let Some(newest) = made.last().copied().or(head.as_ref()) else { return Ok(None) };
        match repository.advance(newest, head.as_ref(), &draft.paths) {
            Err(GitError::Moved { .. }) if tries < ADVANCE_TRIES => {}
            Err(error) => return Err(error),
            Ok(_) => {
                repository.update_ref(&draft.git_ref, newest)?;
                return Ok(Some(Checkpoint { commit: newest.to_string(), ..draft }));
            }
        }
    }
}

/// What the tasks of a plan have done so far.
pub(crate) fn plan_ref(plan: model::PlanId) -> String {
    format!("{REF_PREFIX}plans/{plan}")
}

/// What a task has done.
pub(crate) fn task_ref(task: model::TaskId) -> String {
    format!("{REF_PREFIX}tasks/{task}")
}

/// Agents who review the task are its co-authors as well.
fn reviewers(view: &store::View<'_>, task: &Task) -> Result<Vec<AgentName>, Refusal> {
    let mut agents = Vec::new();
    for dependent in view.dependents(task.id)?.into_iter().filter(|row| row.task.kind == TaskKind::Review) {
        for target in dependent.task.targets {
            agents.extend(view.participant(target)?.map(|row| row.participant.agent));
        }
    }
    Ok(agents)
}

fn message(task: &Task, agent: &AgentName) -> String {
    format!("{}\n\nDone by {agent} as task {}.\n", task.title, task.id.short())
}

pub(crate) fn open(shared: &Shared, path: &str) -> Result<Repository, Refusal> {
    shared.git.open(Path::new(path)).map_err(Refusal::from)
}
