//! What the faces are shown of each noun: the record and what is derived from others.

use model::{
    AgentName, FileChange, Isolation, Lock, MergedPlan, Participant, ParticipantId, ParticipantStatus, Plan,
    PlanState, Proposal, Question, RegistrationId, Repo, RepoPath, Session, SessionId, SessionState, Task,
    TaskState, TestReport, Timestamp, Turn, TurnOutcome, Usage, Vendor,
};

#[derive(Debug, Clone)]
pub struct SessionView {
    pub session: Session,
    pub short_id: String,
    pub state: SessionState,
    pub archived: bool,
    pub participants: Vec<ParticipantView>,
    pub usage: Usage,
    /// What waits for the user: questions, and agents that lack their key or are not configured any more.
    pub needs_input: u32,
    pub updated_at: Timestamp,
}

#[derive(Debug, Clone)]
pub struct ParticipantView {
    pub participant: Participant,
    pub status: ParticipantStatus,
    pub detail: Option<String>,
    pub since: Timestamp,
    /// Tokens of the last model call's prompt.
    pub context_used: u64,
}

#[derive(Debug, Clone)]
pub struct TaskView {
    pub task: Task,
    pub short_id: String,
    pub state: TaskState,
    pub attempt: u32,
    /// The summary when it is completed, the reason when it is not.
    pub text: Option<String>,
    pub question: Option<Question>,
    pub targets: Vec<TargetView>,
    pub files: Vec<FileChange>,
    /// Oldest first; one for each target and attempt that was begun.
    pub turns: Vec<TurnView>,
    /// Of all its turns, the running ones too.
    pub usage: Usage,
    pub updated_at: Timestamp,
}

#[derive(Debug, Clone)]
pub struct TargetView {
    pub participant: ParticipantId,
    pub agent: AgentName,
    pub state: TaskState,
    pub attempt: u32,
}

#[derive(Debug, Clone)]
pub struct TurnView {
    pub turn: Turn,
    /// None while the turn runs.
    pub outcome: Option<TurnOutcome>,
    pub ended_at: Option<Timestamp>,
    /// What the models have answered so far.
    pub usage: Usage,
    pub iterations: u32,
}

#[derive(Debug, Clone)]
pub struct PlanView {
    pub plan: Plan,
    pub state: PlanState,
    pub proposals: Vec<Proposal>,
    pub merged: Option<MergedPlan>,
    pub tests: Option<TestReport>,
    /// Summary or reason, once it has ended; until then, what stands in its way.
    pub text: Option<String>,
    pub tasks: Vec<TaskView>,
}

#[derive(Debug, Clone)]
pub struct RepoView {
    pub repo: Repo,
    /// Branch that is checked out now; none when HEAD is detached or the folder is away.
    pub branch: Option<String>,
}

#[derive(Debug, Clone)]
pub struct AgentView {
    pub name: AgentName,
    pub vendor: Vendor,
    pub driver: model::Driver,
    pub model: String,
    pub base_url: Option<String>,
    pub context_window: u64,
    pub api_key_env: String,
    /// Whether the key is there; never the key.
    pub key_present: bool,
    pub isolation: Isolation,
    /// None for an agent that works without one.
    pub sandbox: Option<SandboxView>,
}

/// How a sandbox is held here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxView {
    /// `bubblewrap` or `landlock`; none when nothing holds it: the agent is UNSANDBOXED, or does not work.
    pub held_by: Option<&'static str>,
    /// Why nothing does.
    pub reason: Option<String>,
}

/// A worktree that is lent to a participant.
#[derive(Debug, Clone)]
pub struct WorktreeView {
    pub session: SessionId,
    pub session_short: String,
    pub agent: AgentName,
    /// The repo's short name.
    pub repo: String,
    pub path: String,
    pub branch: String,
    /// The commit it stands on.
    pub head: String,
    /// Files in it that are not committed.
    pub dirty: usize,
    /// Commits of it that are on no branch or tag of the user's.
    pub unlanded: usize,
    /// Why it would not be taken away; none when nothing would be lost.
    pub kept_because: Option<String>,
}

/// What was landed of a participant's worktree.
#[derive(Debug, Clone)]
pub struct LandedView {
    pub agent: AgentName,
    /// The user's branch; none when HEAD is detached.
    pub branch: Option<String>,
    /// Where it stands now.
    pub head: String,
    /// Whether a merge commit was made.
    pub merged: bool,
    /// Files that changed in the checkout; none when everything was there already.
    pub changed: Vec<RepoPath>,
}

/// What became of a worktree that was to be taken away.
#[derive(Debug, Clone)]
pub struct RemovedView {
    pub session_short: String,
    pub agent: AgentName,
    pub path: String,
    /// Ref of the checkpoint that keeps what was in it and nowhere else.
    pub kept_as: Option<String>,
    /// Why it is still there; none when it is gone.
    pub kept_because: Option<String>,
}

/// A file whose content was brought back.
#[derive(Debug, Clone)]
pub struct RestoredView {
    pub path: RepoPath,
    /// Hash of what the file holds now.
    pub restored: String,
    /// Hash of what it held before, which is kept as well; none when there was no file.
    pub overwritten: Option<String>,
    /// Where that is kept.
    pub kept_at: Option<String>,
    /// Whose lock it was written under; none when nobody held one.
    pub holder: Option<String>,
}

#[derive(Debug, Clone)]
pub struct WaitView {
    pub waiter: RegistrationId,
    pub agent: String,
    pub worktree: String,
    pub paths: Vec<String>,
    pub since: Timestamp,
    /// Locks that stand in the way.
    pub blocked_by: Vec<Lock>,
}

/// One look at the daemon.
#[derive(Debug, Clone)]
pub struct Status {
    pub version: &'static str,
    pub workspace: String,
    pub started_at: Timestamp,
    pub cursor: model::Cursor,
    pub sessions: u64,
    pub running_turns: u32,
    pub locks: u32,
    pub needs_input: u32,
    pub usage: Usage,
    pub config_version: u64,
    /// Messages for slow readers, refused submissions and the like since start.
    pub dropped: u64,
}

/// Outcome of a maintenance command.
#[derive(Debug, Clone, Default)]
pub struct DataReport {
    pub ok: bool,
    pub events: u64,
    pub segments: u64,
    pub blobs: u64,
    pub bytes: u64,
    pub path: Option<String>,
    /// One sentence per problem found.
    pub problems: Vec<String>,
    pub elapsed_ms: u64,
}
