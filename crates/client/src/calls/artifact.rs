//! Artifacts.

use super::Key;
use crate::client::{Ask, Client, Download};
use crate::{ClientError, path};
use protocol::Method::{Delete, Get, Post};
use protocol::{Artifact, ArtifactQuery, NewArtifact, Page};

impl Client {
    /// Keeps the content; the same put again is the artifact that is there.
    pub async fn put_artifact(
        &self,
        new: &NewArtifact,
        content: Vec<u8>,
        key: Key<'_>,
    ) -> Result<Artifact, ClientError> {
        self.ask(Ask::new(Post, path::with_query("/artifacts", new)?).bytes(content).key(key)).await
    }

    pub async fn artifacts(&self, query: &ArtifactQuery) -> Result<Page<Artifact>, ClientError> {
        self.ask(Ask::new(Get, path::with_query("/artifacts", query)?)).await
    }

    pub async fn artifact(&self, id: &str) -> Result<Artifact, ClientError> {
        self.ask(Ask::new(Get, path::under("artifacts", id, ""))).await
    }

    /// What it holds, piece by piece.
    pub async fn artifact_content(&self, id: &str) -> Result<Download, ClientError> {
        self.download(Ask::new(Get, path::under("artifacts", id, "/content"))).await
    }

    pub async fn remove_artifact(&self, id: &str, key: Key<'_>) -> Result<Artifact, ClientError> {
        self.ask(Ask::new(Delete, path::under("artifacts", id, "")).key(key)).await
    }
}
