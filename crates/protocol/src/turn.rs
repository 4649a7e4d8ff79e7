//! Turns and what they changed.

use crate::Usage;
use model::{ParticipantId, RepoPath, RunId, SessionId, TaskId, Timestamp, TurnId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One participant's work on a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Turn {
    #[schema(value_type = String)]
    pub id: TurnId,
    #[schema(value_type = String)]
    pub session: SessionId,
    #[schema(value_type = String)]
    pub task: TaskId,
    #[schema(value_type = String)]
    pub participant: ParticipantId,
    #[schema(value_type = String)]
    pub run: RunId,
    /// Counts from 1; a crash resubmits the task with the next one.
    pub attempt: u32,
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// None while it runs.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// None while it runs.
    pub outcome: Option<TurnOutcome>,
    /// What the models have answered so far.
    pub usage: Usage,
    /// Model calls it took.
    pub iterations: u32,
    /// Where its checkout stood when it began; none without a repository.
    #[serde(default)]
    pub git_start: Option<GitState>,
    /// The same when it had ended.
    #[serde(default)]
    pub git_end: Option<GitState>,
}

/// Where a checkout stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GitState {
    /// None when no branch is checked out.
    pub branch: Option<String>,
    /// Commit that is checked out; none before the first.
    pub commit: Option<String>,
    /// Something in it is not committed.
    pub dirty: bool,
}

impl From<model::GitState> for GitState {
    fn from(state: model::GitState) -> Self {
        let model::GitState { branch, commit, dirty } = state;
        Self { branch, commit, dirty }
    }
}

impl From<model::Turn> for Turn {
    /// A turn as it is right after its start.
    fn from(turn: model::Turn) -> Self {
        let model::Turn { id, session, task, participant, run, attempt, started_at, git } = turn;
        Self {
            id,
            session,
            task,
            participant,
            run,
            attempt,
            started_at,
            ended_at: None,
            outcome: None,
            usage: Usage::default(),
            iterations: 0,
            git_start: git.map(GitState::from),
            git_end: None,
        }
    }
}

/// How a turn ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum TurnOutcome {
    Completed { summary: String },
    Failed { code: String, message: String },
    Canceled,
}

impl From<model::TurnOutcome> for TurnOutcome {
    fn from(outcome: model::TurnOutcome) -> Self {
        match outcome {
            model::TurnOutcome::Completed { summary } => Self::Completed { summary },
            model::TurnOutcome::Failed { code, message } => Self::Failed { code, message },
            model::TurnOutcome::Canceled => Self::Canceled,
        }
    }
}

/// One file an agent changed through the worktree's writer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileChange {
    #[schema(value_type = String)]
    pub session: SessionId,
    #[schema(value_type = String)]
    pub task: TaskId,
    #[schema(value_type = String)]
    pub turn: TurnId,
    #[schema(value_type = String)]
    pub participant: ParticipantId,
    #[schema(value_type = String)]
    pub path: RepoPath,
    /// BLAKE3 of the content before, in hex; none when the file was created.
    pub before: Option<String>,
    /// BLAKE3 of the content after, in hex.
    pub after: String,
    pub lines_added: u32,
    pub lines_removed: u32,
    /// Fencing token of the lock it was made under.
    pub token: u64,
    /// What the agent says it changed, as a unified diff; none when it does not say.
    #[serde(default)]
    pub diff: Option<String>,
}

impl From<model::FileChange> for FileChange {
    fn from(change: model::FileChange) -> Self {
        let model::FileChange {
            session,
            task,
            turn,
            participant,
            path,
            before,
            after,
            lines_added,
            lines_removed,
            token,
            diff,
        } = change;
        Self {
            session,
            task,
            turn,
            participant,
            path,
            before,
            after,
            lines_added,
            lines_removed,
            token,
            diff,
        }
    }
}
