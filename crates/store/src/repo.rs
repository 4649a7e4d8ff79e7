//! Repositories.

use crate::statement::statements;
use crate::{StoreError, View, column};
use model::{CloneStart, CloneStep, Repo, RepoId};

/// A repository that is being cloned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloneRow {
    pub start: CloneStart,
    /// None before anything was heard of it.
    pub step: Option<CloneStep>,
}

statements! { QUERIES in Sessions {
    REPOS = "SELECT data FROM repos ORDER BY slug, seq";
    REPO = "SELECT data FROM repos WHERE repo_id = ?1";
    REPO_BY_SLUG = "SELECT data FROM repos WHERE slug = ?1 ORDER BY seq LIMIT 1";
    REPO_BY_PATH = "SELECT data FROM repos WHERE path = ?1 ORDER BY seq LIMIT 1";
    CLONES = "SELECT data, step FROM clones WHERE seq > 0 ORDER BY seq";
} }

impl View<'_> {
    /// By slug.
    pub fn repos(&self) -> Result<Vec<Repo>, StoreError> {
        self.rows(&REPOS, [], |row| column::json(row, "data"))
    }

    /// In the order they began.
    pub fn clones(&self) -> Result<Vec<CloneRow>, StoreError> {
        self.rows(&CLONES, [], |row| {
            Ok(CloneRow { start: column::json(row, "data")?, step: column::json_or_none(row, "step")? })
        })
    }

    pub fn repo(&self, id: RepoId) -> Result<Option<Repo>, StoreError> {
        self.row(&REPO, [id.to_string()], |row| column::json(row, "data"))
    }

    pub fn repo_by_slug(&self, slug: &str) -> Result<Option<Repo>, StoreError> {
        self.row(&REPO_BY_SLUG, [slug], |row| column::json(row, "data"))
    }

    /// By the canonical path of the main worktree.
    pub fn repo_by_path(&self, path: &str) -> Result<Option<Repo>, StoreError> {
        self.row(&REPO_BY_PATH, [path], |row| column::json(row, "data"))
    }
}
