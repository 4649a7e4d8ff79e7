//! Repos: register, change, remove.

use crate::{Call, Engine};
use model::{Refusal, Repo, RepoId};

#[derive(Debug, Clone, Default)]
pub struct NewRepo {
    pub path: String,
    /// None: made from the folder's name.
    pub slug: Option<String>,
    pub test_command: Option<Vec<String>>,
}

#[derive(Debug, Clone, Default)]
pub struct RepoChange {
    pub slug: Option<String>,
    /// `Some(None)` forgets the command.
    pub test_command: Option<Option<Vec<String>>>,
}

impl Engine {
    pub async fn add_repo(&self, call: &Call, new: NewRepo) -> Result<Repo, Refusal> {
        todo!()
    }

    pub async fn change_repo(&self, call: &Call, repo: RepoId, change: RepoChange) -> Result<Repo, Refusal> {
        todo!()
    }

    pub async fn remove_repo(&self, call: &Call, repo: RepoId) -> Result<(), Refusal> {
        todo!()
    }

    pub fn repos(&self) -> Result<Vec<Repo>, Refusal> {
        todo!()
    }

    pub fn repo(&self, repo: RepoId) -> Result<Repo, Refusal> {
        todo!()
    }

    pub fn resolve_repo(&self, given: &str) -> Result<RepoId, Refusal> {
        todo!()
    }
}
