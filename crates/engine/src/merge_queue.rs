//! The merge queue: finished worktrees land on their branch one after the other, each put on top of it and checked first.
//!
//! Invariant: what lands was checked as it lands. The checks run on the very commit the branch is moved to, and the branch only
//! moves forward to it from where it stood. What does not go together, or fails, goes back to whoever made it.

mod attempt;
mod back;
mod gather;
mod own_work;
mod owner;
#[cfg(test)]
mod tests;
pub(crate) mod trial;

pub(crate) use attempt::is_in_the_way;
pub(crate) use back::named;
pub(crate) use owner::{Queues, keep, mend};

use crate::engine::Shared;
use crate::message::check_priority;
use crate::order::{self, Goal};
use crate::worktree::merge::check_message;
use crate::{Call, Engine, checkpoint};
use model::{
    Actor, AgentName, Event, MergeChange, MergeEntry, MergeId, MergeMode, MergeOrder, MergePlace, MergeState,
    MergeStyle, Refusal, RefusalKind, Repo, RepoId, SessionId, WorktreeId,
};
use std::path::Path;
use std::sync::Arc;
use store::{MergeRow, View};

/// Entries of one repo that may be open.
pub const MERGE_QUEUE_MAX: usize = 256;
/// Ended entries that are listed, at most.
const ENDED_MAX: usize = 200;

/// Whose work is to land.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MergeSource {
    /// A named worktree.
    Worktree(WorktreeId),
    /// An agent's own, in a session.
    Lent(SessionId, AgentName),
    /// What the asking agent works in.
    Own,
}

#[derive(Debug, Clone)]
pub struct NewMerge {
    pub source: MergeSource,
    /// None: the branch that the repo's checkout is on.
    pub into: Option<String>,
    pub mode: MergeMode,
    pub style: MergeStyle,
    pub priority: i32,
    pub message: Option<String>,
    /// It waits for [`Engine::run_merges`].
    pub hold: bool,
}

/// Where an entry is to go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MergeMove {
    /// Higher goes first; among equals its place stays.
    pub priority: Option<i32>,
    /// Just before this one, whose priority it takes.
    pub before: Option<MergeId>,
    /// Behind all others of its repo.
    pub last: bool,
}

impl Engine {
    /// Puts a worktree into the queue of its repo. What is in it need not be finished before its turn comes.
    pub async fn add_merge(&self, call: &Call, new: NewMerge) -> Result<MergeRow, Refusal> {
        check_priority(new.priority)?;
        check_message(new.message.as_deref())?;
        let Place { repo, name, path, worktree, session, agent } =
            self.place(&self.allowed(call, &new)?).await?;
        let into = self.target_branch(&repo, &path, new.into.clone()).await?;
        let entry = MergeEntry {
            id: self.shared.new_id(),
            repo: repo.id,
            name,
            path,
            worktree,
            session,
            agent,
            into,
            mode: new.mode,
            style: new.style,
            priority: new.priority,
            held: new.hold,
            message: new.message,
            created_at: self.shared.now(),
        };
        let command = move |view: &View<'_>| {
            let mut open = view.open_merges()?;
            open.retain(|row| row.entry.repo == entry.repo);
            if let Some(row) =
                open.iter().find(|row| row.entry.path == entry.path && row.entry.into == entry.into)
            {
                let message = format!("it is in the queue for {} already", entry.into);
                return Err(Refusal::conflict("merge_queued", message)
                    .hint(format!("`coditect merge show {}` says how it stands", row.entry.id.short())));
            }
            if open.len() >= MERGE_QUEUE_MAX {
                let message = format!("{} worktrees wait in this queue, which is as many as may", open.len());
                return Err(Refusal::new(RefusalKind::Busy, "queue_full", message)
                    .hint("wait until some have landed, or cancel some"));
            }
            Ok(vec![Event::MergeAdded(entry)])
        };
        let receipt = self.shared.commit(call.actor(), call.key.clone(), command).await?;
        let added = receipt.records.iter().find_map(|record| match &record.event {
            Event::MergeAdded(entry) => Some(entry.id),
            _ => None,
        });
        self.shared.merges.wake();
        self.merge(added.ok_or_else(|| Refusal::internal("the commit added no entry"))?)
    }

    pub fn merge(&self, id: MergeId) -> Result<MergeRow, Refusal> {
        self.shared.store.read_or_refuse(|view| row(view, id))
    }

    /// Those that are open, in the order in which they will be tried; with `ended`, behind them those that are over, the newest
    /// first.
    pub fn merges(&self, repo: Option<RepoId>, ended: bool) -> Result<Vec<MergeRow>, Refusal> {
        let found = self.shared.store.read(|view| {
            let mut found = view.open_merges()?;
            found.retain(|row| repo.is_none_or(|repo| repo == row.entry.repo));
            if ended {
                found.extend(view.ended_merges(repo, ENDED_MAX)?);
            }
            Ok(found)
        })?;
        Ok(found)
    }

    /// Takes an entry out of the queue. One that is being checked is stopped first; one that has landed meanwhile has landed.
    pub async fn cancel_merge(&self, call: &Call, id: MergeId) -> Result<MergeRow, Refusal> {
        call.only_user()?;
        let mut bell = self.shared.bell.subscribe();
        loop {
            bell.mark_unchanged();
            let now = self.merge(id)?;
            match now.state {
                MergeState::Canceled => return Ok(now),
                state if state.is_terminal() => {
                    let message = format!("it is {} already", state.as_str());
                    return Err(Refusal::conflict("merge_ended", message));
                }
                // Its owner says how it ended.
                MergeState::Running => {
                    self.shared.merges.cancel(id);
                    bell.changed().await.map_err(Refusal::internal)?;
                }
                state => {
                    let command = move |view: &View<'_>| {
                        let row = row(view, id)?;
                        // It was taken up or ended in between.
                        if row.state != state {
                            return Ok(Vec::new());
                        }
                        let text = "canceled".to_owned();
                        Ok(vec![Event::MergeChanged(change(&row, MergeState::Canceled, text))])
                    };
                    self.shared.commit(call.actor(), call.key.clone(), command).await?;
                    self.shared.merges.wake();
                }
            }
        }
    }

    /// Gives an entry that waits another place; returns the open ones of its repo as they are then.
    pub async fn move_merge(
        &self,
        call: &Call,
        id: MergeId,
        to: MergeMove,
    ) -> Result<Vec<MergeRow>, Refusal> {
        call.only_user()?;
        check_move(id, &to)?;
        let repo = self.merge(id)?.entry.repo;
        let command = move |view: &View<'_>| {
            let row = row(view, id)?;
            if !matches!(row.state, MergeState::Held | MergeState::Queued | MergeState::Returned) {
                let message = format!("it is {}; only one that waits is moved", row.state.as_str());
                return Err(
                    Refusal::conflict("merge_begun", message).hint("`coditect merge list` shows what waits")
                );
            }
            let mut open = view.open_merges()?;
            open.retain(|row| row.entry.repo == repo);
            let places = moved(&open, id, &to)?;
            let order = MergeOrder { repo, places };
            Ok((!order.places.is_empty()).then_some(Event::MergeMoved(order)).into_iter().collect())
        };
        self.shared.commit(call.actor(), call.key.clone(), command).await?;
        self.shared.merges.wake();
        self.merges(Some(repo), false)
    }

    /// Tries now what is held or was handed back: one entry, or all of a repo. With a mode, in that way from now on.
    pub async fn run_merges(
        &self,
        call: &Call,
        repo: Option<RepoId>,
        one: Option<MergeId>,
        mode: Option<MergeMode>,
    ) -> Result<Vec<MergeRow>, Refusal> {
        call.only_user()?;
        if let Some(id) = one {
            let row = self.merge(id)?;
            if row.state.is_terminal() {
                let message = format!("it is {} already", row.state.as_str());
                return Err(Refusal::conflict("merge_ended", message)
                    .hint("put its worktree into the queue again with `coditect merge add`"));
            }
        }
        let command = move |view: &View<'_>| {
            let mut open = view.open_merges()?;
            open.retain(|row| repo.is_none_or(|repo| repo == row.entry.repo));
            open.retain(|row| one.is_none_or(|one| one == row.entry.id));
            let waits = |row: &&MergeRow| {
                matches!(row.state, MergeState::Held | MergeState::Returned)
                    || (row.state == MergeState::Queued && mode.is_some_and(|mode| mode != row.entry.mode))
            };
            let event = |row: &MergeRow| {
                let change = change(row, MergeState::Queued, "ordered to go on".to_owned());
                Event::MergeChanged(MergeChange { mode, ..change })
            };
            Ok(open.iter().filter(waits).map(event).collect())
        };
        self.shared.commit(call.actor(), call.key.clone(), command).await?;
        self.shared.merges.retry();
        self.merges(repo, false)
    }

    async fn place(&self, source: &MergeSource) -> Result<Place, Refusal> {
        match source {
            MergeSource::Worktree(id) => {
                let row = self.worktree_row(*id)?;
                if row.trashed.is_some() {
                    return Err(Refusal::conflict("worktree_trashed", "it is in the trash")
                        .hint(format!("`coditect worktree restore {}` brings it back", id.short())));
                }
                let repo = self.repo(row.worktree.repo)?;
                let sessions = self.shared.store.read(|view| view.sessions_in(*id))?;
                // Work of several is nobody's in particular.
                let session = (sessions.len() == 1).then(|| sessions[0]);
                let name = format!("{}/{}", repo.slug, row.worktree.name);
                Ok(Place { repo, name, path: row.worktree.path, worktree: Some(*id), session, agent: None })
            }
            MergeSource::Own => Err(own_work::unclear()),
            MergeSource::Lent(session, agent) => {
                let (repo, path) = self.own_worktree(*session, agent).await?;
                let name = format!("{}/{agent}", session.short());
                let (session, agent) = (Some(*session), Some(agent.clone()));
                Ok(Place { repo, name, path, worktree: None, session, agent })
            }
        }
    }

    async fn target_branch(&self, repo: &Repo, own: &str, into: Option<String>) -> Result<String, Refusal> {
        let (repo, own) = (repo.clone(), own.to_owned());
        if let Some(into) = &into {
            git::check_branch(into)?;
        }
        let look = move |shared: &Shared| {
            let main = checkpoint::open(shared, &repo.path)?;
            let Some(into) = into.or(main.branch()?) else {
                let message = "the repository's checkout is on no branch";
                return Err(Refusal::invalid("no_branch", message).hint("give one with --into"));
            };
            if main.branch_tip(&into)?.is_none() {
                return Err(git::GitError::NoBranch(into).into());
            }
            if git::branch_at(Path::new(&own)).as_ref() == Some(&into) {
                let message = "that is the branch of the worktree itself";
                return Err(Refusal::invalid("merge_into_itself", message).hint("give another with --into"));
            }
            Ok(into)
        };
        self.shared.blocking(look).await
    }
}

/// A worktree that is to land.
struct Place {
    repo: Repo,
    name: String,
    path: String,
    worktree: Option<WorktreeId>,
    session: Option<SessionId>,
    agent: Option<AgentName>,
}

fn row(view: &View<'_>, id: MergeId) -> Result<MergeRow, Refusal> {
    view.merge(id)?.ok_or_else(|| {
        Refusal::not_found("merge", id).hint("`coditect merge list --ended` shows what was in the queue")
    })
}

/// The entry stands elsewhere from now on.
fn change(row: &MergeRow, state: MergeState, text: String) -> MergeChange {
    MergeChange {
        merge: row.entry.id,
        repo: row.entry.repo,
        state,
        attempt: row.attempt,
        mode: None,
        text,
        paths: Vec::new(),
        report: None,
        head: None,
        task: None,
    }
}

/// How an entry stands from now on, if it is still open; says whether it was.
async fn stands(shared: &Arc<Shared>, change: MergeChange) -> Result<bool, Refusal> {
    let still = move |view: &View<'_>| {
        let open = view.merge(change.merge)?.is_some_and(|row| !row.state.is_terminal());
        Ok(if open { vec![Event::MergeChanged(change.clone())] } else { Vec::new() })
    };
    Ok(!shared.conclude(Actor::System, still).await?.records.is_empty())
}

fn check_move(id: MergeId, to: &MergeMove) -> Result<(), Refusal> {
    let wishes =
        [to.priority.is_some(), to.before.is_some(), to.last].into_iter().filter(|wish| *wish).count();
    if wishes != 1 {
        return Err(Refusal::invalid("move_unclear", "an entry is moved in one way at a time")
            .hint("give one of `priority`, `before` and `last`"));
    }
    check_priority(to.priority.unwrap_or(0))?;
    if to.before == Some(id) {
        return Err(Refusal::invalid("move_unclear", "an entry is not moved before itself"));
    }
    Ok(())
}

/// The places that change when the entry goes where it is to go.
fn moved(open: &[MergeRow], id: MergeId, to: &MergeMove) -> Result<Vec<MergePlace>, Refusal> {
    let place =
        |row: &MergeRow| order::Place { one: row.entry.id, priority: row.entry.priority, rank: row.rank };
    let before: Vec<order::Place<MergeId>> = open.iter().map(place).collect();
    let absent = |other: MergeId| {
        let message = format!("{} does not wait in the same queue", other.short());
        Refusal::conflict("merge_not_waiting", message).hint("`coditect merge list` shows what waits")
    };
    let changed = order::moved(&before, id, Goal::of(to.priority, to.before), absent)?;
    Ok(changed
        .into_iter()
        .map(|order::Place { one, priority, rank }| MergePlace { merge: one, priority, rank })
        .collect())
}
