//! Removing a session: it is seen nowhere any more.
//!
//! Invariant: removing takes nothing out of the journal, and nothing from what came out of the session: its forks know what they knew.
//! What is on the disk for it is taken away first, with its own proof.

use super::change::idle;
use super::visible;
use crate::engine::Shared;
use crate::{Call, Engine};
use model::{Event, Refusal, SessionId, SessionRemoved, WorktreeAssignment};
use store::View;

/// Relatives that are named when they stand in the way.
const NAMED_MAX: usize = 5;
/// Relatives that are counted.
const COUNTED_MAX: usize = 1000;

/// What was removed, and what goes on without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedSession {
    pub session: SessionId,
    /// Sessions that were forked from it or spawned by it.
    pub relatives: Vec<SessionId>,
}

impl Engine {
    /// Removes a session that does nothing and to which no worktree is lent. When others came out of it, only with `anyway`.
    pub async fn remove_session(
        &self,
        call: &Call,
        session: SessionId,
        anyway: bool,
    ) -> Result<RemovedSession, Refusal> {
        call.only_user()?;
        let lent = self.shared.blocking(move |shared| Ok(lent(shared, session))).await?;
        let command = move |view: &View<'_>| {
            let row = visible(view, session)?;
            idle(&row)?;
            if lent > 0 {
                let message = format!("{lent} worktrees are lent to the session");
                return Err(Refusal::conflict("session_has_worktrees", message).hint(
                    "see them with `coditect worktree list` and take them away with `coditect worktree rm`",
                ));
            }
            let relatives = view.descendants(session, 1, COUNTED_MAX)?;
            if !anyway && !relatives.is_empty() {
                let (named, more) = relatives.split_at(relatives.len().min(NAMED_MAX));
                let named = named.iter().map(|kin| format!("{} “{}”", kin.session.short(), kin.title));
                let named = model::named(named, more.len());
                let message = format!("these came out of the session: {named}");
                return Err(Refusal::conflict("session_has_relatives", message).hint(
                    "they stay as they are when you remove it anyway: `coditect session rm ID --anyway`; or archive it",
                ));
            }
            // Nobody works any more in the worktree it was given, which others may put away then.
            let given = view.worktree_of(session)?.is_some();
            let leaves = WorktreeAssignment { session, worktree: None };
            let mut events: Vec<Event> =
                given.then_some(Event::WorktreeAssigned(leaves)).into_iter().collect();
            events.push(Event::SessionRemoved(SessionRemoved { session }));
            Ok(events)
        };
        let relatives = self.shared.store.read(|view| view.descendants(session, 1, COUNTED_MAX))?;
        self.shared.commit(call.actor(), call.key.clone(), command).await?;
        tracing::info!(correlation = call.correlation, %session, "a session was removed");
        self.shared.clients.clear(session);
        Ok(RemovedSession { session, relatives: relatives.into_iter().map(|kin| kin.session).collect() })
    }
}

/// How many worktrees are lent to the session.
fn lent(shared: &Shared, session: SessionId) -> usize {
    let folder = shared.workspace.worktrees().join(session.short());
    std::fs::read_dir(folder).into_iter().flatten().flatten().count()
}
