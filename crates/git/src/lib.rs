//! Repositories, snapshots, diffs and refs: the only place that runs git.
//!
//! Invariant: no byte of a repository is ever executed. Every git process gets an environment made
//! here from nothing and a configuration written here; the repository's own configuration, hooks and
//! filters are not read by any verb this crate runs (docs/decisions/0006-git.md says how).
//!
//! The user's checkout belongs to the user: a snapshot touches neither HEAD, nor a branch, nor the
//! index; moving the branch touches the index only at the moved paths, and only where nothing else was staged.

mod advance;
mod author;
mod branch;
mod bundle;
mod clone;
mod commit;
mod compare;
mod contents;
mod conversion;
mod cut_off;
mod diff;
mod discover;
mod dry_merge;
mod error;
mod files;
mod half_landed;
mod holding;
mod hunk;
mod land;
mod lay;
mod listed;
mod log;
mod oid;
mod pile;
mod point;
mod pour;
mod process;
mod radar;
mod replay;
mod repository;
mod sealed;
mod site;
mod snapshot;
mod status;
mod trash;
mod tree;
mod url;
mod worktree;

pub use advance::{Advanced, INDEX_WAIT, IndexRefresh};
pub use author::{Author, UserHome};
pub use branch::{BRANCH_MAX, branch_at, check_branch};
pub use bundle::{BUNDLE_BYTES_MAX, BUNDLE_LINES_MAX, BundleHeader};
pub use clone::{CLONE_BYTES_MAX, CLONE_TIMEOUT, CloneOrder, CloneProgress};
pub use compare::{Comparison, Difference, Standing};
pub use contents::Content;
pub use cut_off::sweep_cut_off;
pub use diff::{DIFF_MAX, DIFF_PATHS_MAX, Diff};
pub use dry_merge::{DRY_MERGES_MAX, DryMerge};
pub use error::{GitError, MERGE_CONFLICT, NO_BRANCH};
pub use files::Files;
pub use half_landed::{HalfLanded, half_landed};
pub use holding::Holding;
pub use hunk::{Hunk, Hunks, Touched};
pub use land::{Landing, Touchdown};
pub use listed::{Listed, WORKTREES_MAX};
pub use log::{LOG_MAX, LogEntry};
pub use oid::{Oid, OidError};
pub use pile::{Pile, REBASE_MAX, Stuck};
pub use point::{
    Facts, Keep, Kept, LINE_MAX, POINT_FILES_MAX, Survey, UNTRACKED_BYTES_MAX, UNTRACKED_FILE_MAX,
};
pub use process::{Git, Limits, OUTPUT_MAX, TIMEOUT, is_own_git};
pub use radar::{Dirty, Held, LOOK_FILE_MAX};
pub use replay::Replayed;
pub use repository::{REF_PREFIX, Repository};
pub use site::{LOCK_WAIT, Site, Start};
pub use snapshot::{FILE_MAX, MESSAGE_MAX, PATHS_MAX, Snapshot, Taken};
pub use status::{Change, Status, StatusEntry, UNFINISHED};
pub use trash::{Discard, PutBack};
pub use url::{CloneUrl, URL_MAX, looks_like_url};
pub use worktree::{LENT_PREFIX, Lent};
