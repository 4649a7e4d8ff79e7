//! The end of checkpoints: by an order, or because their session has long been over.
//!
//! Invariant: what somebody asked for goes by an order alone. Of what nobody asked for, the newest of each session and
//! worktree stays, and another one goes only when its files can still be reached: from one that stays, or in a bundle.

use super::{bundle, open};
use crate::engine::Shared;
use crate::{Call, Engine};
use git::Oid;
use model::{
    Actor, Checkpoint, CheckpointId, CheckpointKind, CheckpointRemoval, Event, Refusal, Repo, SessionId,
    SessionState,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::{BundleRow, CheckpointRow};

pub(super) const ASKED: &str = "asked";
pub(super) const EXPIRED: &str = "expired";

impl Engine {
    /// Takes a checkpoint away. The files of its worktree stay as they are.
    pub async fn remove_checkpoint(&self, call: &Call, id: CheckpointId) -> Result<Checkpoint, Refusal> {
        call.only_user()?;
        let checkpoint = self.checkpoint(&call.caller, id)?;
        if checkpoint.kind == CheckpointKind::Work {
            let message = format!("{} is the commit of work that was done, and goes with it", id.short());
            return Err(Refusal::conflict("checkpoint_is_work", message)
                .hint("named and automatic checkpoints can be removed; `coditect checkpoint list` says which is which"));
        }
        if self
            .shared
            .store
            .read(|view| view.open_restores())?
            .iter()
            .any(|one| [one.before, one.checkpoint].contains(&id))
        {
            let message = "files are being brought back to it, or from it";
            return Err(Refusal::conflict("checkpoint_in_use", message).hint("try again when that is over"));
        }
        let session = checkpoint.session;
        let removal = CheckpointRemoval { checkpoint: id, session, reason: ASKED.to_owned() };
        let event = Event::CheckpointRemoved(removal);
        self.shared.commit(call.actor(), call.key.clone(), move |_| Ok(vec![event])).await?;
        if let Ok(repo) = self.repo(checkpoint.repo) {
            let gone = vec![checkpoint.clone()];
            self.shared
                .blocking(move |shared| {
                    drop_refs(shared, &repo, &gone);
                    Ok(())
                })
                .await?;
        }
        Ok(checkpoint)
    }
}

/// A ref that stays keeps a commit that nobody lists, and nothing else.
fn drop_refs(shared: &Shared, repo: &Repo, gone: &[Checkpoint]) {
    let repository = match open(shared, &repo.path) {
        Ok(repository) => repository,
        Err(refusal) => return tracing::warn!(%refusal, "refs of removed checkpoints stay"),
    };
    for one in gone {
        let dropped = one.commit.parse::<Oid>().map(|at| repository.drop_ref(&one.git_ref, &at));
        if !matches!(dropped, Ok(Ok(()))) {
            tracing::warn!(git_ref = one.git_ref, "the ref of a removed checkpoint stays");
        }
    }
}

/// Removes what nobody asked for, of sessions that have been over for as long as the configuration says.
pub(crate) async fn thin_out(shared: &Arc<Shared>, repo: &Repo) -> Result<usize, Refusal> {
    let Some(keeps) = shared.config.snapshot().config.repos.checkpoint_millis() else { return Ok(0) };
    let (rows, bundles) =
        shared.store.read(|view| Ok((view.checkpoints_of_repo(repo.id)?, view.bundles(repo.id)?)))?;
    let over = over_for(shared, &rows, keeps)?;
    let dir = bundle::folder(shared, repo);
    let bundled = |row: &CheckpointRow| {
        let holds = |one: &&BundleRow| Some(one.seq) == row.bundle && bundle::is_there(&dir, &one.bundle);
        bundles.iter().any(|one| holds(&one))
    };
    let gone = superfluous(&rows, &over, bundled);
    if gone.is_empty() {
        return Ok(0);
    }
    let events: Vec<Event> = gone
        .iter()
        .map(|one| CheckpointRemoval { checkpoint: one.id, session: one.session, reason: EXPIRED.to_owned() })
        .map(Event::CheckpointRemoved)
        .collect();
    shared.conclude(Actor::System, move |_| Ok(events.clone())).await?;
    let (count, repo) = (gone.len(), repo.clone());
    shared
        .blocking(move |shared| {
            drop_refs(shared, &repo, &gone);
            Ok(())
        })
        .await?;
    Ok(count)
}

fn over_for(shared: &Shared, rows: &[CheckpointRow], keeps: i64) -> Result<BTreeSet<SessionId>, Refusal> {
    let now = shared.now().as_millis();
    let sessions: BTreeSet<SessionId> = rows.iter().map(|row| row.checkpoint.session).collect();
    let mut over = BTreeSet::new();
    for session in sessions {
        let row = shared.store.read(|view| view.session_ever(session))?;
        let quiet = |row: &store::SessionRow| {
            row.state != SessionState::Running && now.saturating_sub(row.updated_at.as_millis()) >= keeps
        };
        if row.is_none_or(|row| quiet(&row)) {
            over.insert(session);
        }
    }
    Ok(over)
}

/// Of the automatic ones of these sessions, all but the newest of each session and worktree, as far as their files are kept.
fn superfluous(
    rows: &[CheckpointRow],
    over: &BTreeSet<SessionId>,
    bundled: impl Fn(&CheckpointRow) -> bool,
) -> Vec<Checkpoint> {
    let mut newest: BTreeMap<(SessionId, &str), CheckpointId> = BTreeMap::new();
    for row in rows {
        if let Some(point) = &row.checkpoint.point {
            newest.insert((row.checkpoint.session, &point.worktree), row.checkpoint.id);
        }
    }
    let newest: BTreeSet<CheckpointId> = newest.into_values().collect();
    let may_go = |row: &&CheckpointRow| {
        row.checkpoint.kind.is_automatic()
            && over.contains(&row.checkpoint.session)
            && !newest.contains(&row.checkpoint.id)
    };
    let parents: BTreeMap<&str, Option<&str>> = rows
        .iter()
        .filter_map(|row| {
            let point = row.checkpoint.point.as_ref()?;
            Some((row.checkpoint.commit.as_str(), point.parent.as_deref()))
        })
        .collect();
    let mut reached: BTreeSet<&str> = BTreeSet::new();
    for row in rows.iter().filter(|row| !may_go(row)) {
        let mut at = Some(row.checkpoint.commit.as_str());
        while let Some(commit) = at {
            if !reached.insert(commit) {
                break;
            }
            at = parents.get(commit).copied().flatten();
        }
    }
    let kept = |row: &&CheckpointRow| reached.contains(row.checkpoint.commit.as_str()) || bundled(row);
    rows.iter().filter(may_go).filter(kept).map(|row| row.checkpoint.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Id, Point};
    use testkit::{ManualClock, SeededEntropy};

    fn rows(kinds: &[(CheckpointKind, &str, Option<&str>)]) -> Vec<CheckpointRow> {
        let (clock, dice) = (ManualClock::default(), SeededEntropy::default());
        let (session, repo) = (Id::new(&clock, &dice), Id::new(&clock, &dice));
        let row = |(kind, commit, parent): &(CheckpointKind, &str, Option<&str>)| CheckpointRow {
            checkpoint: Checkpoint {
                id: Id::new(&clock, &dice),
                session,
                plan: None,
                repo,
                git_ref: String::new(),
                commit: (*commit).to_owned(),
                paths: Vec::new(),
                co_authors: Vec::new(),
                message: String::new(),
                created_at: model::Clock::now(&clock),
                kind: *kind,
                name: None,
                point: Some(Point {
                    worktree: "/w".to_owned(),
                    tree: String::new(),
                    base: None,
                    parent: parent.map(str::to_owned),
                    depth: 0,
                    turn: None,
                    message: None,
                    at: model::Cursor::START,
                    changed: 0,
                    left_out: 0,
                }),
            },
            removed: None,
            bundle: None,
        };
        kinds.iter().map(row).collect()
    }

    #[test]
    fn what_goes_can_still_be_reached_and_what_somebody_asked_for_stays() {
        use CheckpointKind::{AfterTurn, BeforeTurn, Named};
        let rows = rows(&[
            // A line of its own, which nothing that stays stands on.
            (BeforeTurn, "x", None),
            (BeforeTurn, "a", None),
            (Named, "b", Some("a")),
            (AfterTurn, "c", Some("b")),
            (AfterTurn, "d", Some("c")),
        ]);
        let over: BTreeSet<SessionId> = [rows[0].checkpoint.session].into();
        let gone = |over: &BTreeSet<SessionId>, bundled: bool| {
            let gone = superfluous(&rows, over, |_| bundled);
            gone.into_iter().map(|one| one.commit).collect::<Vec<_>>()
        };
        assert_eq!(gone(&over, false), ["a", "c"]);
        assert_eq!(gone(&over, true), ["x", "a", "c"]);
        assert!(gone(&BTreeSet::new(), true).is_empty());
    }
}
