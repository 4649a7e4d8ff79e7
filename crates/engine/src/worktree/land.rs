//! Landing: what a participant did in its worktree comes to the branch that the user has checked out.

use super::Found;
use super::inside::nobody_works;
use crate::engine::Shared;
use crate::{Call, Engine, LandedView, checkpoint};
use git::{Landing, REF_PREFIX};
use model::{AgentName, Checkpoint, Event, LockMode, Refusal, RepoPath, SessionId};
use std::path::Path;
use std::sync::Arc;

impl Engine {
    /// Lands the work of one participant, or of all that have a worktree, one after the other. The first that cannot be
    /// landed ends it; the refusal names those that were.
    pub async fn land(
        &self,
        call: &Call,
        session: SessionId,
        agent: Option<AgentName>,
    ) -> Result<Vec<LandedView>, Refusal> {
        call.only_user()?;
        let found = match agent {
            Some(agent) => vec![self.found_one(session, &agent).await?],
            None => self.found(Some(session)).await?,
        };
        if found.is_empty() {
            let message = format!("no agent of session {} has a worktree", session.short());
            return Err(Refusal::new(model::RefusalKind::NotFound, "worktree_not_found", message)
                .hint("agents with `isolation` set to `worktree` or `sandbox` get one at their first turn"));
        }
        let mut landed: Vec<LandedView> = Vec::new();
        for one in found {
            let agent = one.agent.clone();
            match self.land_one(call, one).await {
                Ok(view) => landed.push(view),
                Err(refusal) if landed.is_empty() => return Err(refusal),
                Err(refusal) => {
                    let before: Vec<&str> = landed.iter().map(|view| view.agent.as_str()).collect();
                    let message = format!("landed {}; then {agent}: {}", before.join(", "), refusal.message);
                    return Err(Refusal { message, ..refusal });
                }
            }
        }
        Ok(landed)
    }

    async fn land_one(&self, call: &Call, found: Found) -> Result<LandedView, Refusal> {
        let call = call.part(found.agent.as_str());
        if let Some(records) = self.shared.done_before(&call).await? {
            return self.landed_before(&records, &found.agent, &found.repo).await;
        }
        let id = self.shared.new_id();
        let at = self.shared.now();
        let shared = Arc::clone(&self.shared);
        let repo = found.repo.path.clone();
        let job = move || land(&shared, &found, id, at);
        let (view, checkpoint) = self.shared.writers.run(Path::new(&repo), job).await?;
        if let Some(checkpoint) = checkpoint {
            self.shared.conclude_for(&call, vec![Event::CheckpointCreated(checkpoint)]).await?;
        }
        Ok(view)
    }
}

/// On the writer's thread of the checkout: no agent edits it meanwhile.
fn land(
    shared: &Shared,
    found: &Found,
    id: model::CheckpointId,
    at: model::Timestamp,
) -> Result<(LandedView, Option<Checkpoint>), Refusal> {
    nobody_works(shared, &found.lent.path, &format!("of {}", found.agent))?;
    let main = checkpoint::open(shared, &found.repo.path)?;
    let worktree = main.lent(&found.lent)?.ok_or_else(|| Refusal::internal("the worktree is half made"))?;
    let held = worktree.holding()?;
    if !held.dirty.is_empty() || held.unnamable > 0 {
        let message = format!("{} has not committed: {}", found.agent, held.dirty_words());
        let hint = format!("prompt {} to finish its work; a turn that completes commits it", found.agent);
        return Err(Refusal::conflict("worktree_dirty", message).hint(hint));
    }
    let head = held.head.ok_or_else(|| Refusal::internal("a worktree without a commit"))?;
    let author = main.identity(&shared.user_home())?;
    let message = format!("Land {}'s work in {}", found.agent, found.session.title);
    let landing = Landing { commit: &head, message: &message, author: &author, at, forward_only: false };
    nobody_holds(shared, &found.repo.path, &main.would_change(&landing)?)?;
    let landed = main.land(&landing)?;
    shared.strays.account(Path::new(&found.repo.path), &landed.changed);
    shared.edited(Path::new(&found.repo.path), None, None);
    let git_ref = format!("{REF_PREFIX}landed/{}/{}", found.lent.session, found.agent);
    main.update_ref(&git_ref, &head)?;
    let view = LandedView {
        agent: found.agent.clone(),
        branch: main.branch()?,
        head: landed.head.to_string(),
        merged: landed.merged,
        changed: landed.changed.clone(),
    };
    let checkpoint = (!landed.changed.is_empty()).then(|| Checkpoint {
        id,
        session: found.session.id,
        plan: None,
        repo: found.repo.id,
        git_ref,
        commit: landed.head.to_string(),
        paths: landed.changed,
        co_authors: vec![found.agent.clone()],
        message,
        created_at: at,
        kind: model::CheckpointKind::Work,
        name: None,
        point: None,
    });
    Ok((view, checkpoint))
}

/// An agent in the shared checkout keeps what it has locked.
pub(super) fn nobody_holds(shared: &Shared, worktree: &str, paths: &[RepoPath]) -> Result<(), Refusal> {
    let locks = shared.bus.locks(Some(worktree)).map_err(|error| error.refusal())?;
    for lock in locks.iter().filter(|lock| lock.mode != LockMode::Advisory) {
        let Ok(pattern) = bus::Pattern::parse(&lock.path) else { continue };
        if let Some(path) = paths.iter().find(|path| pattern.matches(path.as_str())) {
            let message = format!("{} holds {path} in the checkout", lock.agent);
            return Err(Refusal::conflict("lock_held", message).hint("land again when its turn is over"));
        }
    }
    Ok(())
}
