//! The owner of the queues: what is tried next, one attempt per repo at a time.
//!
//! What is to be done follows from the store alone, so a queue goes on after a restart as if nothing had been.

use super::change;
use super::{attempt, back};
use crate::engine::Shared;
use model::{Actor, Event, MergeId, MergeMode, MergeState, Refusal, RepoId};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::{MergeRow, View};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Between two tries of what stood in the way of nobody's work: a lock, somebody at work, a file of the user's.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What the owner is told.
#[derive(Default)]
pub(crate) struct Queues {
    bell: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Of what is tried now.
    running: HashMap<MergeId, CancellationToken>,
    /// When what was put off is tried again.
    later: HashMap<MergeId, Instant>,
}

impl Queues {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something is new.
    pub(crate) fn wake(&self) {
        self.bell.notify_one();
    }

    /// What was put off is tried now.
    pub(super) fn retry(&self) {
        self.state().later.clear();
        self.wake();
    }

    /// Ends what is tried.
    pub(super) fn cancel(&self, id: MergeId) {
        if let Some(token) = self.state().running.get(&id) {
            token.cancel();
        }
    }

    pub(super) fn put_off(&self, id: MergeId) {
        self.state().later.insert(id, Instant::now() + RETRY_AFTER);
    }
}

/// Tries what waits until the engine stops.
pub(crate) async fn keep(shared: Arc<Shared>) {
    let mut bell = shared.bell.subscribe();
    let (mut busy, mut attempts) = (HashSet::new(), JoinSet::new());
    loop {
        bell.mark_unchanged();
        let (waiting, later) = match step(&shared, &mut busy, &mut attempts).await {
            Ok(found) => found,
            Err(refusal) => {
                tracing::warn!(%refusal, "the merge queue stands still");
                (true, Some(Instant::now() + RETRY_AFTER))
            }
        };
        let later = later.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
        tokio::select! {
            () = shared.stopping.cancelled() => break,
            () = shared.merges.bell.notified() => {}
            () = tokio::time::sleep_until(later) => {}
            // A repair is over with a commit of somebody else's.
            rung = bell.changed(), if waiting => if rung.is_err() { break },
            Some(ended) = attempts.join_next() => match ended {
                Ok(repo) => drop(busy.remove(&repo)),
                Err(error) => tracing::error!(%error, "an attempt of the merge queue ended badly"),
            },
        }
    }
    // What is tried is canceled by the engine's end, and goes on at the next start.
    while attempts.join_next().await.is_some() {}
}

/// Begins what can begin. Whether anything waits for a repair, and when what was put off is due.
async fn step(
    shared: &Arc<Shared>,
    busy: &mut HashSet<RepoId>,
    attempts: &mut JoinSet<RepoId>,
) -> Result<(bool, Option<Instant>), Refusal> {
    let mut open = shared.store.read(|view| view.open_merges())?;
    let repaired: Vec<MergeRow> = repaired(shared, &open)?;
    if !repaired.is_empty() {
        take_back(shared, repaired).await?;
        open = shared.store.read(|view| view.open_merges())?;
    }
    for row in back::left(shared, &open).await? {
        let said = row.change.as_ref().map_or("it did not land", |said| said.text.as_str());
        let text = format!("{said}; those who were told have left");
        back::over(shared, change(&row, MergeState::Failed, text), row.attempt).await?;
    }
    let waiting = open.iter().any(|row| row.state == MergeState::Returned);
    let later = {
        let mut state = shared.merges.state();
        state.later.retain(|id, due| *due > Instant::now() && open.iter().any(|row| row.entry.id == *id));
        state.later.values().min().copied()
    };
    let repos: HashSet<RepoId> = open.iter().map(|row| row.entry.repo).collect();
    for repo in repos {
        let batch = batch(shared, &open, repo);
        if batch.is_empty() || !busy.insert(repo) {
            continue;
        }
        let (shared, cancel) = (Arc::clone(shared), shared.stopping.child_token());
        let mut running = HashMap::new();
        for row in &batch {
            let token = cancel.child_token();
            shared.merges.state().running.insert(row.entry.id, token.clone());
            running.insert(row.entry.id, token);
        }
        attempts.spawn(async move {
            let ids: Vec<MergeId> = batch.iter().map(|row| row.entry.id).collect();
            if let Err(refusal) = attempt::run(&shared, repo, batch, &running, &cancel).await {
                tracing::warn!(%refusal, "an attempt of the merge queue came to nothing");
                ids.iter().for_each(|id| shared.merges.put_off(*id));
                if let Err(error) = queue_again(&shared, &ids, refusal.message).await {
                    tracing::error!(%error, "an entry of the merge queue says running and does not");
                }
            }
            let mut state = shared.merges.state();
            ids.iter().for_each(|id| drop(state.running.remove(id)));
            drop(state);
            repo
        });
    }
    Ok((waiting, later))
}

/// What is tried next in a repo: the first that waits, and with it, where it is to be tried with others, those behind it for the
/// same branch.
fn batch(shared: &Shared, open: &[MergeRow], repo: RepoId) -> Vec<MergeRow> {
    let state = shared.merges.state();
    let mut ready = open.iter().filter(|row| {
        row.entry.repo == repo && row.state == MergeState::Queued && !state.later.contains_key(&row.entry.id)
    });
    let Some(first) = ready.next() else { return Vec::new() };
    let mut batch = vec![first.clone()];
    if first.entry.mode == MergeMode::Bisect {
        let same =
            |row: &&MergeRow| row.entry.mode == MergeMode::Bisect && row.entry.into == first.entry.into;
        batch.extend(ready.filter(same).cloned());
    }
    batch
}

/// Handed back, and the task in which they were to be repaired is over.
fn repaired(shared: &Shared, open: &[MergeRow]) -> Result<Vec<MergeRow>, Refusal> {
    let mut repaired = Vec::new();
    for row in open.iter().filter(|row| row.state == MergeState::Returned) {
        let Some(task) = row.change.as_ref().and_then(|change| change.task) else { continue };
        let over = shared.store.read(|view| view.task(task))?.is_none_or(|task| task.state.is_terminal());
        if over {
            repaired.push(row.clone());
        }
    }
    Ok(repaired)
}

async fn take_back(shared: &Arc<Shared>, rows: Vec<MergeRow>) -> Result<(), Refusal> {
    let event = |row: &MergeRow| {
        Event::MergeChanged(change(row, MergeState::Queued, "its repair is over".to_owned()))
    };
    let events: Vec<Event> = rows.iter().map(event).collect();
    shared.conclude(Actor::System, move |_| Ok(events.clone())).await.map(drop)
}

/// What an attempt left as running when it broke off.
async fn queue_again(shared: &Arc<Shared>, ids: &[MergeId], why: String) -> Result<(), Refusal> {
    let ids = ids.to_vec();
    let still = move |view: &View<'_>| {
        let open = view.open_merges()?;
        let running = |row: &&MergeRow| ids.contains(&row.entry.id) && row.state == MergeState::Running;
        let event = |row: &MergeRow| {
            let attempt = row.attempt.saturating_sub(1);
            let queued = change(row, MergeState::Queued, why.clone());
            Event::MergeChanged(model::MergeChange { attempt, ..queued })
        };
        Ok(open.iter().filter(running).map(event).collect())
    };
    shared.conclude(Actor::System, still).await.map(drop)
}

/// What was tried when the last daemon ended is tried again, from the beginning.
pub(crate) async fn mend(shared: &Arc<Shared>) -> Result<Vec<String>, Refusal> {
    let open = shared.store.read(|view| view.open_merges())?;
    let running: Vec<MergeRow> = open.into_iter().filter(|row| row.state == MergeState::Running).collect();
    if running.is_empty() {
        return Ok(Vec::new());
    }
    let said = running
        .iter()
        .map(|row| {
            format!("the landing of {} was cut off by the daemon's end; it is tried again", row.entry.name)
        })
        .collect();
    let event = |row: &MergeRow| {
        // The daemon's end is nobody's failure: it does not count.
        let attempt = row.attempt.saturating_sub(1);
        let text = "the daemon ended while it was tried".to_owned();
        Event::MergeChanged(model::MergeChange { attempt, ..change(row, MergeState::Queued, text) })
    };
    let events: Vec<Event> = running.iter().map(event).collect();
    shared.conclude(Actor::System, move |_| Ok(events.clone())).await?;
    Ok(said)
}
