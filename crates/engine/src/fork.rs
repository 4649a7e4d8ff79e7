//! Forks: a session that knows what another one knows, and goes its own way from there.
//!
//! Invariant: the session that was forked is not touched, neither ours nor the vendors'.

use crate::engine::Shared;
use crate::session::TITLE_MAX;
use crate::{Call, Engine, SessionView};
use model::{AgentName, Participant, Refusal, Session, SessionId};
use store::{StoreError, View};

/// What a fork's title ends with.
const MARK: &str = " (fork)";

impl Engine {
    /// Opens a session with the same agents in the same place. What an agent knows of the conversation goes with it: a vendor's own
    /// session is forked with its first turn here, our own loop is shown the last messages.
    pub async fn fork_session(&self, call: &Call, source: SessionId) -> Result<SessionView, Refusal> {
        call.only_user()?;
        let forked = self.session(source)?;
        let names: Vec<AgentName> =
            forked.participants.iter().map(|seat| seat.participant.agent.clone()).collect();
        let agents = self.configured(&names)?;
        let shared: &Shared = &self.shared;
        let session = Session {
            id: shared.new_id(),
            workspace: forked.session.workspace,
            title: title(&forked.session.title),
            repo: forked.session.repo,
            board: forked.session.board,
            parent: None,
            forked_from: Some(source),
            fork_point: shared.store.read(|view| Ok(view.tasks(source)?.last().map(|row| row.task.id)))?,
            origin: None,
            created_at: shared.now(),
        };
        self.open_session(call, session, agents).await
    }
}

fn title(of: &str) -> String {
    let room = TITLE_MAX - MARK.chars().count();
    let kept: String = of.strip_suffix(MARK).unwrap_or(of).chars().take(room).collect();
    kept + MARK
}

/// The vendor's session whose knowledge the participant begins with: that of the same agent in the session this one was forked
/// from.
pub(crate) fn inherited(
    view: &View<'_>,
    session: &Session,
    participant: &Participant,
) -> Result<Option<String>, StoreError> {
    let Some(source) = session.forked_from else { return Ok(None) };
    let seats = view.participants(source)?;
    let same = |seat: &Participant| seat.agent == participant.agent && seat.driver == participant.driver;
    Ok(seats.into_iter().find(|row| same(&row.participant)).and_then(|row| row.vendor_session))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_is_known_by_its_title_and_so_is_the_fork_of_one() {
        assert_eq!(title("Dark mode"), "Dark mode (fork)");
        assert_eq!(title("Dark mode (fork)"), "Dark mode (fork)");
        assert_eq!(title(&"ä".repeat(TITLE_MAX)).chars().count(), TITLE_MAX);
    }
}
