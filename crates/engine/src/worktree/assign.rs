//! Which sessions work in a named worktree. Any number may share one; their locks are its paths'.

use super::{Claim, checkout};
use crate::engine::Shared;
use crate::{Call, Engine, WorktreeView};
use model::{Event, Refusal, Repo, SessionId, SessionState, WorktreeAssignment, WorktreeId};
use std::path::Path;
use std::sync::Arc;
use store::View;

impl Engine {
    /// The session's turns are done in this worktree from now on. Tasks of a plan are done in the repo's checkout still.
    pub async fn assign_worktree(
        &self,
        call: &Call,
        session: SessionId,
        worktree: WorktreeId,
    ) -> Result<WorktreeView, Refusal> {
        call.only_user()?;
        self.worktree_row(worktree)?;
        self.assign(call, session, Some(worktree)).await?;
        self.worktree(worktree).await
    }

    /// The session's turns are done in its repo's checkout again.
    pub async fn unassign_worktree(&self, call: &Call, session: SessionId) -> Result<(), Refusal> {
        call.only_user()?;
        self.assign(call, session, None).await
    }

    async fn assign(
        &self,
        call: &Call,
        session: SessionId,
        worktree: Option<WorktreeId>,
    ) -> Result<(), Refusal> {
        let command = move |view: &View<'_>| {
            let row = view.session(session)?.ok_or_else(|| Refusal::not_found("session", session))?;
            if view.worktree_of(session)? == worktree {
                return Ok(Vec::new());
            }
            if row.state == SessionState::Running {
                return Err(Refusal::conflict("session_running", "the session still has open tasks")
                    .hint("wait for them, or cancel them: `coditect task cancel ID`"));
            }
            if let Some(id) = worktree {
                let one = view.worktree(id)?.ok_or_else(|| Refusal::not_found("worktree", id))?;
                if one.trashed.is_some() {
                    return Err(Refusal::conflict("worktree_trashed", "it is in the trash")
                        .hint(format!("`coditect worktree restore {}` brings it back", id.short())));
                }
                if row.session.repo != Some(one.worktree.repo) || one.worktree.lent.is_some() {
                    return Err(Refusal::invalid(
                        "not_a_worktree_of_it",
                        "it is no worktree of the session's repo",
                    )
                    .hint("open a session in the worktree's repo: `coditect session new --repo REPO`"));
                }
            }
            Ok(vec![Event::WorktreeAssigned(WorktreeAssignment { session, worktree })])
        };
        self.shared.commit(call.actor(), call.key.clone(), command).await.map(drop)
    }
}

/// The repo as a session sees it that works in a named worktree; it stays there while the claim lives. None for a session
/// that works in the repo's own checkout.
pub(crate) async fn shared_place(
    shared: &Arc<Shared>,
    session: SessionId,
    who: &str,
    repo: &Repo,
) -> Result<Option<(Repo, Claim)>, Refusal> {
    let assigned = shared.store.read(|view| match view.worktree_of(session)? {
        Some(id) => Ok(Some((id, view.worktree(id)?))),
        None => Ok(None),
    })?;
    let Some((id, row)) = assigned else { return Ok(None) };
    let Some(row) = row.filter(|row| row.trashed.is_none()) else {
        let message = "the worktree that the session works in is in the trash, or gone";
        return Err(Refusal::conflict("worktree_trashed", message).hint(format!(
            "`coditect worktree restore {}` brings it back; `coditect worktree leave {}` lets the session work in the checkout",
            id.short(),
            session.short()
        )));
    };
    // Taken before it is looked at: whoever puts it away looks for claims.
    let claim = shared.claims.take(Path::new(&row.worktree.path), who);
    let (repo_, path) = (repo.clone(), row.worktree.path.clone());
    shared.blocking(move |shared| checkout(shared, &repo_, Path::new(&path)).map(drop)).await?;
    Ok(Some((Repo { path: row.worktree.path, ..repo.clone() }, claim)))
}

/// Where the session's turns are done, when that is a named worktree.
pub(crate) fn assigned_folder(shared: &Shared, session: SessionId) -> Option<String> {
    let row = shared.store.read(|view| match view.worktree_of(session)? {
        Some(id) => view.worktree(id),
        None => Ok(None),
    });
    row.ok().flatten().map(|row| row.worktree.path)
}
