//! The workspace's databases as projections of its journal.
//!
//! [`Store`] owns the journal and one committer thread. A [`Commit`] is validated and applied inside
//! open transactions on sessions.db and messages.db, its events are written to the journal, one sync makes
//! the whole batch durable, and only then are the transactions committed and the callers answered.
//! Reads go through [`View`], on connections of their own.
//!
//! Invariant: a database never holds anything the journal does not say. Every row follows from the records up to the
//! watermark stored beside it, so each file can be thrown away and folded again.

mod apply;
mod archive;
mod artifact;
mod batch;
mod board;
mod checkpoint;
mod column;
mod commit;
mod committer;
mod compaction;
mod conflict;
mod connection;
mod context;
mod doctor;
mod due;
mod dump;
mod error;
mod fold;
mod follower;
mod idempotency;
mod index;
mod ledger;
mod lock;
mod merge_queue;
mod message;
mod migrate;
mod moving;
mod notice;
mod permission;
mod plan;
mod postgresql;
mod readers;
mod rebuild;
mod registration;
mod repo;
mod resolve;
mod run;
mod session;
mod side;
mod spending;
mod sql;
mod statement;
mod store;
mod task;
mod transcript;
mod turn;
mod user;
mod verdict;
mod view;
mod wal;
mod watermark;
mod worktree;

pub use crate::postgresql::{PostgresqlOptions, WORKSPACE_MAX};
pub use ::postgresql::holds_password;
pub use artifact::ArtifactRow;
pub use board::{BoardCounts, CardRow, CommentRow, FiringRow};
pub use checkpoint::{BundleRow, CheckpointRow, FileChangeRow};
pub use commit::{COMMIT_QUEUE, Command, Commit, CommitError, Past, Receipt};
pub use compaction::CompactionRow;
pub use doctor::Counts;
pub use due::DueTask;
pub use error::StoreError;
pub use idempotency::OUTBOX_WINDOW;
pub use index::{
    FOUND_MAX, FileFilter, FileIndex, FoundFile, GitStatus, INDEX_FILE, IndexCounts, IndexedWorktree,
    KnownFile, QUERY_WORDS_MAX, SeenFile, Wanted,
};
pub use lock::LockChangeRow;
pub use merge_queue::MergeRow;
pub use message::MessageRange;
pub use moving::{Moved, move_to_files, move_to_server};
pub use permission::PermissionRow;
pub use plan::PlanRow;
pub use registration::RegistrationRow;
pub use repo::CloneRow;
pub use resolve::{Candidate, LAST, RESOLVE_MAX, Resolved, ShortId};
pub use run::RunRow;
pub use session::{
    ActiveSession, Archived, DueCallback, GENEALOGY_DEPTH, Kin, LOOKED_MAX, ParticipantRow, SessionFilter,
    SessionMark, SessionPage, SessionRow, SessionSort, Shown, SortValue, StatusRow,
};
pub use side::AgentFigures;
pub use spending::{SpendingBy, SpendingRow};
pub use store::{FollowerStatus, OpenReport, Opening, RebuildReport, Store, StoreOptions, StoreReport};
pub use task::{TargetRow, TaskRow};
pub use transcript::TranscriptRow;
pub use turn::TurnRow;
pub use view::View;
pub use worktree::{ScriptRow, WorktreeRow};
