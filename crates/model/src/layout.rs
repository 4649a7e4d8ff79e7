//! Where things live under a data root. Names only; nothing here touches the disk.

use std::path::{Path, PathBuf};

/// The user's data: `<projects>/.coditect-data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataRoot {
    root: PathBuf,
}

/// One workspace under the data root: `studio/<workspace>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceDir {
    dir: PathBuf,
}

/// Name of the workspace a local install starts with.
pub const DEFAULT_WORKSPACE: &str = "default";

impl DataRoot {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub fn path(&self) -> &Path {
        &self.root
    }

    pub fn machine_id(&self) -> PathBuf {
        self.root.join("machine-id.json")
    }

    /// Agents, limits and prices, written by the user.
    pub fn config(&self) -> PathBuf {
        self.root.join("config.json")
    }

    /// What belongs to the one daemon of this root: lock, socket, token, log. Mode 0700.
    pub fn daemon_dir(&self) -> PathBuf {
        self.root.join("daemon")
    }

    /// Held with flock for the daemon's life.
    pub fn daemon_lock(&self) -> PathBuf {
        self.daemon_dir().join("lock")
    }

    /// Who the daemon is and where it listens, for its clients. Mode 0600.
    pub fn daemon_info(&self) -> PathBuf {
        self.daemon_dir().join("daemon.json")
    }

    /// The user's token. Mode 0600.
    pub fn token(&self) -> PathBuf {
        self.daemon_dir().join("token")
    }

    pub fn daemon_log(&self) -> PathBuf {
        self.daemon_dir().join("daemon.log")
    }

    pub fn workspace(&self, name: &str) -> WorkspaceDir {
        WorkspaceDir { dir: self.root.join("studio").join(name) }
    }
}

impl WorkspaceDir {
    pub fn path(&self) -> &Path {
        &self.dir
    }

    pub fn journal(&self) -> PathBuf {
        self.dir.join("journal")
    }

    pub fn blobs(&self) -> PathBuf {
        self.dir.join("blobs")
    }

    /// Folder of messaging.db and its runtime files (doorbells, liveness locks, fence epoch).
    pub fn bus(&self) -> PathBuf {
        self.dir.clone()
    }

    pub fn messaging_db(&self) -> PathBuf {
        self.dir.join("messaging.db")
    }

    pub fn databases(&self) -> PathBuf {
        self.dir.join("databases")
    }

    pub fn session_logs(&self) -> PathBuf {
        self.dir.join("session-logs")
    }

    /// Per-run files: credential, liveness. Mode 0700.
    pub fn runs(&self) -> PathBuf {
        self.dir.join("runs")
    }

    /// Repositories that were cloned into the workspace, by slug.
    pub fn repos(&self) -> PathBuf {
        self.dir.join("repos")
    }

    /// Worktrees that were put aside, until they expire.
    pub fn trash(&self) -> PathBuf {
        self.dir.join("trash")
    }

    /// Bundles of checkpoints, by the id of their repo.
    pub fn checkpoints(&self) -> PathBuf {
        self.dir.join("checkpoints")
    }

    /// Worktrees: by repo and name, and those lent to participants by session and agent.
    pub fn worktrees(&self) -> PathBuf {
        self.dir.join("worktrees")
    }

    /// What files held when they were locked, and what was overwritten, by content hash.
    pub fn known(&self) -> PathBuf {
        self.dir.join("known")
    }

    pub fn backups(&self) -> PathBuf {
        self.dir.join("backups")
    }
}
