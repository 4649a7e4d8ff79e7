//! What a running agent may do with the queue: add what it works in, and see what waits in its session's repo.

use super::{MergeSource, NewMerge};
use crate::{Call, Caller, Engine, worktree};
use model::{MergeId, Refusal, RefusalKind};
use store::MergeRow;

impl Engine {
    /// One entry, when it is the caller's business: an agent sees those of its session's repo.
    pub fn merge_for(&self, caller: &Caller, id: MergeId) -> Result<MergeRow, Refusal> {
        let row = self.merge(id)?;
        self.repo_for(caller, Some(row.entry.repo))?;
        Ok(row)
    }

    /// Whose work is meant, when the caller may land it.
    pub(super) fn allowed(&self, call: &Call, new: &NewMerge) -> Result<MergeSource, Refusal> {
        let (session, agent) = match &call.caller {
            Caller::User => return Ok(new.source.clone()),
            Caller::Run { session, agent, .. } => (*session, agent),
            Caller::Terminal { .. } => {
                call.only_user()?;
                return Err(unclear());
            }
        };
        if new.priority != 0 || new.hold {
            let message = "the order of the queue is the user's";
            return Err(Refusal::new(RefusalKind::Forbidden, "not_for_agents", message)
                .hint("leave `priority` and `hold` out"));
        }
        let own = match worktree::folder(&self.shared, session, agent).is_dir() {
            true => Some(MergeSource::Lent(session, agent.clone())),
            false => self.shared.store.read(|view| view.worktree_of(session))?.map(MergeSource::Worktree),
        };
        let Some(own) = own else {
            let message = "you work in the repository's own checkout: what is committed there has landed";
            return Err(Refusal::conflict("no_worktree", message)
                .hint("the queue is for those who work in a worktree"));
        };
        match &new.source {
            source if matches!(source, MergeSource::Own) || *source == own => Ok(own),
            _ => Err(Refusal::new(
                RefusalKind::Forbidden,
                "not_your_worktree",
                "an agent lands what it works in, and nothing else",
            )
            .hint("leave `worktree`, `session` and `agent` out; for other work ask the user, or whoever made it")),
        }
    }
}

pub(super) fn unclear() -> Refusal {
    Refusal::invalid("merge_unclear", "the queue takes a named worktree, or an agent's own in a session")
        .hint("give `worktree`, or `session` and `agent`")
}
