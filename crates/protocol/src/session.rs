//! Sessions on the wire.

use crate::LiveTurn;
use crate::limits::TITLE_MAX;
use crate::message::prompt_targets;
use crate::operation::{
    Access::{Run, User},
    Method::{Delete, Get, Patch, Post},
    Operation,
};
use crate::{Participant, Usage, words};
use model::{AgentName, BoardId, Refusal, RepoId, SessionId, SessionState, TaskId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A conversation with one or more agents; a node of the genealogy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    #[schema(value_type = String)]
    pub id: SessionId,
    /// Ten characters for people; any unambiguous prefix of at least four is accepted wherever an id is.
    pub short_id: String,
    pub workspace: String,
    pub title: String,
    /// Derived from the session's tasks.
    #[schema(value_type = words::SessionState)]
    pub state: SessionState,
    pub archived: bool,
    #[schema(value_type = Option<String>)]
    pub repo: Option<RepoId>,
    #[schema(value_type = Option<String>)]
    pub board: Option<BoardId>,
    /// The session that spawned this one (fresh context).
    #[schema(value_type = Option<String>)]
    pub parent: Option<SessionId>,
    /// The session this one was forked from (copied history).
    #[schema(value_type = Option<String>)]
    pub forked_from: Option<SessionId>,
    /// The task up to which history was copied.
    #[schema(value_type = Option<String>)]
    pub fork_point: Option<TaskId>,
    pub participants: Vec<Participant>,
    pub usage: Usage,
    /// Tasks that wait for an answer.
    pub needs_input: u32,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl From<model::Session> for Session {
    /// A session as it is right after its creation: idle, empty and unused.
    fn from(session: model::Session) -> Self {
        Self {
            short_id: session.id.short(),
            id: session.id,
            workspace: session.workspace,
            title: session.title,
            state: SessionState::Idle,
            archived: false,
            repo: session.repo,
            board: session.board,
            parent: session.parent,
            forked_from: session.forked_from,
            fork_point: session.fork_point,
            participants: Vec::new(),
            usage: Usage::default(),
            needs_input: 0,
            created_at: session.created_at,
            updated_at: session.created_at,
        }
    }
}

/// Body of `POST /sessions`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSession {
    /// At most 200 characters; empty is fine.
    #[serde(default)]
    pub title: String,
    /// Id, short id or slug of a registered repository.
    #[serde(default)]
    pub repo: Option<String>,
    /// Names of configured agents; each gets a seat. Empty: every configured agent.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub agents: Vec<AgentName>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub board: Option<BoardId>,
    /// Id or short id of the session that spawns this one.
    #[serde(default)]
    pub parent: Option<String>,
}

/// Body of `PATCH /sessions/{id}`; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionPatch {
    /// At most 200 characters.
    #[serde(default)]
    pub title: Option<String>,
}

impl NewSession {
    pub fn checked(self) -> Result<Self, Refusal> {
        Ok(Self { title: title_text(&self.title)?, agents: prompt_targets(self.agents)?, ..self })
    }
}

impl SessionPatch {
    pub fn checked(self) -> Result<Self, Refusal> {
        Ok(Self { title: self.title.as_deref().map(title_text).transpose()? })
    }
}

/// A title as it is stored: one line, nothing blank around it.
fn title_text(given: &str) -> Result<String, Refusal> {
    let title = given.trim();
    if title.chars().count() > TITLE_MAX {
        return Err(Refusal::invalid(
            "title_too_long",
            format!("a title has at most {TITLE_MAX} characters"),
        ));
    }
    if title.chars().any(char::is_control) {
        return Err(Refusal::invalid("title_not_text", "a title is one line of text"));
    }
    Ok(title.to_owned())
}

/// Which sessions to list; newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct SessionQuery {
    /// Archived ones too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub archived: bool,
    /// `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub before: Option<SessionId>,
    /// 1 to 200; 50 without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// What can be done with sessions.
pub(crate) fn operations() -> Vec<Operation> {
    let op =
        |id, method, path, access, summary| Operation::new("sessions", id, method, path, access, summary);
    vec![
        op("list_sessions", Get, "/sessions", User, "Lists sessions, newest first.")
            .query::<SessionQuery>()
            .lists::<Session>(),
        op("create_session", Post, "/sessions", User, "Creates a session with a seat for each agent.")
            .body::<NewSession>()
            .creates::<Session>(),
        op("get_session", Get, "/sessions/{id}", Run, "Shows a session.").returns::<Session>(),
        op("change_session", Patch, "/sessions/{id}", User, "Renames a session.")
            .body::<SessionPatch>()
            .returns::<Session>(),
        op("archive_session", Delete, "/sessions/{id}", User, "Archives a session; nothing is deleted.")
            .returns::<Session>(),
        op("list_participants", Get, "/sessions/{id}/participants", Run, "Lists who sits in a session.")
            .lists::<Participant>(),
        op("list_live_turns", Get, "/sessions/{id}/live", Run, "Shows what is being written right now.")
            .lists::<LiveTurn>(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_one_short_line() {
        assert_eq!(title_text("  Lock leases \n").unwrap(), "Lock leases");
        assert!(title_text(&"ä".repeat(TITLE_MAX)).is_ok());
        assert_eq!(title_text(&"ä".repeat(TITLE_MAX + 1)).unwrap_err().code, "title_too_long");
        assert_eq!(title_text("a\nb").unwrap_err().code, "title_not_text");
        assert_eq!(title_text("\u{1b}[31mred").unwrap_err().code, "title_not_text");
    }
}
