//! What is answered to an order that comes again under its key: what was done then, from the journal.
//!
//! Worktrees are made, moved and merged outside the journal. Whoever did that twice would be refused what was done, or do
//! more than was asked; so each of these use cases looks under its key before it looks at anything else.

use crate::{Call, Engine, LandedView, MergedView, RemovedView, checkpoint};
use journal::Record;
use model::{AgentName, Checkpoint, Event, Refusal, Repo, TrashedWorktree, WorktreeId};

/// Of the records of a key, what the use case says it wrote.
fn found<T>(records: &[Record], pick: impl Fn(&Event) -> Option<T>) -> Result<T, Refusal> {
    let mut found = records.iter().filter_map(|record| pick(&record.event));
    found.next().ok_or_else(|| Refusal::internal("the key was used for something else"))
}

pub(super) fn made(records: &[Record]) -> Result<WorktreeId, Refusal> {
    found(records, |event| match event {
        Event::WorktreeCreated(worktree) => Some(worktree.id),
        _ => None,
    })
}

pub(super) fn restored(records: &[Record]) -> Result<WorktreeId, Refusal> {
    found(records, |event| match event {
        Event::WorktreeRestored(back) => Some(back.worktree),
        _ => None,
    })
}

pub(super) fn merged(records: &[Record]) -> Result<MergedView, Refusal> {
    found(records, |event| match event {
        Event::WorktreeMerged(merged) => Some(MergedView {
            worktree: merged.worktree,
            repo: merged.repo,
            into: (merged.into != super::merge::DETACHED).then(|| merged.into.clone()),
            head: merged.head.clone(),
            merged: merged.merged,
            changed: merged.changed.clone(),
        }),
        _ => None,
    })
}

impl Engine {
    /// Where the worktree went when it was put into the trash under the key.
    pub(super) fn trashed_before(&self, records: &[Record]) -> Result<RemovedView, Refusal> {
        let trashed = found(records, |event| match event {
            Event::WorktreeTrashed(trashed) => Some(trashed.clone()),
            _ => None,
        })?;
        let id = trashed.worktree.id;
        let row = self.shared.store.read(|view| view.worktree(id))?;
        if row.is_some_and(|row| row.trashed.is_none()) {
            let message = "under this key it was to go into the trash, and it is where it was";
            return Err(Refusal::conflict("worktree_restored", message)
                .hint("ask again under another key, if it is to go now"));
        }
        self.removed_view(&trashed)
    }

    /// As a removal tells it.
    pub(super) fn removed_view(&self, trashed: &TrashedWorktree) -> Result<RemovedView, Refusal> {
        let worktree = &trashed.worktree;
        let repo = self.shared.store.read(|view| view.repo(worktree.repo))?;
        let slug = repo.map_or_else(|| worktree.repo.to_string(), |repo| repo.slug);
        let name = match worktree.lent {
            Some(_) => worktree.name.clone(),
            None => format!("{slug}/{}", worktree.name),
        };
        Ok(RemovedView {
            id: Some(worktree.id),
            name,
            path: worktree.path.clone(),
            kept_as: trashed.kept_as.clone(),
            expires_at: trashed.expires_at,
            kept_because: None,
        })
    }

    /// What was deleted for good under the key of the call, when anything was. Asked before a name is looked up, for it is
    /// nobody's any more.
    pub async fn purged_before(&self, call: &Call) -> Result<Option<RemovedView>, Refusal> {
        call.only_user()?;
        let Some(records) = self.shared.done_before(call).await? else { return Ok(None) };
        let view = found(&records, |event| match event {
            Event::WorktreePurged(purged) => Some(RemovedView {
                id: Some(purged.worktree),
                name: purged.name.clone().unwrap_or_default(),
                path: purged.path.clone().unwrap_or_default(),
                kept_as: purged.kept_as.clone(),
                expires_at: None,
                kept_because: None,
            }),
            _ => None,
        });
        view.map(Some)
    }

    /// What was landed of an agent under the key.
    pub(super) async fn landed_before(
        &self,
        records: &[Record],
        agent: &AgentName,
        repo: &Repo,
    ) -> Result<LandedView, Refusal> {
        let landed: Checkpoint = found(records, |event| match event {
            Event::CheckpointCreated(checkpoint) => Some(checkpoint.clone()),
            _ => None,
        })?;
        let path = repo.path.clone();
        let agent = agent.clone();
        self.shared
            .blocking(move |shared| {
                let main = checkpoint::open(shared, &path)?;
                let head = landed.commit.parse().map_err(Refusal::internal)?;
                let facts = main.facts(&[head])?;
                // A merge commit of ours has our words; one that was the agent's own has its.
                let ours = |facts: &git::Facts| facts.message.trim_end() == landed.message.trim_end();
                let merged = facts.first().is_some_and(|facts| facts.parents.len() > 1 && ours(facts));
                let (branch, head, changed) = (main.branch()?, landed.commit, landed.paths);
                Ok(LandedView { agent, branch, head, merged, changed })
            })
            .await
    }
}
