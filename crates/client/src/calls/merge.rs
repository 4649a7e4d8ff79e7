//! The merge queue.

use super::Key;
use crate::client::{Ask, Client};
use crate::{ClientError, path};
use protocol::Method::{Get, Post};
use protocol::{Merge, MergeMove, MergeQuery, MergeRun, NewMergeEntry, Page};

impl Client {
    pub async fn merges(&self, query: &MergeQuery) -> Result<Page<Merge>, ClientError> {
        self.ask(Ask::new(Get, path::with_query("/merges", query)?)).await
    }

    pub async fn merge(&self, id: &str) -> Result<Merge, ClientError> {
        self.ask(Ask::new(Get, path::under("merges", id, ""))).await
    }

    pub async fn add_merge(&self, new: &NewMergeEntry, key: Key<'_>) -> Result<Merge, ClientError> {
        self.ask(Ask::new(Post, "/merges").body(new)?.key(key)).await
    }

    pub async fn cancel_merge(&self, id: &str, key: Key<'_>) -> Result<Merge, ClientError> {
        self.ask(Ask::new(Post, path::under("merges", id, "/cancel")).key(key)).await
    }

    pub async fn move_merge(
        &self,
        id: &str,
        to: &MergeMove,
        key: Key<'_>,
    ) -> Result<Page<Merge>, ClientError> {
        self.ask(Ask::new(Post, path::under("merges", id, "/move")).body(to)?.key(key)).await
    }

    /// Tries now what is held or was handed back.
    pub async fn run_merges(&self, run: &MergeRun, key: Key<'_>) -> Result<Page<Merge>, ClientError> {
        self.ask(Ask::new(Post, "/merges/run").body(run)?.key(key)).await
    }
}
