//! Events: committed facts, named in the past tense. This enum is the journal's whole vocabulary.

use crate::{
    AgentName, AgentNameError, Artifact, ArtifactRemoved, Board, BoardId, BudgetWarning, CallbackChange,
    CallbackDelivery, Card, CardEdit, CardMove, CardRemoved, Checkpoint, CheckpointBundle, CheckpointRemoval,
    CloneFailure, CloneStart, CloneStep, Comment, CommentRemoved, CommentResolved, Compaction,
    CompactionFailure, ConflictChange, ContextChange, FileChange, FileRestored, Firing, FiringConfirmed,
    FiringEnd, GitState, LockChange, MergeChange, MergeEntry, MergeOrder, MergedPlan, Message, MessageDraft,
    Namer, Notice, Opening, Outline, Participant, ParticipantId, ParticipantStatus, Permission,
    PermissionDecision, PermissionRule, PermissionRuleRemoval, Plan, PlanClearing, PlanId, Proposal,
    QueueOrder, RefusedEdit, Registration, RegistrationId, Replay, Repo, RepoId, RestoreEnd, RestoreStart,
    Run, RunExit, RunId, ScriptEnd, ScriptStart, Session, SessionId, SessionImport, SessionTags, StrayFiles,
    Task, TaskAssignment, TaskChange, TaskClaim, TaskId, TestReport, Timestamp, TranscriptImport,
    TrashedWorktree, Turn, TurnId, TurnOutcome, Usage, User, Vendor, VendorPause, VendorRecords, Worktree,
    WorktreeAssignment, WorktreeMerged, WorktreePurged, WorktreeRestored, Zone, ZoneRemoved,
};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Version of the payload shapes below, written into every record. A change of shape raises it and
/// adds an upcaster to the journal.
pub const EVENT_VERSION: u16 = 1;

/// Who caused an event. Written `user`, `system` or the agent's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Actor {
    User,
    System,
    Agent(AgentName),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => f.write_str("user"),
            Self::System => f.write_str("system"),
            Self::Agent(name) => fmt::Display::fmt(name, f),
        }
    }
}

impl FromStr for Actor {
    type Err = AgentNameError;

    fn from_str(given: &str) -> Result<Self, AgentNameError> {
        match given {
            "user" => Ok(Self::User),
            "system" => Ok(Self::System),
            name => name.parse().map(Self::Agent),
        }
    }
}

impl TryFrom<String> for Actor {
    type Error = AgentNameError;

    fn try_from(given: String) -> Result<Self, AgentNameError> {
        given.parse()
    }
}

impl From<Actor> for String {
    fn from(actor: Actor) -> Self {
        actor.to_string()
    }
}

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident($payload:ty) $kind:literal),+ $(,)?) => {
        /// A committed fact. The serde form is `{"kind": "task.submitted", "payload": {…}}`.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "kind", content = "payload")]
        pub enum Event {
            $($(#[$doc])* #[serde(rename = $kind)] $variant($payload)),+
        }

        impl Event {
            /// Every kind there is, in the order of declaration.
            pub const KINDS: &'static [&'static str] = &[$($kind),+];

            pub const fn kind(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $kind),+
                }
            }

            /// The payload alone, as JSON.
            pub fn payload(&self) -> Result<String, serde_json::Error> {
                match self {
                    $(Self::$variant(payload) => serde_json::to_string(payload)),+
                }
            }

            /// Reads a payload of the given kind.
            pub fn parse(kind: &str, payload: &str) -> Result<Self, EventError> {
                let malformed = |error| EventError::Payload { kind: kind.to_owned(), error };
                match kind {
                    $($kind => serde_json::from_str(payload).map(Self::$variant).map_err(malformed),)+
                    _ => Err(EventError::Kind(kind.to_owned())),
                }
            }
        }
    };
}

#[derive(Debug, thiserror::Error)]
pub enum EventError {
    #[error("`{0}` is no kind of event this version knows")]
    Kind(String),
    #[error("the payload of a {kind} event is malformed: {error}")]
    Payload { kind: String, error: serde_json::Error },
}

events! {
    UserCreated(User) "user.created",
    BoardCreated(Board) "board.created",
    BoardChanged(Board) "board.changed",
    /// It is gone, with its cards, zones and comments, and nothing else.
    BoardRemoved(BoardRemoved) "board.removed",
    CardPlaced(Card) "card.placed",
    CardMoved(CardMove) "card.moved",
    CardEdited(CardEdit) "card.edited",
    CardRemoved(CardRemoved) "card.removed",
    /// Made, or changed: as it is from now on.
    ZonePlaced(Zone) "zone.placed",
    ZoneRemoved(ZoneRemoved) "zone.removed",
    TriggerFired(Firing) "trigger.fired",
    TriggerConfirmed(FiringConfirmed) "trigger.confirmed",
    TriggerEnded(FiringEnd) "trigger.ended",
    CommentAdded(Comment) "comment.added",
    CommentResolved(CommentResolved) "comment.resolved",
    CommentRemoved(CommentRemoved) "comment.removed",
    RepoAdded(Repo) "repo.added",
    RepoChanged(Repo) "repo.changed",
    RepoRemoved(RepoRemoved) "repo.removed",
    RepoCloneStarted(CloneStart) "repo.clone_started",
    RepoCloneProgressed(CloneStep) "repo.clone_progressed",
    RepoCloneFailed(CloneFailure) "repo.clone_failed",
    /// Made, or made by somebody else and registered now.
    WorktreeCreated(Worktree) "worktree.created",
    /// A session works in it, or in none any more.
    WorktreeAssigned(WorktreeAssignment) "worktree.assigned",
    WorktreeMerged(WorktreeMerged) "worktree.merged",
    /// It is on its way to a branch.
    MergeAdded(MergeEntry) "merge.added",
    MergeMoved(MergeOrder) "merge.moved",
    /// It is tried, handed back, landed, or over otherwise.
    MergeChanged(MergeChange) "merge.changed",
    WorktreeTrashed(TrashedWorktree) "worktree.trashed",
    WorktreeRestored(WorktreeRestored) "worktree.restored",
    /// It is gone for good.
    WorktreePurged(WorktreePurged) "worktree.purged",
    WorktreeScriptStarted(ScriptStart) "worktree.script_started",
    WorktreeScriptEnded(ScriptEnd) "worktree.script_ended",
    SessionCreated(Session) "session.created",
    SessionRenamed(SessionRenamed) "session.renamed",
    SessionTagged(SessionTags) "session.tagged",
    SessionArchived(SessionArchived) "session.archived",
    SessionUnarchived(SessionArchived) "session.unarchived",
    /// It is seen nowhere any more. What was said in it stays in the journal.
    SessionRemoved(SessionRemoved) "session.removed",
    SessionCallbackChanged(CallbackChange) "session.callback_changed",
    /// A piece of a session archive was read in.
    SessionImported(SessionImport) "session.imported",
    /// Agents are shown a summary of what was said up to a message.
    SessionCompacted(Compaction) "session.compacted",
    SessionCompactionFailed(CompactionFailure) "session.compaction_failed",
    CallbackDelivered(CallbackDelivery) "callback.delivered",
    ParticipantJoined(Participant) "participant.joined",
    /// The vendor's own session behind a participant is known.
    ParticipantOpened(Opening) "participant.opened",
    /// A fork that was to be the vendor's own is a replay of the transcript.
    ParticipantReplayed(Replay) "participant.replayed",
    ParticipantStatusChanged(StatusChange) "participant.status_changed",
    TaskSubmitted(Task) "task.submitted",
    TaskStarted(TaskRef) "task.started",
    TaskInputRequested(Question) "task.input_requested",
    TaskInputAnswered(Answer) "task.input_answered",
    TaskCompleted(TaskEnd) "task.completed",
    TaskFailed(TaskEnd) "task.failed",
    TaskCanceled(TaskEnd) "task.canceled",
    TaskRejected(TaskEnd) "task.rejected",
    /// The task goes back to the queue with the next attempt.
    TaskResubmitted(Resubmission) "task.resubmitted",
    QueueReordered(QueueOrder) "queue.reordered",
    /// What it depends on, or its terms.
    TaskChanged(TaskChange) "task.changed",
    /// A participant was found for it.
    TaskAssigned(TaskAssignment) "task.assigned",
    TaskClaimed(TaskClaim) "task.claimed",
    TaskClaimRenewed(TaskClaim) "task.claim_renewed",
    /// It takes no more calls for a while, from no session.
    VendorPaused(VendorPause) "vendor.paused",
    TurnStarted(Turn) "turn.started",
    /// The agent said how it will go about it.
    TurnOutlined(Outline) "turn.outlined",
    /// What a vendor's program said, kept as it was.
    TurnRecorded(VendorRecords) "turn.recorded",
    TurnEnded(TurnEnd) "turn.ended",
    PermissionRequested(Permission) "permission.requested",
    PermissionDecided(PermissionDecision) "permission.decided",
    /// A decision reaches beyond the one call.
    PermissionRuleAdded(PermissionRule) "permission.rule_added",
    PermissionRuleRemoved(PermissionRuleRemoval) "permission.rule_removed",
    /// Work comes near what it may cost.
    BudgetWarned(BudgetWarning) "budget.warned",
    RunStarted(Run) "run.started",
    RunExited(RunExit) "run.exited",
    MessageAppended(Message) "message.appended",
    MessageDrafted(MessageDraft) "message.drafted",
    ModelCalled(ModelCall) "model.called",
    ModelAnswered(ModelAnswer) "model.answered",
    PlanCreated(Plan) "plan.created",
    PlanProposed(Proposal) "plan.proposed",
    PlanMerged(PlanMerge) "plan.merged",
    PlanTested(PlanTest) "plan.tested",
    /// Its next step fails again and again; it goes on trying, up to a limit.
    PlanStalled(PlanStall) "plan.stalled",
    PlanCompleted(PlanEnd) "plan.completed",
    PlanFailed(PlanEnd) "plan.failed",
    /// A plan in worktrees has ended, and they were put away as far as nothing is lost with them.
    PlanCleared(PlanClearing) "plan.cleared",
    FileModified(FileChange) "file.modified",
    /// Files changed without the worktree's writer, as far as is known through a shell.
    FileStrayed(StrayFiles) "file.strayed",
    FileRestored(FileRestored) "file.restored",
    EditRefused(RefusedEdit) "edit.refused",
    CheckpointCreated(Checkpoint) "checkpoint.created",
    /// Two worktrees, or one and the checkout's branch, are in conflict, otherwise than before, or no longer.
    ConflictChanged(ConflictChange) "conflict.changed",
    CheckpointRemoved(CheckpointRemoval) "checkpoint.removed",
    /// Files are being brought back; a start after a crash finishes it.
    CheckpointRestoreStarted(RestoreStart) "checkpoint.restore_started",
    CheckpointRestored(RestoreEnd) "checkpoint.restored",
    CheckpointBundled(CheckpointBundle) "checkpoint.bundled",
    ArtifactCreated(Artifact) "artifact.created",
    /// It is listed no more. What it held stays.
    ArtifactRemoved(ArtifactRemoved) "artifact.removed",
    RegistrationAnnounced(Registration) "registration.announced",
    RegistrationEnded(RegistrationEnd) "registration.ended",
    LockChanged(LockChange) "lock.changed",
    NoticePublished(Notice) "notice.published",
    ContextChanged(ContextChange) "context.changed",
    JournalRepaired(JournalRepair) "journal.repaired",
    /// A piece of a transcript of a vendor's own program was read; what it says is in the same commit.
    TranscriptImported(TranscriptImport) "transcript.imported",
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoardRemoved {
    pub board: BoardId,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepoRemoved {
    pub repo: RepoId,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRenamed {
    pub session: SessionId,
    pub title: String,
    /// Who thought of it. In records without the field it was the user.
    #[serde(default)]
    pub by: Namer,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRemoved {
    pub session: SessionId,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionArchived {
    pub session: SessionId,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusChange {
    pub session: SessionId,
    pub participant: ParticipantId,
    pub status: ParticipantStatus,
    /// What it is about: a file, a tool, an error.
    pub detail: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRef {
    pub session: SessionId,
    pub task: TaskId,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskEnd {
    pub session: SessionId,
    pub task: TaskId,
    /// A summary of what was done, or the reason why not.
    pub text: String,
    /// Why it was not done, as a word for programs; none when it was, or somebody ended it.
    #[serde(default)]
    pub code: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    pub session: SessionId,
    pub task: TaskId,
    pub turn: TurnId,
    pub participant: ParticipantId,
    pub question: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub session: SessionId,
    pub task: TaskId,
    pub turn: TurnId,
    pub answer: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resubmission {
    pub session: SessionId,
    pub task: TaskId,
    pub attempt: u32,
    pub reason: String,
    /// Not to be tried before this.
    #[serde(default)]
    pub not_before: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnEnd {
    pub session: SessionId,
    pub task: TaskId,
    pub turn: TurnId,
    pub participant: ParticipantId,
    pub outcome: TurnOutcome,
    pub usage: Usage,
    pub iterations: u32,
    /// Where the checkout stands now; none without a repository, or when git did not say.
    #[serde(default)]
    pub git: Option<GitState>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelCall {
    pub session: SessionId,
    pub turn: TurnId,
    pub run: RunId,
    pub vendor: Vendor,
    pub model: String,
    /// Estimate made before the call: bytes / 4.
    pub prompt_tokens: u64,
    pub estimated_cost_micros: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelAnswer {
    pub session: SessionId,
    pub turn: TurnId,
    pub run: RunId,
    pub vendor: Vendor,
    pub model: String,
    pub usage: Usage,
    pub latency_ms: u64,
    /// Retries before the answer came.
    pub retries: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanMerge {
    pub plan: PlanId,
    pub session: SessionId,
    pub merged: MergedPlan,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanTest {
    pub plan: PlanId,
    pub session: SessionId,
    pub report: TestReport,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanStall {
    pub plan: PlanId,
    pub session: SessionId,
    /// What stands in its way.
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanEnd {
    pub plan: PlanId,
    pub session: SessionId,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistrationEnd {
    pub registration: RegistrationId,
    pub session: Option<SessionId>,
    /// `finished`, `died` or `expired`.
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalRepair {
    /// Name of the file that keeps the torn bytes, relative to the journal.
    pub side_file: String,
    pub torn_bytes: u64,
    pub previous_epoch: u64,
}

impl Event {
    /// The session the event belongs to, for the header of its record.
    #[expect(clippy::too_many_lines, reason = "a table with a line for each kind, so that none is forgotten")]
    pub fn session(&self) -> Option<SessionId> {
        match self {
            Self::UserCreated(_) | Self::BoardCreated(_) | Self::BoardChanged(_) => None,
            Self::BoardRemoved(_) | Self::CardPlaced(_) | Self::CardMoved(_) | Self::CardEdited(_) => None,
            Self::CardRemoved(_) | Self::ZonePlaced(_) | Self::ZoneRemoved(_) => None,
            Self::TriggerFired(_) | Self::TriggerConfirmed(_) | Self::TriggerEnded(_) => None,
            Self::CommentAdded(_) | Self::CommentResolved(_) | Self::CommentRemoved(_) => None,
            Self::RepoAdded(_) | Self::RepoChanged(_) | Self::RepoRemoved(_) => None,
            Self::RepoCloneStarted(_) | Self::RepoCloneProgressed(_) | Self::RepoCloneFailed(_) => None,
            Self::WorktreeCreated(_) | Self::WorktreeMerged(_) | Self::WorktreeTrashed(_) => None,
            Self::WorktreeRestored(_) | Self::WorktreePurged(_) => None,
            Self::WorktreeScriptStarted(_) | Self::WorktreeScriptEnded(_) => None,
            Self::FileRestored(_) | Self::NoticePublished(_) | Self::ContextChanged(_) => None,
            // An imported session was led elsewhere, and nothing happens in it.
            Self::JournalRepaired(_)
            | Self::ConflictChanged(_)
            | Self::VendorPaused(_)
            | Self::SessionImported(_) => None,
            Self::MergeAdded(_) | Self::MergeMoved(_) | Self::MergeChanged(_) => None,
            Self::WorktreeAssigned(e) => Some(e.session),
            Self::SessionCreated(session) => Some(session.id),
            Self::SessionRenamed(e) => Some(e.session),
            Self::SessionArchived(e) | Self::SessionUnarchived(e) => Some(e.session),
            Self::SessionTagged(e) => Some(e.session),
            Self::SessionRemoved(e) => Some(e.session),
            Self::SessionCallbackChanged(e) => Some(e.session),
            Self::SessionCompacted(e) => Some(e.session),
            Self::SessionCompactionFailed(e) => Some(e.session),
            Self::CallbackDelivered(e) => Some(e.session),
            Self::ParticipantReplayed(e) => Some(e.session),
            Self::QueueReordered(e) => Some(e.session),
            Self::TaskChanged(e) => Some(e.session),
            Self::TaskAssigned(e) => Some(e.session),
            Self::TaskClaimed(e) | Self::TaskClaimRenewed(e) => Some(e.session),
            Self::ParticipantJoined(e) => Some(e.session),
            Self::ParticipantOpened(e) => Some(e.session),
            Self::ParticipantStatusChanged(e) => Some(e.session),
            Self::TaskSubmitted(e) => Some(e.session),
            Self::TaskStarted(e) => Some(e.session),
            Self::TaskInputRequested(e) => Some(e.session),
            Self::TaskInputAnswered(e) => Some(e.session),
            Self::TaskCompleted(e) | Self::TaskFailed(e) | Self::TaskCanceled(e) | Self::TaskRejected(e) => {
                Some(e.session)
            }
            Self::TaskResubmitted(e) => Some(e.session),
            Self::TurnStarted(e) => Some(e.session),
            Self::TurnOutlined(e) => Some(e.session),
            Self::TurnRecorded(e) => Some(e.session),
            Self::TurnEnded(e) => Some(e.session),
            Self::PermissionRequested(e) => Some(e.session),
            Self::PermissionDecided(e) => Some(e.session),
            Self::PermissionRuleAdded(e) => e.session,
            Self::PermissionRuleRemoved(e) => e.session,
            Self::BudgetWarned(e) => Some(e.session),
            Self::RunStarted(e) => Some(e.session),
            Self::RunExited(e) => Some(e.session),
            Self::MessageAppended(e) => Some(e.session),
            Self::MessageDrafted(e) => Some(e.session),
            Self::ModelCalled(e) => Some(e.session),
            Self::ModelAnswered(e) => Some(e.session),
            Self::PlanCreated(e) => Some(e.session),
            Self::PlanProposed(e) => Some(e.session),
            Self::PlanMerged(e) => Some(e.session),
            Self::PlanTested(e) => Some(e.session),
            Self::PlanStalled(e) => Some(e.session),
            Self::PlanCompleted(e) | Self::PlanFailed(e) => Some(e.session),
            Self::PlanCleared(e) => Some(e.session),
            Self::FileModified(e) => Some(e.session),
            Self::FileStrayed(e) => Some(e.session),
            Self::EditRefused(e) => Some(e.session),
            Self::CheckpointCreated(e) => Some(e.session),
            // What expires is no doing in the session.
            Self::CheckpointRemoved(e) => (e.reason != "expired").then_some(e.session),
            Self::CheckpointRestoreStarted(e) => Some(e.session),
            Self::CheckpointRestored(e) => Some(e.session),
            Self::CheckpointBundled(_) => None,
            Self::ArtifactCreated(e) => e.session,
            Self::ArtifactRemoved(e) => e.session,
            Self::RegistrationAnnounced(e) => e.session,
            Self::RegistrationEnded(e) => e.session,
            Self::LockChanged(e) => e.session,
            Self::TranscriptImported(e) => Some(e.session),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_reads_back_from_kind_and_payload() {
        let event = Event::JournalRepaired(JournalRepair {
            side_file: "torn-2.bin".to_owned(),
            torn_bytes: 17,
            previous_epoch: 2,
        });
        let again = Event::parse(event.kind(), &event.payload().unwrap()).unwrap();
        assert_eq!(again, event);
    }

    #[test]
    fn unknown_kinds_and_malformed_payloads_are_told_apart() {
        assert!(matches!(Event::parse("task.vanished", "{}"), Err(EventError::Kind(_))));
        assert!(matches!(Event::parse("task.started", "{}"), Err(EventError::Payload { .. })));
    }

    #[test]
    fn kinds_are_noun_and_past_tense_and_unique() {
        let mut seen = std::collections::BTreeSet::new();
        for kind in Event::KINDS {
            assert!(
                kind.split_once('.')
                    .is_some_and(|(noun, verb)| !noun.is_empty() && verb.ends_with("ed")
                        || kind == &"checkpoint.created"),
                "{kind}"
            );
            assert!(seen.insert(kind), "{kind} twice");
        }
    }

    #[test]
    fn actors_are_words() {
        for word in ["user", "system", "claude"] {
            assert_eq!(word.parse::<Actor>().unwrap().to_string(), word);
        }
        assert!("Claude Code".parse::<Actor>().is_err());
    }
}
