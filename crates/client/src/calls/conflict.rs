//! Conflicts between worktrees.

use super::Key;
use crate::client::{Ask, Client};
use crate::{ClientError, path};
use protocol::Method::{Get, Post};
use protocol::{Conflict, ConflictQuery, Page};

impl Client {
    pub async fn conflicts(&self, query: &ConflictQuery) -> Result<Page<Conflict>, ClientError> {
        self.ask(Ask::new(Get, path::with_query("/conflicts", query)?)).await
    }

    /// Looks at every worktree first.
    pub async fn sweep_conflicts(
        &self,
        query: &ConflictQuery,
        key: Key<'_>,
    ) -> Result<Page<Conflict>, ClientError> {
        self.ask(Ask::new(Post, path::with_query("/conflicts/sweep", query)?).key(key)).await
    }
}
