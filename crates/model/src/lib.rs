//! The nouns of the product: ids, records, events and state machines.
//!
//! Nothing here does IO, waits, or reads a clock: time and randomness come in as values made by a
//! [`Clock`] and an [`Entropy`] somebody else owns. Records and events derive serde because the
//! journal is the truth and this is what it stores; what travels to clients has shapes of its own
//! in `protocol`.
//!
//! To add a fact: add its payload to the noun's file, a variant to [`Event`], a line to the
//! projection in `store/src/apply.rs`, and a fixture to `store/tests`.

mod agent;
mod ambient;
mod archive;
mod artifact;
mod board;
mod budget;
mod checkpoint;
mod compaction;
mod conflict;
mod context;
mod cursor;
mod event;
mod id;
mod layout;
mod lock;
mod merge_queue;
mod message;
mod named;
mod notice;
mod path;
mod permission;
mod plan;
mod refusal;
mod registration;
mod repo;
mod run;
mod session;
mod task;
mod terms;
mod time;
mod transcript;
mod turn;
mod user;
mod worktree;

pub use agent::{AGENT_NAME_MAX, AgentName, AgentNameError, Driver, Isolation, Vendor};
pub use ambient::{Clock, Entropy};
pub use archive::{SessionImport, SessionSource};
pub use artifact::{
    ARTIFACT_BYTES_MAX, ARTIFACT_NAME_MAX, Artifact, ArtifactKind, ArtifactRemoved, artifact_name,
};
pub use board::{
    BOARD_EDGE, BOARD_NAME_MAX, BOARDS_MAX, Board, CARDS_MAX, COMMENT_MAX, COMMENTS_MAX, Card, CardEdit,
    CardMove, CardRemoved, CardSubject, Comment, CommentRemoved, CommentResolved, Firing, FiringConfirmed,
    FiringEnd, FiringState, NOTE_MAX, Place, SIZE_MAX, SIZE_MIN, TEMPLATE_MAX, Trigger, TriggerAction,
    ZONES_MAX, Zone, ZoneColour, ZoneRemoved,
};
pub use budget::{BudgetKind, BudgetUnit, BudgetWarning};
pub use checkpoint::{
    CHECKPOINT_NAME_MAX, CHECKPOINT_PATHS_NAMED, Checkpoint, CheckpointBundle, CheckpointKind,
    CheckpointRemoval, KeptFile, Point, RESTORE_KEPT_NAMED, RestoreEnd, RestoreStart,
};
pub use compaction::{COMPACTION_FILES_MAX, COMPACTION_SUMMARY_MAX, Compaction, CompactionFailure};
pub use conflict::{CONFLICT_PATHS_MAX, Conflict, ConflictChange, ConflictKind, ConflictPhase};
pub use context::{
    CONTEXT_ENTRIES_MAX, CONTEXT_HISTORY_MAX, CONTEXT_KEY_MAX, CONTEXT_VALUE_MAX, CONTEXT_VERSIONS_MAX,
    ContextChange, ContextEntry, ContextKey,
};
pub use cursor::Cursor;
pub use event::{
    Actor, Answer, BoardRemoved, EVENT_VERSION, Event, EventError, JournalRepair, ModelAnswer, ModelCall,
    PlanEnd, PlanMerge, PlanStall, PlanTest, Question, RegistrationEnd, RepoRemoved, Resubmission,
    SessionArchived, SessionRemoved, SessionRenamed, StatusChange, TaskEnd, TaskRef, TurnEnd,
};
pub use id::{
    ArtifactId, BoardId, CardId, CheckpointId, CommentId, ConflictId, FiringId, Id, IdError, Kind as IdKind,
    MergeId, MessageId, NoticeId, ParticipantId, PermissionId, PermissionRuleId, PlanId, RegistrationId,
    RepoId, RunId, SHORT_ID_LEN, SHORT_ID_MIN, SessionId, TaskId, TurnId, UserId, WorktreeId, ZoneId,
};
pub use layout::{DEFAULT_WORKSPACE, DataRoot, WorkspaceDir};
pub use lock::{Lock, LockChange, LockMode, LockPhase};
pub use merge_queue::{
    MERGE_PATHS_MAX, MERGE_TRIES, MergeChange, MergeEntry, MergeMode, MergeOrder, MergePlace, MergeState,
    MergeStyle,
};
pub use message::{Block, CostSource, Message, MessageDraft, PROMPT_MAX, Role, Usage};
pub use named::named;
pub use notice::{CHANNEL_MAX, Channel, Envelope, NOTICE_PAYLOAD_MAX, Notice};
pub use path::{REPO_PATH_MAX, RepoPath, RepoPathError};
pub use permission::{
    PERMISSION_ARGUMENTS_MAX, PERMISSION_PATHS_MAX, PERMISSION_REASON_MAX, PERMISSION_RULES_MAX,
    PERMISSION_SUMMARY_MAX, PERMISSION_TOOL_MAX, PERMISSIONS_OPEN_MAX, Permission, PermissionAsk,
    PermissionDecision, PermissionEffect, PermissionRule, PermissionRuleRemoval, PermissionScope,
    ToolCategory,
};
pub use plan::{
    Claim, KeptWorktree, MergedPlan, MergedTask, PLANNED_DEPENDENCIES_MAX, PLANNED_FILES_MAX,
    PLANNED_INSTRUCTIONS_MAX, PLANNED_NAME_MAX, PLANNED_TASKS_MAX, PLANNED_TITLE_MAX, Plan, PlanClearing,
    PlanState, PlannedTask, Proposal, RefusedEdit, TestReport,
};
pub use refusal::{Refusal, RefusalKind};
pub use registration::{Presence, Registration, RegistrationPhase, Vitality};
pub use repo::{CloneFailure, CloneStart, CloneStep, Repo};
pub use run::{Run, RunExit};
pub use session::{
    Callback, CallbackChange, CallbackDelivery, CallbackMode, HistoryBy, Lineage, Namer, Participant,
    ParticipantStatus, Replay, SESSION_TAG_MAX, SESSION_TAGS_MAX, Session, SessionKind, SessionState,
    SessionTags,
};
pub use task::{QUESTION_MAX, QueueOrder, QueuePlace, Task, TaskKind, TaskState, TaskStep, TaskStepError};
pub use terms::{
    CAPABILITIES_MAX, CAPABILITY_MAX, CLAIM_HOLDER_MAX, CLAIM_SECONDS, DEADLINE_MAX, OnFailed,
    RETRY_ATTEMPTS_MAX, RETRY_BACKOFF_MAX, RetryOn, RetryPolicy, TaskAssignment, TaskChange, TaskClaim,
    TaskTerms, VendorPause, is_capability,
};
pub use time::{Timestamp, TimestampError};
pub use transcript::{FileMark, Origin, RawLine, RawReason, TouchedFile, TranscriptImport};
pub use turn::{
    FileChange, FileRestored, GitState, Opening, Outline, OutlineState, OutlineStep, STRAY_FILES_MAX,
    StrayFile, StrayFiles, Turn, TurnOutcome, VendorRecords,
};
pub use user::User;
pub use worktree::{
    Lender, PORT_BLOCKS, PORT_FIRST, PORT_SPAN, ScriptEnd, ScriptKind, ScriptOutcome, ScriptStart,
    TrashedWorktree, Worktree, WorktreeAssignment, WorktreeMerged, WorktreePurged, WorktreeRestored,
};
