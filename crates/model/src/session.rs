//! Sessions, the participants in them, and what a participant is doing.

use crate::{
    AgentName, BoardId, Driver, MessageId, Origin, ParticipantId, RepoId, SessionId, TaskId, TaskState,
    Timestamp, TurnId, Vendor,
};
use serde::{Deserialize, Serialize};

/// Tags one session has at most.
pub const SESSION_TAGS_MAX: usize = 32;
/// Longest tag, in characters.
pub const SESSION_TAG_MAX: usize = 40;

/// A conversation with one or more agents; a node of the genealogy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub id: SessionId,
    pub workspace: String,
    pub title: String,
    pub repo: Option<RepoId>,
    pub board: Option<BoardId>,
    /// The session that spawned this one (fresh context).
    pub parent: Option<SessionId>,
    /// The session this one was forked from (copied history).
    pub forked_from: Option<SessionId>,
    /// The task up to which history was copied.
    pub fork_point: Option<TaskId>,
    pub created_at: Timestamp,
    /// Set for history that was made outside the studio.
    #[serde(default)]
    pub origin: Option<Origin>,
    /// Who thought of the title.
    #[serde(default)]
    pub named_by: Namer,
    /// How it came out of another session, beyond which one that is.
    #[serde(default)]
    pub lineage: Lineage,
}

/// Who thought of a session's title. What the user says stays; the others only fill in for him.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Namer {
    #[default]
    User,
    /// The names of the agents in it, until somebody has said something.
    Agents,
    /// The first words of the first prompt.
    Words,
    Model,
}

impl Namer {
    pub const ALL: [Self; 4] = [Self::User, Self::Agents, Self::Words, Self::Model];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Agents => "agents",
            Self::Words => "words",
            Self::Model => "model",
        }
    }
}

/// What a session is there for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionKind {
    #[default]
    Conversation,
    /// A question about another session, asked of a fork of it that only reads. In no list of sessions.
    Aside,
}

impl SessionKind {
    pub const ALL: [Self; 2] = [Self::Conversation, Self::Aside];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Conversation => "conversation",
            Self::Aside => "aside",
        }
    }
}

/// How a session came out of another one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    #[serde(default)]
    pub kind: SessionKind,
    /// The last message of the source that a fork knows; none when there was nothing to know.
    #[serde(default)]
    pub fork_message: Option<MessageId>,
    /// The newest task of the parent when it spawned this session.
    #[serde(default)]
    pub spawn_point: Option<TaskId>,
    /// The agent of the parent who spawned it; none when it was the user.
    #[serde(default)]
    pub spawned_by: Option<ParticipantId>,
    /// Of an aside: the session that wants to know.
    #[serde(default)]
    pub asker: Option<SessionId>,
    /// Who is told when its work is over.
    #[serde(default)]
    pub callback: Option<Callback>,
}

/// A session that is told when this one's work is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callback {
    pub session: SessionId,
    pub mode: CallbackMode,
    /// Whose turn it then is there; none: all of its participants.
    #[serde(default)]
    pub to: Option<ParticipantId>,
}

/// How often a callback calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallbackMode {
    Once,
    /// Whenever the session has nothing to do any more.
    Always,
}

impl CallbackMode {
    pub const ALL: [Self; 2] = [Self::Once, Self::Always];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Always => "always",
        }
    }
}

/// How a participant of a fork came to know what was said before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HistoryBy {
    /// The vendor forked its own session.
    Native,
    /// The agent is shown the transcript.
    Replay,
}

impl HistoryBy {
    pub const ALL: [Self; 2] = [Self::Native, Self::Replay];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Replay => "replay",
        }
    }
}

/// What was to be the vendor's own fork had to be the transcript.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    pub session: SessionId,
    pub participant: ParticipantId,
    pub turn: TurnId,
    pub reason: String,
}

/// All tags a session has from now on, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionTags {
    pub session: SessionId,
    pub tags: Vec<String>,
}

/// Who is told of a session's end from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallbackChange {
    pub session: SessionId,
    pub callback: Option<Callback>,
}

/// A session was told that another one's work is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallbackDelivery {
    /// Who was told.
    pub session: SessionId,
    /// Whose work is over.
    pub child: SessionId,
    /// The task it ended with.
    pub ended: TaskId,
    /// What the told session has to do about it; none when it only heard of it.
    pub task: Option<TaskId>,
    /// Why nobody could be told.
    #[serde(default)]
    pub dropped: Option<String>,
}

/// Derived from the session's tasks, never stored on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    Idle,
    Running,
    Completed,
    Failed,
}

impl SessionState {
    pub const ALL: [Self; 4] = [Self::Idle, Self::Running, Self::Completed, Self::Failed];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// The state that a session with these tasks is in, oldest task first.
    pub fn of(tasks: impl IntoIterator<Item = TaskState>) -> Self {
        let mut last = None;
        for task in tasks {
            if !task.is_terminal() {
                return Self::Running;
            }
            last = Some(task);
        }
        match last {
            None => Self::Idle,
            Some(TaskState::Failed | TaskState::Rejected) => Self::Failed,
            Some(_) => Self::Completed,
        }
    }
}

/// One agent's seat in a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    pub id: ParticipantId,
    pub session: SessionId,
    pub agent: AgentName,
    pub driver: Driver,
    pub vendor: Vendor,
    pub model: String,
    /// Tokens the model can hold.
    pub context_window: u64,
    pub joined_at: Timestamp,
    /// In a fork: how it comes to know what was said before.
    #[serde(default)]
    pub history: Option<HistoryBy>,
}

/// What a participant is doing; one enum for API, web, TUI and CLI. Never a guess: a dead process
/// is `Failed` or `Stale` within two seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParticipantStatus {
    Starting,
    Idle,
    Thinking,
    Editing,
    RunningTool,
    WaitingLock,
    NeedsInput,
    Indexing,
    Paused,
    Done,
    Failed,
    Stale,
}

impl ParticipantStatus {
    pub const ALL: [Self; 12] = [
        Self::Starting,
        Self::Idle,
        Self::Thinking,
        Self::Editing,
        Self::RunningTool,
        Self::WaitingLock,
        Self::NeedsInput,
        Self::Indexing,
        Self::Paused,
        Self::Done,
        Self::Failed,
        Self::Stale,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Idle => "idle",
            Self::Thinking => "thinking",
            Self::Editing => "editing",
            Self::RunningTool => "running_tool",
            Self::WaitingLock => "waiting_lock",
            Self::NeedsInput => "needs_input",
            Self::Indexing => "indexing",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Stale => "stale",
        }
    }

    /// True while a live process stands behind the status.
    pub const fn is_live(self) -> bool {
        matches!(
            self,
            Self::Starting
                | Self::Thinking
                | Self::Editing
                | Self::RunningTool
                | Self::WaitingLock
                | Self::NeedsInput
                | Self::Indexing
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_state_follows_its_tasks() {
        use TaskState::{Completed, Failed, InputRequired, Working};
        assert_eq!(SessionState::of([]), SessionState::Idle);
        assert_eq!(SessionState::of([Completed, Working]), SessionState::Running);
        assert_eq!(SessionState::of([InputRequired]), SessionState::Running);
        assert_eq!(SessionState::of([Failed, Completed]), SessionState::Completed);
        assert_eq!(SessionState::of([Completed, Failed]), SessionState::Failed);
    }

    #[test]
    fn words_are_the_serde_words() {
        for (word, said) in Namer::ALL
            .map(|namer| (serde_json::to_value(namer).unwrap(), namer.as_str()))
            .into_iter()
            .chain(SessionKind::ALL.map(|kind| (serde_json::to_value(kind).unwrap(), kind.as_str())))
            .chain(CallbackMode::ALL.map(|mode| (serde_json::to_value(mode).unwrap(), mode.as_str())))
            .chain(HistoryBy::ALL.map(|by| (serde_json::to_value(by).unwrap(), by.as_str())))
        {
            assert_eq!(word, said);
        }
    }

    #[test]
    fn a_session_of_before_named_sessions_is_the_users_and_comes_of_nobody() {
        let old = serde_json::json!({
            "id": "ses_018f000000007000800000000000000a", "workspace": "w", "title": "t", "repo": null, "board": null,
            "parent": null, "forked_from": null, "fork_point": null, "created_at": "2026-01-31T14:23:01.000Z",
        });
        let session: Session = serde_json::from_value(old).unwrap();
        assert_eq!((session.named_by, session.lineage), (Namer::User, Lineage::default()));
    }

    #[test]
    fn status_words_are_the_serde_words() {
        for status in ParticipantStatus::ALL {
            assert_eq!(serde_json::to_string(&status).unwrap(), format!("\"{}\"", status.as_str()));
        }
    }
}
