//! What the faces are shown of each noun: the record and what is derived from others.

use crate::worktree::DiskUse;
use model::{
    AgentName, Checkpoint, CheckpointId, FileChange, GitState, Isolation, KeptFile, Lock, MergedPlan,
    Participant, ParticipantId, ParticipantStatus, Plan, PlanState, Proposal, Question, RegistrationId, Repo,
    RepoId, RepoPath, Session, SessionId, SessionSource, SessionState, Task, TaskClaim, TaskState,
    TestReport, Timestamp, Turn, TurnOutcome, Usage, Vendor, VendorPause, Worktree, WorktreeId,
};
use store::{MessageRange, ScriptRow};

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
    /// In order.
    pub tags: Vec<String>,
    /// Where it was led, of one that was read in from an archive.
    pub imported: Option<SessionSource>,
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
    /// Among waiting tasks of the same priority the smaller one goes first.
    pub rank: u64,
    /// Why it was not done, for programs.
    pub code: Option<String>,
    /// Not to be tried again before this.
    pub not_before: Option<Timestamp>,
    /// Who does a task of the pool.
    pub claim: Option<TaskClaim>,
    pub messages: Option<MessageRange>,
    /// Where the checkout stood when the first turn began, and when the last had ended.
    pub git_start: Option<GitState>,
    pub git_end: Option<GitState>,
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
    /// Where its checkout stood when it had ended.
    pub git_end: Option<GitState>,
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
    /// Worktrees that stay after the end of a plan in worktrees; none until it is known.
    pub kept: Option<Vec<model::KeptWorktree>>,
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
    /// What a task can want of it.
    pub capabilities: Vec<String>,
    /// Its vendor takes no calls until then, and why.
    pub paused: Option<VendorPause>,
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

/// Whose a worktree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorktreeKind {
    /// Registered; any number of sessions may work in it.
    Named,
    /// A participant's own.
    Lent,
    /// Made by somebody else and not registered.
    Foreign,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorktreeState {
    Live,
    /// Its folder is away or leads elsewhere.
    Missing,
    Trashed,
}

/// A worktree, and what is in it.
#[derive(Debug, Clone)]
pub struct WorktreeView {
    /// None for one that is not registered.
    pub id: Option<WorktreeId>,
    pub kind: WorktreeKind,
    pub state: WorktreeState,
    /// The repo's short name.
    pub repo: String,
    pub name: Option<String>,
    /// Of a participant's own.
    pub session: Option<SessionId>,
    pub agent: Option<AgentName>,
    pub path: String,
    pub branch: Option<String>,
    /// The commit it stands on.
    pub head: Option<String>,
    /// Files in it that are not committed.
    pub dirty: usize,
    /// Commits of it that no other branch, tag or remote has.
    pub unlanded: usize,
    /// Who is in it now.
    pub inside: Vec<String>,
    /// Sessions that were told to work in it.
    pub sessions: Vec<SessionId>,
    /// Why it would not be taken away; none when nothing would be lost.
    pub kept_because: Option<String>,
    pub port_base: Option<u16>,
    /// As it was counted last.
    pub used: Option<DiskUse>,
    pub scripts: Vec<ScriptRow>,
    pub created_at: Option<Timestamp>,
    /// When it goes from the trash for good.
    pub expires_at: Option<Timestamp>,
    /// Ref that keeps what was not committed, in the trash.
    pub kept_as: Option<String>,
}

impl WorktreeView {
    /// What the record says.
    pub(crate) fn of(worktree: &Worktree, repo: &Repo) -> Self {
        let lent = worktree.lent.as_ref();
        Self {
            id: Some(worktree.id),
            kind: if lent.is_some() { WorktreeKind::Lent } else { WorktreeKind::Named },
            name: lent.is_none().then(|| worktree.name.clone()),
            session: lent.map(|lent| lent.session),
            agent: lent.map(|lent| lent.agent.clone()),
            branch: worktree.branch.clone(),
            port_base: Some(worktree.port_base).filter(|port| *port > 0),
            created_at: Some(worktree.created_at),
            ..Self::unregistered(worktree.path.clone(), repo, None)
        }
    }

    pub(crate) fn unregistered(path: String, repo: &Repo, lent: Option<(SessionId, AgentName)>) -> Self {
        let kind = if lent.is_some() { WorktreeKind::Lent } else { WorktreeKind::Foreign };
        let (session, agent) = lent.unzip();
        Self {
            id: None,
            kind,
            state: WorktreeState::Live,
            repo: repo.slug.clone(),
            name: None,
            session,
            agent,
            path,
            branch: None,
            head: None,
            dirty: 0,
            unlanded: 0,
            inside: Vec::new(),
            sessions: Vec::new(),
            kept_because: None,
            port_base: None,
            used: None,
            scripts: Vec::new(),
            created_at: None,
            expires_at: None,
            kept_as: None,
        }
    }
}

/// What came to a branch from a worktree.
#[derive(Debug, Clone)]
pub struct MergedView {
    pub worktree: WorktreeId,
    pub repo: RepoId,
    /// The branch; none when HEAD of the checkout is detached.
    pub into: Option<String>,
    /// Where it stands now.
    pub head: String,
    /// Whether a merge commit was made.
    pub merged: bool,
    pub changed: Vec<RepoPath>,
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
    /// By which it can be restored.
    pub id: Option<WorktreeId>,
    /// `repo/name`, or `session/agent` of a participant's own.
    pub name: String,
    pub path: String,
    /// Ref of the checkpoint that keeps what was in it and nowhere else.
    pub kept_as: Option<String>,
    /// When it goes from the trash for good; none: only by an order.
    pub expires_at: Option<Timestamp>,
    /// Why it is still there; none when it is in the trash.
    pub kept_because: Option<String>,
}

/// A file that differs between a checkpoint and something later, or that came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparedFile {
    pub path: RepoPath,
    /// Whether it was there.
    pub before: bool,
    pub after: bool,
    /// Lines; none of what is no text.
    pub added: Option<u32>,
    pub removed: Option<u32>,
}

/// What differs from a checkpoint to another, or to now.
#[derive(Debug, Clone)]
pub struct ComparisonView {
    pub from: CheckpointId,
    /// None: now.
    pub to: Option<CheckpointId>,
    pub files: Vec<ComparedFile>,
    /// Files that are not named.
    pub more: u32,
    pub diff: String,
    pub cut: bool,
}

/// What a restore brought back.
#[derive(Debug, Clone)]
pub struct RestoredCheckpointView {
    pub checkpoint: CheckpointId,
    /// What was there before; none when no file had to change.
    pub before: Option<CheckpointId>,
    pub worktree: Option<String>,
    pub files: Vec<ComparedFile>,
    /// Files that are not named.
    pub more: u32,
    /// What stayed as it was.
    pub kept: Vec<KeptFile>,
    pub fork: Option<SessionView>,
}

/// What came out of bundles.
#[derive(Debug, Clone, Default)]
pub struct BundleImportView {
    pub files: Vec<String>,
    /// There again, or new.
    pub checkpoints: Vec<Checkpoint>,
    /// How many were there already.
    pub known: u32,
    /// Files that gave nothing.
    pub skipped: Vec<KeptFile>,
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
