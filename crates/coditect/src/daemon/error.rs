//! Why a daemon does not run, with what to do about it.

use super::file_system::Unsafe;
use crate::output::Complaint;
use model::{Refusal, RefusalKind};
use protocol::ExitClass;
use server::ServerError;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub(crate) enum DaemonError {
    #[error("a daemon runs for {} already{}", root.display(), first(*pid, url.as_deref()))]
    Running { root: PathBuf, pid: Option<u32>, url: Option<String> },
    #[error("{} is on a {} file system, where databases and locks are not safe", path.display(), kind.name())]
    FileSystem { path: PathBuf, kind: Unsafe },
    #[error("`{0}` is no name of a workspace: use letters, digits, `-` and `_`")]
    Workspace(String),
    #[error("cannot {action} {}: {error}", path.display())]
    Io { action: &'static str, path: PathBuf, error: std::io::Error },
    #[error("the daemon cannot start: {0}")]
    Runtime(std::io::Error),
    #[error("{0}")]
    Engine(Refusal),
    #[error("{0}")]
    Server(#[from] ServerError),
    #[error("{} was deleted, moved or replaced while its daemon ran", root.display())]
    Gone { root: PathBuf },
    #[error("the daemon stopped because it could no longer write safely: {0}")]
    Failed(String),
}

fn first(pid: Option<u32>, url: Option<&str>) -> String {
    match (pid, url) {
        (Some(pid), Some(url)) => format!(": pid {pid} at {url}"),
        (Some(pid), None) => format!(": pid {pid}"),
        (None, _) => String::new(),
    }
}

impl DaemonError {
    /// Stable, machine-readable, `snake_case`.
    fn code(&self) -> &'static str {
        match self {
            Self::Running { .. } => "daemon_running",
            Self::FileSystem { .. } => "file_system_unsafe",
            Self::Workspace(_) => "workspace_name_invalid",
            Self::Io { error, .. } if error.kind() == std::io::ErrorKind::StorageFull => "disk_full",
            Self::Io { .. } => "data_root_unusable",
            Self::Runtime(_) => "daemon_not_started",
            Self::Engine(_) => "workspace_not_opened",
            Self::Server(ServerError::PortTaken { .. }) => "port_taken",
            Self::Server(_) => "server_not_started",
            Self::Gone { .. } => "data_root_gone",
            Self::Failed(_) => "daemon_failed",
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Running { .. } => "use it, or stop it with `coditect daemon stop`",
            Self::FileSystem { .. } => {
                "put the data root on a local disk: give --data-root, or set CODITECT_DATA_ROOT"
            }
            Self::Io { .. } => "mend that, or give another data root with --data-root",
            Self::Engine(refusal) => return refusal.hint.clone(),
            Self::Gone { .. } => {
                "if it was moved, all that was acknowledged is there: name that place with --data-root; else begin anew with `coditect up`"
            }
            Self::Failed(_) => {
                "check the disk, then start it again with `coditect up`; what was acknowledged is kept"
            }
            Self::Workspace(_) | Self::Runtime(_) | Self::Server(_) => return None,
        };
        Some(hint.to_owned())
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::Running { .. } => RefusalKind::Conflict,
            Self::Engine(refusal) => refusal.kind,
            Self::Server(ServerError::PortTaken { .. }) => RefusalKind::Conflict,
            Self::FileSystem { .. } | Self::Io { .. } | Self::Gone { .. } => RefusalKind::Unavailable,
            Self::Workspace(_) => RefusalKind::Invalid,
            Self::Runtime(_) | Self::Server(_) | Self::Failed(_) => RefusalKind::Internal,
        }
    }

    pub(crate) fn refusal(&self) -> Refusal {
        let refusal = Refusal::new(self.kind(), self.code(), self.to_string());
        Refusal { hint: self.hint(), ..refusal }
    }
}

impl From<DaemonError> for Complaint {
    fn from(error: DaemonError) -> Self {
        let class = match error.kind() {
            RefusalKind::Conflict => ExitClass::Conflict,
            RefusalKind::Invalid => ExitClass::Usage,
            _ => ExitClass::Failed,
        };
        let complaint = Complaint::new(class, error.code(), error.to_string());
        Complaint { hint: error.hint(), ..complaint }
    }
}
