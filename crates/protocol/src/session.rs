//! Sessions on the wire.

use crate::LiveTurn;
use crate::operation::{
    Access::{Run, User},
    Method::{Delete, Get, Patch, Post},
    Operation,
};
use crate::{CallbackWish, Participant, SessionSource, Usage, words};
use model::{
    AgentName, BoardId, CallbackMode, MessageId, Namer, RepoId, SessionId, SessionKind, SessionState, TaskId,
    Timestamp, Vendor,
};
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
    /// The last message of the source that a fork knows.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub fork_message: Option<MessageId>,
    /// The newest task of the parent when it spawned the session.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub spawn_point: Option<TaskId>,
    /// `aside`: a question about another session and its answer, in no list.
    #[serde(default)]
    #[schema(value_type = words::SessionKind)]
    pub kind: SessionKind,
    /// Who thought of the title.
    #[serde(default)]
    #[schema(value_type = words::Namer)]
    pub named_by: Namer,
    /// In order.
    #[serde(default)]
    pub tags: Vec<String>,
    /// How often the parent is still to be told that the session's work is over; none: it is not.
    #[serde(default)]
    #[schema(value_type = Option<words::CallbackMode>)]
    pub callback: Option<CallbackMode>,
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
    /// Set for one that was led elsewhere and read in from an archive: history, to be read and forked.
    #[serde(default)]
    pub imported: Option<SessionSource>,
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
            fork_message: session.lineage.fork_message,
            spawn_point: session.lineage.spawn_point,
            kind: session.lineage.kind,
            named_by: session.named_by,
            tags: Vec::new(),
            callback: session.lineage.callback.map(|callback| callback.mode),
            participants: Vec::new(),
            usage: Usage::default(),
            needs_input: 0,
            created_at: session.created_at,
            updated_at: session.created_at,
            origin: session.origin.map(Origin::from),
            imported: None,
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
    /// At most 200 characters. A title given here is never replaced by the studio's own.
    #[serde(default)]
    pub title: Option<String>,
    /// Tags it is to have besides: letters, digits and `-_.:/@+`, at most 40 of them; 32 tags at most.
    #[serde(default)]
    pub add_tags: Vec<String>,
    /// Tags it is not to have any more.
    #[serde(default)]
    pub remove_tags: Vec<String>,
    /// Whether, and how often, the session that spawned this one is told of its end.
    #[serde(default)]
    pub callback: Option<CallbackWish>,
}

/// What about archived sessions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Archived {
    #[default]
    No,
    Only,
    Too,
}

/// What a list of sessions is sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionSort {
    #[default]
    Created,
    Updated,
    Title,
    Cost,
}

/// How a session is removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct RemovalQuery {
    /// Also when others came out of it; they stay.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub anyway: bool,
}

/// A session that was removed, and what goes on without it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RemovedSession {
    #[schema(value_type = String)]
    pub id: SessionId,
    /// Sessions that were forked from it or spawned by it.
    #[schema(value_type = Vec<String>)]
    pub relatives: Vec<SessionId>,
}

/// Which sessions to list, and in which order. What is not said does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct SessionQuery {
    /// `no` (without it), `only`, or `too`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub archived: Option<Archived>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<words::SessionState>, inline)]
    pub state: Option<SessionState>,
    /// The agent that joined first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub agent: Option<AgentName>,
    /// Id, short id or slug of a repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// Id or short id of a board.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub board: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Id or short id of a session: those that were forked from it or spawned by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Somewhere in the title, in either case; at most 256 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// `created` without it: the newest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub sort: Option<SessionSort>,
    /// The smallest first, instead of the newest or greatest.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ascending: bool,
    /// `next` of the page before, of a list in the same order. A page may be short, and still have a next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// 1 to 200; 50 without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// What can be done with sessions.
pub(crate) fn operations() -> Vec<Operation> {
    let op =
        |id, method, path, access, summary| Operation::new("sessions", id, method, path, access, summary);
    vec![
        op("list_sessions", Get, "/sessions", User, "Lists sessions: filtered, sorted, in pages that stay put while others write.")
            .query::<SessionQuery>()
            .lists::<Session>(),
        op("create_session", Post, "/sessions", User, "Creates a session with a seat for each agent.")
            .body::<NewSession>()
            .creates::<Session>(),
        op("get_session", Get, "/sessions/{id}", Run, "Shows a session.").returns::<Session>(),
        op("change_session", Patch, "/sessions/{id}", User, "Changes a session's title, tags, and who is told of its end.")
            .body::<SessionPatch>()
            .returns::<Session>(),
        op(
            "remove_session",
            Delete,
            "/sessions/{id}",
            User,
            "Removes a session that does nothing: it is seen nowhere any more. The journal keeps what was said.",
        )
        .query::<RemovalQuery>()
        .returns::<RemovedSession>(),
        op("archive_session", Post, "/sessions/{id}/archive", User, "Archives a session; nothing is deleted.")
            .returns::<Session>(),
        op("unarchive_session", Post, "/sessions/{id}/unarchive", User, "Brings an archived session back.")
            .returns::<Session>(),
        op("list_participants", Get, "/sessions/{id}/participants", Run, "Lists who sits in a session.")
            .lists::<Participant>(),
        op("list_live_turns", Get, "/sessions/{id}/live", Run, "Shows what is being written right now.")
            .lists::<LiveTurn>(),
    ]
}
