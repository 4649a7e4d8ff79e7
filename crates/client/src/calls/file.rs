//! Files of worktrees.

use super::Key;
use crate::client::{Ask, Client};
use crate::{ClientError, path};
use protocol::Method::{Get, Post};
use protocol::{FileQuery, FilesFound, IndexOrder, IndexReport, NewRestore, RestoredFile};

impl Client {
    /// The files that have all the words, the best first.
    pub async fn search_files(&self, query: &FileQuery) -> Result<FilesFound, ClientError> {
        self.ask(Ask::new(Get, path::with_query("/files", query)?)).await
    }

    /// Looks at all files first, which takes as long as that takes.
    pub async fn index_files(&self, order: &IndexOrder, key: Key<'_>) -> Result<IndexReport, ClientError> {
        self.ask(Ask::new(Post, "/files/index").body(order)?.key(key)).await
    }

    pub async fn restore_file(
        &self,
        repo: &str,
        new: &NewRestore,
        key: Key<'_>,
    ) -> Result<RestoredFile, ClientError> {
        self.ask(Ask::new(Post, path::under("repos", repo, "/restore")).body(new)?.key(key)).await
    }
}
