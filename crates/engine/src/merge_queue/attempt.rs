//! An attempt: entries are put on top of their branch, checked there, and landed; of several that fail together, each half
//! is tried by itself.

use super::back::{Trouble, hand_back};
use super::gather::{Found, Ready, gather};
use super::{change, stands, trial};
use crate::checkpoint;
use crate::engine::Shared;
use crate::worktree::bring;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use git::{GitError, Landing, Oid, REF_PREFIX, Touchdown};
use model::{
    Actor, Event, MergeChange, MergeId, MergeState, MergeStyle, Refusal, Repo, RepoId, RepoPath, TestReport,
    WorktreeMerged,
};
use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use store::MergeRow;
use tokio_util::sync::CancellationToken;

/// How often a branch may move away under a finished check before the entry is put off.
const MOVES_MAX: u32 = 5;

/// One of them was canceled at the last moment.
const CANCELED: &str = "merge_canceled";

/// One attempt of a repo.
struct Attempt<'a> {
    shared: &'a Arc<Shared>,
    repo: Repo,
    running: &'a HashMap<MergeId, CancellationToken>,
    /// All of it.
    cancel: &'a CancellationToken,
}

/// Entries on top of their branch.
struct Pile {
    base: Oid,
    tip: Oid,
    on_it: Vec<Ready>,
}

pub(super) async fn run(
    shared: &Arc<Shared>,
    repo: RepoId,
    batch: Vec<MergeRow>,
    running: &HashMap<MergeId, CancellationToken>,
    cancel: &CancellationToken,
) -> Result<(), Refusal> {
    let repo =
        shared.store.read_or_refuse(|view| view.repo(repo)?.ok_or_else(|| Refusal::not_found("repo", repo)));
    let repo = match repo {
        Ok(repo) => repo,
        Err(refusal) => {
            for row in batch {
                stands(shared, change(&row, MergeState::Failed, refusal.message.clone())).await?;
            }
            return Ok(());
        }
    };
    let attempt = Attempt { shared, repo, running, cancel };
    let ready = attempt.begin(batch).await?;
    attempt.land_all(ready).await
}

impl Attempt<'_> {
    /// Those that can be tried. What becomes of the others is said.
    async fn begin(&self, batch: Vec<MergeRow>) -> Result<Vec<Ready>, Refusal> {
        let repo = self.repo.clone();
        let look = move |shared: &Shared| {
            Ok(batch.into_iter().map(|row| gather(shared, &repo, row)).collect::<Vec<_>>())
        };
        let mut ready = Vec::new();
        for found in self.shared.blocking(look).await? {
            match found {
                Found::Ready(mut one) => {
                    one.row.attempt += 1;
                    let text = format!("tried for the {} time", ordinal(one.row.attempt));
                    // It may have been canceled while it was looked at.
                    if stands(self.shared, change(&one.row, MergeState::Running, text)).await? {
                        ready.push(one);
                    }
                }
                Found::Back(row, trouble) => {
                    let tried = MergeRow { attempt: row.attempt + 1, ..row.clone() };
                    self.returned(&tried, &row, trouble).await?;
                }
                Found::Later(row, why) => self.put_off(&row, why).await?,
                Found::Over(row, why) => {
                    stands(self.shared, change(&row, MergeState::Failed, why)).await?;
                }
            }
        }
        Ok(ready)
    }

    /// Says why it waits, once, and has it tried again later.
    async fn put_off(&self, row: &MergeRow, why: String) -> Result<(), Refusal> {
        self.shared.merges.put_off(row.entry.id);
        let said =
            row.change.as_ref().is_some_and(|said| said.text == why && said.state == MergeState::Queued);
        if said && row.state == MergeState::Queued {
            return Ok(());
        }
        // It was not tried, or not to its end, through nobody's fault.
        let attempt = row.attempt.saturating_sub(u32::from(row.state == MergeState::Running));
        stands(self.shared, MergeChange { attempt, ..change(row, MergeState::Queued, why) }).await.map(drop)
    }

    /// Gives it back to whoever made it. Where they have no room for it now it waits, as it `stands`, and keeps nobody else.
    async fn returned(&self, tried: &MergeRow, stands: &MergeRow, trouble: Trouble) -> Result<(), Refusal> {
        match hand_back(self.shared, tried, trouble).await {
            Err(refusal) if refusal.passes() => self.put_off(stands, refusal.message).await,
            given => given,
        }
    }

    async fn land_all(&self, ready: Vec<Ready>) -> Result<(), Refusal> {
        let mut groups = VecDeque::from([ready]);
        let mut moves = 0;
        while let Some(group) = groups.pop_front() {
            let group = self.without_canceled(group).await?;
            if group.is_empty() {
                continue;
            }
            if self.cancel.is_cancelled() {
                // The next start tries it again.
                return Ok(());
            }
            let pile = self.pile(group).await?;
            if pile.on_it.is_empty() {
                continue;
            }
            let checked = self.check(&pile).await?;
            if self.is_canceled(&pile.on_it) {
                // What was checked is not what is wanted any more: the others are tried again without it.
                groups.push_front(pile.on_it);
                continue;
            }
            let report = match checked {
                Checked::Good(report) => report,
                Checked::Stopped => {
                    groups.push_front(pile.on_it);
                    continue;
                }
                Checked::Bad(report) => {
                    self.bad(pile.on_it, report, &mut groups).await?;
                    continue;
                }
            };
            match self.land(&pile, report).await {
                Ok(()) => {}
                Err(refusal) if refusal.code == CANCELED => groups.push_front(pile.on_it),
                Err(refusal) if refusal.code == "branch_moved" && moves < MOVES_MAX => {
                    moves += 1;
                    groups.push_front(pile.on_it);
                }
                Err(refusal) if is_in_the_way(&refusal) => {
                    for one in &pile.on_it {
                        self.put_off(&one.running(), refusal.message.clone()).await?;
                    }
                }
                Err(refusal) => {
                    for one in &pile.on_it {
                        stands(self.shared, change(&one.row, MergeState::Failed, refusal.to_string()))
                            .await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// One alone goes back; of several it is not known whose fault it is.
    async fn bad(
        &self,
        mut failed: Vec<Ready>,
        report: TestReport,
        groups: &mut VecDeque<Vec<Ready>>,
    ) -> Result<(), Refusal> {
        if let [one] = &failed[..] {
            return self.returned(&one.row, &one.running(), Trouble::Failed(report)).await;
        }
        let behind = failed.split_off(failed.len() / 2);
        groups.push_front(behind);
        groups.push_front(failed);
        Ok(())
    }

    async fn without_canceled(&self, group: Vec<Ready>) -> Result<Vec<Ready>, Refusal> {
        let mut left = Vec::new();
        for one in group {
            if self.is_canceled(std::slice::from_ref(&one)) {
                stands(self.shared, change(&one.row, MergeState::Canceled, "canceled".to_owned())).await?;
            } else {
                left.push(one);
            }
        }
        Ok(left)
    }

    /// Whether somebody canceled one of them. The end of the whole attempt is something else.
    fn is_canceled(&self, some: &[Ready]) -> bool {
        let canceled =
            |one: &Ready| self.running.get(&one.row.entry.id).is_some_and(CancellationToken::is_cancelled);
        !self.cancel.is_cancelled() && some.iter().any(canceled)
    }

    /// Puts one on top of the other. What does not go together with what is below it goes back, and what cannot be put
    /// anywhere is over; the others go on without it.
    async fn pile(&self, group: Vec<Ready>) -> Result<Pile, Refusal> {
        let (repo, at) = (self.repo.clone(), self.shared.now());
        let work = move |shared: &Shared| {
            let main = checkpoint::open(shared, &repo.path)?;
            let author = main.identity(&shared.user_home())?;
            let into = group.first().map(|one| one.row.entry.into.clone()).unwrap_or_default();
            let base = main.branch_tip(&into)?.ok_or(GitError::NoBranch(into))?;
            let (mut tip, mut on_it, mut off) = (base.clone(), Vec::new(), Vec::new());
            for one in group {
                let message = message(&one.row);
                let landing = Landing {
                    commit: &one.head,
                    message: &message,
                    author: &author,
                    at,
                    forward_only: false,
                };
                let put = match one.row.entry.style {
                    MergeStyle::Merge => main.merged_onto(&tip, &landing),
                    MergeStyle::Rebase => main.rebased_onto(&tip, &landing),
                };
                match put {
                    Ok(top) => {
                        tip = top;
                        on_it.push(one);
                    }
                    Err(GitError::MergeConflict { paths, .. }) => off.push((one, Off::Conflict(paths))),
                    // However often it is tried, it is too much; and that is no reason for the others to wait.
                    Err(error @ (GitError::TooMany { .. } | GitError::OutputTooLarge { .. })) => {
                        off.push((one, Off::TooMuch(error)));
                    }
                    Err(error @ GitError::TimedOut { .. }) => off.push((one, Off::Later(error))),
                    Err(error) => return Err(error.into()),
                }
            }
            Ok((Pile { base, tip, on_it }, off))
        };
        let (pile, off) = self.shared.blocking(work).await?;
        for (one, why) in off {
            match why {
                Off::Conflict(paths) => {
                    self.returned(&one.row, &one.running(), Trouble::Conflict(paths)).await?;
                }
                Off::TooMuch(error) => {
                    let text = too_much(&one.row, &error);
                    stands(self.shared, change(&one.row, MergeState::Failed, text)).await?;
                }
                Off::Later(error) => {
                    self.put_off(&one.running(), error.to_string()).await?;
                }
            }
        }
        Ok(pile)
    }

    /// Runs the repo's checks on the very commit that is to land, in a worktree of ours that is made for it.
    async fn check(&self, pile: &Pile) -> Result<Checked, Refusal> {
        if pile.tip == pile.base || self.repo.test_command.is_none() {
            return Ok(Checked::Good(None));
        }
        let report = self.tried(pile).await?;
        Ok(match report {
            None => Checked::Stopped,
            Some(report) if report.exit_code == Some(0) => Checked::Good(Some(report)),
            Some(report) => Checked::Bad(report),
        })
    }

    /// What the setup and the checks say there. None when they were stopped: because the attempt was, or because one of those
    /// that are checked was canceled, so that nobody wants to know any more.
    async fn tried(&self, pile: &Pile) -> Result<Option<TestReport>, Refusal> {
        let (stop, place) = (self.cancel.child_token(), trial::place(self.shared, &self.repo.id.short()));
        let mut work = std::pin::pin!(trial::run(self.shared, &self.repo, &place, &pile.tip, &stop));
        let mut canceled: FuturesUnordered<_> = pile
            .on_it
            .iter()
            .filter_map(|one| self.running.get(&one.row.entry.id))
            .map(CancellationToken::cancelled)
            .collect();
        tokio::select! {
            report = &mut work => report,
            Some(()) = canceled.next() => {
                stop.cancel();
                work.await
            }
        }
    }

    /// Moves the branch to what was checked.
    async fn land(&self, pile: &Pile, report: Option<TestReport>) -> Result<(), Refusal> {
        let Some(first) = pile.on_it.first() else { return Ok(()) };
        let (into, tip, at) = (first.row.entry.into.clone(), pile.tip.clone(), self.shared.now());
        let (shared, repo) = (Arc::clone(self.shared), self.repo.clone());
        let message = message(&first.row);
        let kept: Vec<(MergeId, Oid)> =
            pile.on_it.iter().map(|one| (one.row.entry.id, one.head.clone())).collect();
        let own = first.row.entry.path.clone();
        let tokens: Vec<CancellationToken> =
            kept.iter().filter_map(|(id, _)| self.running.get(id).cloned()).collect();
        let job = move || {
            // It may have waited for its turn at the checkout.
            if tokens.iter().any(CancellationToken::is_cancelled) {
                return Err(Refusal::conflict(CANCELED, "one of them was canceled"));
            }
            let main = checkpoint::open(&shared, &repo.path)?;
            let author = main.identity(&shared.user_home())?;
            let landing =
                Landing { commit: &tip, message: &message, author: &author, at, forward_only: true };
            let (landed, _) = bring(&shared, &main, Path::new(&own), Some(&into), &landing)?;
            for (id, head) in kept {
                // It has landed in any case.
                if let Err(error) = main.update_ref(&format!("{REF_PREFIX}landed/{id}"), &head) {
                    tracing::warn!(%error, %id, "nothing marks what has landed");
                }
            }
            Ok(landed)
        };
        let landed: Touchdown = self.shared.writers.run(Path::new(&self.repo.path), job).await?;
        let mut events = Vec::new();
        for one in &pile.on_it {
            let text = match (&report, landed.changed.is_empty()) {
                (_, true) => format!("{} has its work already", one.row.entry.into),
                (None, _) => "landed; the repository has no checks".to_owned(),
                (Some(report), _) => format!("landed; checks: {} passed", report.passed),
            };
            let change = change(&one.row, MergeState::Landed, text);
            let head = Some(landed.head.to_string());
            events.push(Event::MergeChanged(MergeChange { head, report: report.clone(), ..change }));
            if let Some(worktree) = one.row.entry.worktree.filter(|_| !landed.changed.is_empty()) {
                events.push(Event::WorktreeMerged(WorktreeMerged {
                    worktree,
                    repo: self.repo.id,
                    into: one.row.entry.into.clone(),
                    head: landed.head.to_string(),
                    merged: landed.head != one.head,
                    files: landed.changed.len() as u64,
                    changed: Vec::new(),
                }));
            }
        }
        self.shared.conclude(Actor::System, move |_| Ok(events.clone())).await.map(drop)
    }
}

/// Why an entry is not on the pile.
enum Off {
    /// Files in which it and what is below it are in each other's way.
    Conflict(Vec<RepoPath>),
    TooMuch(GitError),
    /// It may go another time.
    Later(GitError),
}

/// What the checks came to.
enum Checked {
    /// With what they said, where there are any.
    Good(Option<TestReport>),
    Bad(TestReport),
    Stopped,
}

/// Of the user's or of somebody at work, and to be waited for.
pub(crate) fn is_in_the_way(refusal: &Refusal) -> bool {
    matches!(refusal.code.as_ref(), "lock_held" | "checkout_in_the_way" | "worktree_in_use" | "branch_moved")
        || refusal.passes()
}

/// Why it is never tried again, and what can be done.
fn too_much(row: &MergeRow, error: &GitError) -> String {
    let way = match row.entry.style {
        MergeStyle::Rebase => "add it again without --rebase, or with fewer commits",
        MergeStyle::Merge => "bring it to the branch in smaller parts",
    };
    format!("cannot be put on top of {}: {error}; {way}", row.entry.into)
}

fn message(row: &MergeRow) -> String {
    row.entry.message.clone().unwrap_or_else(|| format!("Merge {}", row.entry.name))
}

fn ordinal(number: u32) -> String {
    match number {
        1 => "first".to_owned(),
        2 => "second".to_owned(),
        3 => "third".to_owned(),
        number => format!("{number}th"),
    }
}
