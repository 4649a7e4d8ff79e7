//! Checkpoints: kept, looked at, brought back.

use super::Key;
use crate::client::{Ask, Client};
use crate::{ClientError, path};
use protocol::Method::{Delete, Get, Post};
use protocol::{
    BundleImport, Checkpoint, CheckpointComparison, CheckpointQuery, CheckpointRestore, ComparisonQuery,
    NewBundleImport, NewCheckpoint, Page, RestoredCheckpoint,
};

impl Client {
    pub async fn checkpoints(
        &self,
        session: &str,
        query: &CheckpointQuery,
    ) -> Result<Page<Checkpoint>, ClientError> {
        let path = path::under("sessions", session, "/checkpoints");
        self.ask(Ask::new(Get, path::with_query(&path, query)?)).await
    }

    /// Keeps the files of the session's worktree as they are now.
    pub async fn create_checkpoint(
        &self,
        session: &str,
        new: &NewCheckpoint,
        key: Key<'_>,
    ) -> Result<Checkpoint, ClientError> {
        self.ask(Ask::new(Post, path::under("sessions", session, "/checkpoints")).body(new)?.key(key)).await
    }

    pub async fn checkpoint(&self, id: &str) -> Result<Checkpoint, ClientError> {
        self.ask(Ask::new(Get, path::under("checkpoints", id, ""))).await
    }

    pub async fn compare_checkpoint(
        &self,
        id: &str,
        query: &ComparisonQuery,
    ) -> Result<CheckpointComparison, ClientError> {
        let path = path::under("checkpoints", id, "/changes");
        self.ask(Ask::new(Get, path::with_query(&path, query)?)).await
    }

    pub async fn restore_checkpoint(
        &self,
        id: &str,
        restore: &CheckpointRestore,
        key: Key<'_>,
    ) -> Result<RestoredCheckpoint, ClientError> {
        self.ask(Ask::new(Post, path::under("checkpoints", id, "/restore")).body(restore)?.key(key)).await
    }

    pub async fn remove_checkpoint(&self, id: &str, key: Key<'_>) -> Result<Checkpoint, ClientError> {
        self.ask(Ask::new(Delete, path::under("checkpoints", id, "")).key(key)).await
    }

    pub async fn import_bundle(
        &self,
        repo: &str,
        import: &NewBundleImport,
        key: Key<'_>,
    ) -> Result<BundleImport, ClientError> {
        self.ask(Ask::new(Post, path::under("repos", repo, "/bundles/import")).body(import)?.key(key)).await
    }
}
