//! What travels between the daemon and everybody else: REST and WebSocket shapes, errors, limits, and
//! the list of operations from which OpenAPI is generated.
//!
//! One file per noun: its wire types, the conversion from the model, and its operations. To add a route: describe it in
//! the noun's `operations()`, write its handler in `server/src/routes/<noun>/<verb>.rs`, and let the
//! freshness test write `schema/openapi.json` again.
//!
//! Invariant: nothing here does IO or knows HTTP libraries, and nothing the model stores goes out
//! except through a type of this crate; ids, times and plain enums are the model's own.

mod agent;
mod archive;
mod artifact;
mod board;
mod checkpoint;
mod compaction;
pub mod config;
mod conflict;
mod context;
mod cost;
mod daemon;
mod data;
mod error;
mod event;
pub mod fact;
mod file;
mod import;
pub mod limits;
mod lineage;
mod live;
mod lock;
mod merge_queue;
mod message;
mod notice;
mod openapi;
mod operation;
mod page;
mod participant;
mod permission;
mod plan;
mod presence;
mod proof;
mod registration;
mod repo;
mod resource;
mod run;
mod session;
mod task;
mod terms;
mod turn;
pub mod words;
mod worktree;
pub mod ws;

pub use agent::{Agent, AgentFigures, AgentStats, AgentStatsQuery, NewResumption, Sandbox, VendorPause};
pub use archive::{NewSessionImport, SessionExportQuery, SessionImport, SessionSource};
pub use artifact::{ARTIFACTS_PATH, Artifact, ArtifactQuery, NewArtifact};
pub use board::{
    Board, BoardDocument, BoardPatch, BoardSummary, Card, CardAnswer, CardConflict, CardPatch, CardSubject,
    Comment, CommentPatch, DocumentCard, DocumentComment, DocumentZone, Firing, MissingWish, NewBoard,
    NewCard, NewComment, NewImportedBoard, NewZone, Place, Trigger, WholeBoard, Zone, ZonePatch,
};
pub use checkpoint::{
    BundleImport, Checkpoint, CheckpointComparison, CheckpointQuery, CheckpointRestore, ComparedChange,
    ComparedFile, ComparisonQuery, KeptFile, NewBundleImport, NewCheckpoint, Point, RestoredCheckpoint,
};
pub use compaction::Compaction;
pub use conflict::{Conflict, ConflictQuery};
pub use context::{
    ContextChangeQuery, ContextChanges, ContextEntry, ContextQuery, ContextVersion, NewContext,
};
pub use cost::{CostBy, CostQuery, CostReport, CostRow};
pub use daemon::{
    API_REVISION, ConfigVersion, DaemonInfo, Finding, HEALTH_PATH, Launch, LaunchQuery, MCP_PATH, Severity,
    Status, Stopping, Version,
};
pub use data::{DataReport, NewExport};
pub use error::{DRAINING, ErrorBody, ErrorDetail, ExitClass, INTERNAL_MESSAGE, status};
pub use event::{EventPage, EventQuery, EventRecord};
pub use file::{
    FileQuery, FilesFound, FoundFile, FoundLine, GitStatus, IndexOrder, IndexReport, NewRestore,
    RestorePoint, RestoredFile,
};
pub use import::{Import, ImportState, ImportTrouble, NewImport};
pub use lineage::{
    Aside, CallbackWish, Family, FamilyQuery, NewFork, NewQuestion, NewSpawn, Relative, SpawnedSession,
};
pub use live::{Delta, DeltaKind, LiveTurn};
pub use lock::{Lock, LockChange, LockTable, LockWait, NewLock, ReleaseQuery};
pub use merge_queue::{Merge, MergeMove, MergeQuery, MergeRun, NewMergeEntry};
pub use message::{Block, Message, MessageQuery, NewPrompt, Usage};
pub use model::{
    Actor, AgentName, ArtifactId, ArtifactKind, BoardId, CallbackMode, CardId, Channel, CheckpointId,
    CheckpointKind, Clock, CommentId, ConflictId, ConflictKind, ConflictPhase, ContextKey, CostSource,
    Cursor, DataRoot, Driver, Entropy, Event, FiringId, FiringState, HistoryBy, LockMode, LockPhase, MergeId,
    MergeMode, MergeState, MergeStyle, MessageId, Namer, ParticipantId, ParticipantStatus, PermissionEffect,
    PermissionId, PermissionRuleId, PermissionScope, PlanId, PlanState, RegistrationId, RegistrationPhase,
    RepoId, RepoPath, Role, RunId, ScriptKind, ScriptOutcome, SessionId, SessionKind, SessionState, TaskId,
    TaskKind, TaskState, Timestamp, ToolCategory, TriggerAction, TurnId, Vendor, WorktreeId, ZoneColour,
    ZoneId,
};
pub use notice::{AckRule, ChannelCount, Durability, InboxQuery, NewNotice, Notice, NoticeQuery, Receipt};
pub use openapi::{config_schema, event_schema, openapi};
pub use operation::{
    API_PREFIX, Access, CORRELATION_HEADER, CURSOR_HEADER, IDEMPOTENCY_HEADER, Method, Operation, by_path,
    operations,
};
pub use page::{Page, page_size};
pub use participant::Participant;
pub use permission::{Decision, NewDecision, Permission, PermissionQuery, PermissionRule};
pub use plan::{
    Claim, MergedPlan, MergedTask, NewPlan, Plan, PlannedTask, Proposal, RefusedEdit, TestReport,
};
pub use presence::{AttachedClient, Detachment, InputWish, NewAttachment, Presences};
pub use proof::{CHALLENGE_HEADER, Challenge, Endpoint, PROOF_HEADER, Token, TokenError};
pub use registration::{Presence, Registration};
pub use repo::{NewClone, NewRepo, NewTrust, Repo, RepoClone, RepoPatch, Script, ScriptQuery};
pub use resource::{Action, Noun, Resource, resources};
pub use run::{Run, RunExit};
pub use session::{
    Archived, NewSession, Origin, RemovalQuery, RemovedSession, Session, SessionPatch, SessionQuery,
    SessionSort,
};
pub use task::{
    MessageRange, NewAnswer, NewSteer, Question, RetryPolicy, SessionTaskQuery, Target, Task, TaskClaim,
    TaskMove, TaskQuery,
};
pub use terms::{ClaimEnd, ClaimOutcome, ClaimRenewal, NewClaim, TaskPatch};
pub use turn::{FileChange, GitState, Turn, TurnOutcome};
pub use worktree::{
    Landed, MergedWorktree, NewAdoption, NewAssignment, NewLanding, NewMerge, NewRemoval, NewScriptRun,
    NewWorktree, RemovedWorktree, Worktree, WorktreeChange, WorktreeKind, WorktreeQuery, WorktreeRemoval,
    WorktreeScript, WorktreeState,
};
