//! What the product does: one file per use-case noun, and the actors that keep turns going.
//!
//! The faces call [`Engine`]; it validates, commits events through `store`, and lets one actor per
//! session drive turns. Nothing outside this crate decides what may happen; nothing inside it
//! knows HTTP, terminals or pages.

mod actor;
mod agent;
mod archive;
mod artifact;
mod aside;
mod ask;
mod assign;
mod beside;
mod board;
mod bridge;
mod budget;
mod call;
mod callback;
mod checkpoint;
mod checks;
mod clients;
mod compaction;
mod config;
mod context;
mod cost;
mod credential;
mod data;
mod database;
mod doctor;
mod due;
mod engine;
mod event;
mod fence;
mod file;
mod fork;
mod fragments;
mod index;
mod instructions;
mod kin;
mod live;
mod lock;
mod merge;
mod merge_queue;
mod message;
mod notice;
mod order;
mod outbox;
mod permission;
mod places;
mod plan;
mod pool;
mod queue;
mod radar;
mod recovery;
mod repo;
mod resolve;
mod session;
mod spawn;
#[cfg(test)]
mod stage;
mod steer;
mod strays;
mod task;
mod terms;
mod test_report;
mod title;
mod transcript;
mod turn;
mod view;
mod watching;
mod window;
mod worktree;
mod writer;

pub use archive::{ARCHIVE_SESSIONS_MAX, ArchiveTally, ImportedSession, SessionArchive};
pub use artifact::{ArtifactsPage, NewArtifact};
pub use ask::{AsideView, NewQuestion};
pub use board::{
    BoardCopy, BoardView, CardChange, CardConflict, CardCopy, CardView, CommentCopy, MissingWish, NewCard,
    NewComment, NewZone, TEMPLATE_NAMES, WholeBoard, ZoneChange, ZoneCopy,
};
pub use bus::{AckRule, Durability, Receipt};
pub use call::{Call, Caller, Key};
pub use checkpoint::bundle::BUNDLE_SERIES_MAX;
pub use checkpoint::import::NewBundleImport;
pub use checkpoint::look::{CHECKPOINTS_MAX, COMPARED_MAX, CheckpointFilter};
pub use checkpoint::point::NewCheckpoint;
pub use checkpoint::restore::{NewCheckpointRestore, RESTORE_PATHS_MAX};
pub use clients::{
    ATTACH_TTL, AttachedClient, CLIENT_NAME_MAX, CLIENTS_MAX, InputWish, NewAttachment, PresenceView,
    TYPING_TTL,
};
pub use config::{
    AgentBudget, AgentConfig, BudgetConfig, BusConfig, CompactionConfig, Compactor, Config, ConfigError,
    DatabaseConfig, Limits, PermissionConfig, PermissionPreset, QUEUE_DEPTH, RepoConfig, ServerConfig,
    Snapshot, Titles, Unattended, Usd,
};
pub use context::CONTEXT_WAIT_MAX;
pub use cost::{SPENDING_ROWS_MAX, Spending, SpendingBy, SpendingRow};
pub use database::machine;
pub use doctor::{Finding, Severity};
pub use engine::{Engine, EngineOptions, Environment, StartReport};
pub use event::{EventEntry, EventsPage};
pub use file::{NewRestore, RestorePoint};
pub use fork::NewFork;
pub use index::{FileQuery, FilesFound, FoundLine, FoundView, INDEXED_WORKTREES_MAX, QUERY_MAX};
pub use kin::{FamilyView, KIN_MAX, KinQuery};
pub use live::{Delta, DeltaKind, LiveTurn};
pub use lock::NewLock;
pub use merge_queue::{MERGE_QUEUE_MAX, MergeMove, MergeSource, NewMerge};
pub use message::{MessagePage, NewPrompt};
pub use notice::NewNotice;
pub use permission::rules::PermissionRuleConfig;
pub use permission::{NewDecision, PermissionView};
pub use plan::NewPlan;
pub use pool::{CLAIM_TEXT_MAX, ClaimOutcome, NewClaim, POOL_LISTED};
pub use queue::{PRIORITY_MAX, TaskMove};
pub use repo::{CLONES_MAX, NewClone, NewRepo, RepoChange};
pub use session::{CallbackWish, NewSession, RemovedSession, SessionChange, SessionsPage};
pub use spawn::{NewSpawn, SpawnedSession};
pub use store::{
    AgentFigures, Archived, BoardCounts, CloneRow, CommentRow, FOUND_MAX, FiringRow, FollowerStatus,
    GitStatus, IndexCounts, Kin, MergeRow, MessageRange, ScriptRow, SessionFilter, SessionSort,
};
pub use task::TaskPage;
pub use terms::{NewTerms, TermsChange};
pub use transcript::{IMPORTS_MAX, ImportState, ImportTrouble, ImportView, NewImport, Tally, WATCH_LEASE};
pub use view::{
    AgentView, BundleImportView, ComparedFile, ComparisonView, DataReport, LandedView, MergedView,
    ParticipantView, PlanView, RemovedView, RepoView, RestoredCheckpointView, RestoredView, SandboxView,
    SessionView, Status, TargetView, TaskView, TurnView, WaitView, WorktreeKind, WorktreeState, WorktreeView,
};
pub use watching::Watching;
pub use worktree::{DiskUse, NewAdoption, NewWorktree, Script};
