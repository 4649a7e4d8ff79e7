//! Shared context.

use super::Key;
use crate::client::{Ask, Client};
use crate::{ClientError, path};
use protocol::Method::{Get, Post};
use protocol::{
    ContextChangeQuery, ContextChanges, ContextEntry, ContextQuery, ContextVersion, NewContext, Page,
};

impl Client {
    pub async fn context_entries(&self, query: &ContextQuery) -> Result<Page<ContextEntry>, ClientError> {
        self.ask(Ask::new(Get, path::with_query("/context", query)?)).await
    }

    pub async fn context_entry(&self, key: &str) -> Result<ContextEntry, ClientError> {
        self.ask(Ask::new(Get, path::under("context", key, ""))).await
    }

    /// Sets an entry; null removes it.
    pub async fn set_context(&self, new: &NewContext, key: Key<'_>) -> Result<ContextVersion, ClientError> {
        self.ask(Ask::new(Post, "/context").body(new)?.key(key)).await
    }

    /// The newest first.
    pub async fn context_versions(&self, key: &str) -> Result<Page<ContextVersion>, ClientError> {
        self.ask(Ask::new(Get, path::under("context", key, "/versions"))).await
    }

    /// Changes after a version; waits for one as long as the query says, which has to be shorter than this client's time limit.
    pub async fn context_changes(&self, query: &ContextChangeQuery) -> Result<ContextChanges, ClientError> {
        self.ask(Ask::new(Get, path::with_query("/context-changes", query)?)).await
    }
}
