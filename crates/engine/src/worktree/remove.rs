//! Taking worktrees away: with proof that nothing is lost, or by an order that keeps everything under a ref first.

use super::{Found, Held, in_use, worker};
use crate::engine::Shared;
use crate::{Call, Engine, RemovedView, checkpoint};
use git::{REF_PREFIX, Repository, Snapshot};
use model::{AgentName, Checkpoint, CheckpointId, Event, Refusal, SessionId, Timestamp};
use std::path::Path;
use std::sync::Arc;

impl Engine {
    /// Takes a worktree away. One with work that is nowhere else is refused, unless `discard` says so: then everything
    /// in it is kept as a checkpoint first. Ignored files go with it.
    pub async fn remove_worktree(
        &self,
        call: &Call,
        session: SessionId,
        agent: &AgentName,
        discard: bool,
    ) -> Result<RemovedView, Refusal> {
        call.only_user()?;
        let found = self.found_one(session, agent).await?;
        self.remove_one(call, found, discard).await
    }

    /// Takes away every worktree whose work is elsewhere; of the others it says why they stay.
    pub async fn prune_worktrees(&self, call: &Call) -> Result<Vec<RemovedView>, Refusal> {
        call.only_user()?;
        let mut views = Vec::new();
        for found in self.found(None).await? {
            let (lent, agent) = (found.lent.clone(), found.agent.clone());
            views.push(match self.remove_one(call, found, false).await {
                Ok(view) => view,
                Err(refusal) => RemovedView {
                    session_short: lent.session,
                    agent,
                    path: lent.path.display().to_string(),
                    kept_as: None,
                    kept_because: Some(refusal.message),
                },
            });
        }
        Ok(views)
    }

    async fn remove_one(&self, call: &Call, found: Found, discard: bool) -> Result<RemovedView, Refusal> {
        let (id, at) = (self.shared.new_id(), self.shared.now());
        let shared = Arc::clone(&self.shared);
        let repo = found.repo.path.clone();
        let kept = {
            let found = found.clone();
            let job = move || prove(&shared, &found, discard, id, at);
            self.shared.writers.run(Path::new(&repo), job).await?
        };
        // The order is in the journal before anything is gone.
        let kept_as = kept.as_ref().map(|kept| kept.git_ref.clone());
        if let Some(checkpoint) = kept {
            let event = Event::CheckpointCreated(checkpoint);
            self.shared.commit(call.actor(), None, move |_| Ok(vec![event])).await?;
        }
        let view = RemovedView {
            session_short: found.lent.session.clone(),
            agent: found.agent.clone(),
            path: found.lent.path.display().to_string(),
            kept_as: kept_as.clone(),
            kept_because: None,
        };
        let shared = Arc::clone(&self.shared);
        let job = move || take_away(&shared, &found, kept_as.as_deref());
        self.shared.writers.run(Path::new(&repo), job).await?;
        Ok(view)
    }
}

/// The checkpoint that keeps what would be lost; none when nothing would be.
fn prove(
    shared: &Shared,
    found: &Found,
    discard: bool,
    id: CheckpointId,
    at: Timestamp,
) -> Result<Option<Checkpoint>, Refusal> {
    if let Some(agent) = worker(shared, found) {
        return Err(in_use(found, &agent));
    }
    let main = checkpoint::open(shared, &found.repo.path)?;
    let Some(worktree) = main.lent(&found.lent)? else { return Ok(None) };
    let held = Held::of(&main, &worktree)?;
    let Some(reason) = held.reason() else { return Ok(None) };
    if !discard {
        let hint = format!(
            "land it with `coditect session land {}`, or give --discard: then everything is kept as a checkpoint",
            found.lent.session
        );
        return Err(Refusal::conflict("worktree_holds_work", reason).hint(hint));
    }
    let message = format!("Keep what {} left in its worktree", found.agent);
    let commit = everything(shared, &worktree, &held, &message, at)?;
    let git_ref = format!("{REF_PREFIX}kept/{}/{}/{id}", found.lent.session, found.agent);
    main.update_ref(&git_ref, &commit)?;
    Ok(Some(Checkpoint {
        id,
        session: found.session.id,
        plan: None,
        repo: found.repo.id,
        git_ref,
        commit: commit.to_string(),
        paths: held.dirty,
        co_authors: vec![found.agent.clone()],
        message,
        created_at: at,
    }))
}

/// A commit of all that is in the worktree, on top of where it stands.
fn everything(
    shared: &Shared,
    worktree: &Repository,
    held: &Held,
    message: &str,
    at: Timestamp,
) -> Result<git::Oid, Refusal> {
    let cannot = |why: String| {
        let refusal = Refusal::conflict("worktree_not_kept", format!("not everything could be kept: {why}"));
        refusal.hint("move these files out of the worktree yourself; nothing was taken away")
    };
    if held.unnamable > 0 {
        return Err(cannot(format!("{} files have names that cannot be told", held.unnamable)));
    }
    let author = worktree.identity(&shared.user_home())?;
    let taken = worktree.snapshot(&Snapshot {
        parent: Some(&held.head),
        paths: &held.dirty,
        message,
        author: &author,
        co_authors: &[],
        at,
    })?;
    if let Some(path) = taken.ignored.iter().chain(&taken.filtered).next() {
        return Err(cannot(format!("{path} is ignored or has a content filter")));
    }
    Ok(taken.commit.unwrap_or_else(|| held.head.clone()))
}

fn take_away(shared: &Shared, found: &Found, kept_as: Option<&str>) -> Result<(), Refusal> {
    // Somebody may have come in between.
    if let Some(agent) = worker(shared, found) {
        return Err(in_use(found, &agent));
    }
    let main = checkpoint::open(shared, &found.repo.path)?;
    let head = main.lent(&found.lent)?.map(|worktree| worktree.head()).transpose()?.flatten();
    if let Some(worktree) = main.lent(&found.lent)? {
        let held = Held::of(&main, &worktree)?;
        if kept_as.is_none() && held.reason().is_some() {
            return Err(Refusal::conflict("worktree_holds_work", "somebody has worked in it just now"));
        }
    }
    // The branch stays where it stood when its commits are only in it; a checkpoint's ref has them, too.
    main.take_away(&found.lent, head.as_ref())?;
    if let Some(session) = found.lent.path.parent() {
        // Only when it is empty.
        let _ = std::fs::remove_dir(session);
    }
    Ok(())
}
