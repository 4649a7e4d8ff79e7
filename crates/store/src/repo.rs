//! Repositories.

use crate::{StoreError, View};
use model::{Repo, RepoId};

impl View<'_> {
    /// By slug.
    pub fn repos(&self) -> Result<Vec<Repo>, StoreError> {
        crate::store::unfinished(())
    }

    pub fn repo(&self, id: RepoId) -> Result<Option<Repo>, StoreError> {
        crate::store::unfinished(id)
    }

    pub fn repo_by_slug(&self, slug: &str) -> Result<Option<Repo>, StoreError> {
        crate::store::unfinished(slug)
    }

    /// By the canonical path of the main worktree.
    pub fn repo_by_path(&self, path: &str) -> Result<Option<Repo>, StoreError> {
        crate::store::unfinished(path)
    }
}
