//! The engine itself: what it is made of, how it starts and how it stops.

use crate::config::{ConfigError, ConfigProvider, Snapshot};
use crate::live::Live;
use crate::{Caller, Status};
use model::{Clock, DataRoot, Entropy, Refusal};
use std::path::PathBuf;
use std::sync::Arc;

/// Everything the engine is told instead of looking it up.
pub struct EngineOptions {
    pub data_root: DataRoot,
    pub workspace: String,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    /// The binary that runs are made of: it is executed again as guard and as native loop.
    pub executable: PathBuf,
    /// Reads an environment variable; how API keys come in.
    pub environment: Arc<dyn Fn(&str) -> Option<String> + Send + Sync>,
    pub version: &'static str,
}

/// What opening found.
#[derive(Debug, Clone, Default)]
pub struct StartReport {
    pub events: u64,
    /// Sentences about what was repaired or resubmitted.
    pub repairs: Vec<String>,
}

/// The product's use cases. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) config: ConfigProvider,
    pub(crate) live: Live,
}

impl Engine {
    pub async fn open(options: EngineOptions) -> Result<(Self, StartReport), Refusal> {
        let _ = options;
        todo!()
    }

    pub fn config(&self) -> Arc<Snapshot> {
        self.shared.config.snapshot()
    }

    pub fn reload_config(&self) -> Result<Arc<Snapshot>, ConfigError> {
        self.shared.config.reload()
    }

    pub fn status(&self) -> Result<Status, Refusal> {
        todo!()
    }

    /// The run a token was minted for, while it lives.
    pub fn authenticate_run(&self, token: &str) -> Option<Caller> {
        let _ = token;
        todo!()
    }

    /// Counts work that a face had to drop: slow readers, refused submissions.
    pub fn count_dropped(&self, n: u64) {
        let _ = n;
        todo!()
    }

    /// Ends runs, writes what is waiting, closes the databases. Safe to call twice.
    pub async fn shutdown(&self) {
        todo!()
    }

    /// Resolves when the engine can no longer acknowledge anything (a failed fsync, a full stop); the daemon exits then.
    pub async fn failed(&self) -> String {
        todo!()
    }
}
