//! How sessions come out of each other on the wire: forks, children, families, and questions to the past.

use crate::operation::{
    Access::{Run, User},
    Method::{Get, Post},
    Operation,
};
use crate::{Session, Task, words};
use model::{AgentName, SessionId, SessionState};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Body of `POST /sessions/{id}/fork`; may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NewFork {
    /// Id or short id of the last message the fork knows; the newest one without.
    pub message: Option<String>,
    /// At most 200 characters.
    pub title: Option<String>,
    /// Who sits in it; the agents of the session without.
    #[schema(value_type = Vec<String>)]
    pub agents: Vec<AgentName>,
}

/// Whether, and how often, the session that spawned one is told that its work is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallbackWish {
    #[default]
    Never,
    Once,
    /// Whenever it has nothing to do any more.
    Always,
}

/// Body of `POST /sessions/{id}/spawn`: a child with fresh context, and its first prompt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSpawn {
    /// At most 256 KiB.
    pub prompt: String,
    /// Who does it; the agents of the parent without.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub agents: Vec<AgentName>,
    /// At most 200 characters; named after the prompt without.
    #[serde(default)]
    pub title: Option<String>,
    /// Id, short id or slug of a registered repository; that of the parent without.
    #[serde(default)]
    pub repo: Option<String>,
    #[serde(default)]
    pub callback: CallbackWish,
    /// Agent of the parent whose turn a callback is; without, the agent that spawned, or all of them.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub callback_to: Option<AgentName>,
}

/// A child and its first task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SpawnedSession {
    pub session: Session,
    pub task: Task,
}

/// Body of `POST /sessions/{id}/ask`: a question to a session, which stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewQuestion {
    /// As long as a prompt may be.
    pub question: String,
    /// Who answers; the session's first agent without.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub agent: Option<AgentName>,
    /// Id or short id of the session in whose conversation the answer is written down, too. An agent's own, always.
    #[serde(default)]
    pub asker: Option<String>,
}

/// A question to a session, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Aside {
    /// The hidden session in which it is answered.
    #[schema(value_type = String)]
    pub id: SessionId,
    pub short_id: String,
    #[schema(value_type = String)]
    pub asked: SessionId,
    #[schema(value_type = Option<String>)]
    pub asker: Option<SessionId>,
    pub question: String,
    /// None until it is answered, and when it never is: then the task says why.
    pub answer: Option<String>,
    pub task: Task,
}

/// How much of a family is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct FamilyQuery {
    /// Generations down, 1 to 64; all without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<u32>,
    /// Descendants at most, 1 to 2000; 2000 without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Descendants of the oldest ancestor, and not of the session.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
}

/// A session as its relatives see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Relative {
    #[schema(value_type = String)]
    pub id: SessionId,
    pub short_id: String,
    pub title: String,
    #[schema(value_type = words::SessionState)]
    pub state: SessionState,
    pub archived: bool,
    /// Set for a child.
    #[schema(value_type = Option<String>)]
    pub parent: Option<SessionId>,
    /// Set for a fork.
    #[schema(value_type = Option<String>)]
    pub forked_from: Option<SessionId>,
    /// Steps away from whom it is told of.
    pub depth: u32,
}

/// Where a session came from, and what came out of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Family {
    #[schema(value_type = String)]
    pub session: SessionId,
    /// Whose descendants are told: the session, or with `whole` its oldest ancestor.
    pub top: Relative,
    /// Nearest first.
    pub ancestors: Vec<Relative>,
    /// Nearest first, then in the order of their making.
    pub descendants: Vec<Relative>,
    /// There are more than were asked for.
    pub more: bool,
}

/// What can be done with families.
pub(crate) fn operations() -> Vec<Operation> {
    let op =
        |id, method, path, access, summary| Operation::new("sessions", id, method, path, access, summary);
    vec![
        op(
            "fork_session",
            Post,
            "/sessions/{id}/fork",
            User,
            "Creates a session whose agents know what was said in this one up to a message.",
        )
        .body::<NewFork>()
        .creates::<Session>(),
        op(
            "spawn_session",
            Post,
            "/sessions/{id}/spawn",
            Run,
            "Starts a child with fresh context, which may call back when its work is over.",
        )
        .body::<NewSpawn>()
        .creates::<SpawnedSession>(),
        op(
            "ask_session",
            Post,
            "/sessions/{id}/ask",
            Run,
            "Asks a session something without changing it; the answer comes as the end of the task.",
        )
        .body::<NewQuestion>()
        .creates::<Aside>(),
        op(
            "list_asides",
            Get,
            "/sessions/{id}/asides",
            Run,
            "Lists what a session was asked, and what it asked others; newest first.",
        )
        .lists::<Aside>(),
        op(
            "get_family",
            Get,
            "/sessions/{id}/family",
            Run,
            "Shows where a session came from, and what came out of it.",
        )
        .query::<FamilyQuery>()
        .returns::<Family>(),
    ]
}
