//! Sessions on the wire.

use crate::LiveTurn;
use crate::operation::{
    Access::{Run, User},
    Method::{Delete, Get, Patch, Post},
    Operation,
};
use crate::{Participant, Usage, words};
use model::{AgentName, BoardId, RepoId, SessionId, SessionState, TaskId, Timestamp, Vendor};
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
    /// What waits for you: questions, and agents without their key or configuration.
    pub needs_input: u32,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// Set for history that was made outside the studio.
    #[serde(default)]
    pub origin: Option<Origin>,
}

/// Where a session came from that a vendor's own program led.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Origin {
    #[schema(value_type = words::Vendor)]
    pub vendor: Vendor,
    /// The vendor's name of the session; of a sub-agent `<session>/<agent>`.
    pub session: String,
    /// Absolute path of the transcript it was first read from.
    pub source: String,
    /// Where the vendor's program worked.
    pub cwd: Option<String>,
    /// The git branch at the session's start.
    pub branch: Option<String>,
    /// Version of the vendor's program.
    pub version: Option<String>,
    /// The tool call of the parent session that started this sub-agent.
    pub call: Option<String>,
}

impl From<model::Origin> for Origin {
    fn from(origin: model::Origin) -> Self {
        let model::Origin { vendor, session, source, cwd, branch, version, call } = origin;
        Self { vendor, session, source, cwd, branch, version, call }
    }
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
            origin: session.origin.map(Origin::from),
        }
    }
}

/// Body of `POST /sessions`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSession {
    /// At most 200 characters; empty: named after its agents.
    #[serde(default)]
    pub title: String,
    /// Id, short id or slug of a registered repository.
    #[serde(default)]
    pub repo: Option<String>,
    /// Names of configured agents, at least one; each gets a seat.
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
        op(
            "fork_session",
            Post,
            "/sessions/{id}/fork",
            User,
            "Creates a session whose agents know what those of this one know.",
        )
        .creates::<Session>(),
        op("list_participants", Get, "/sessions/{id}/participants", Run, "Lists who sits in a session.")
            .lists::<Participant>(),
        op("list_live_turns", Get, "/sessions/{id}/live", Run, "Shows what is being written right now.")
            .lists::<LiveTurn>(),
    ]
}
