//! Sessions, the participants in them, and what a participant is doing.

use crate::{
    AgentName, BoardId, Driver, Origin, ParticipantId, RepoId, SessionId, TaskId, TaskState, Timestamp,
    Vendor,
};
use serde::{Deserialize, Serialize};

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
    fn status_words_are_the_serde_words() {
        for status in ParticipantStatus::ALL {
            assert_eq!(serde_json::to_string(&status).unwrap(), format!("\"{}\"", status.as_str()));
        }
    }
}
