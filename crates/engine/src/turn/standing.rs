//! Where a turn's checkout stands when the turn begins, and when its checkpoint was taken.
//!
//! Git's look at all the files is the dearest part of a turn's beginning and end, so there is one: that for the checkpoint.
//! Only who has none asks git for himself.

use crate::checkpoint;
use crate::engine::Shared;
use git::{GitError, Oid, Repository, Status};
use model::{GitState, Refusal, Repo, RepoPath};
use std::sync::Arc;

/// How a checkout was found.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) state: GitState,
    /// What is not committed.
    pub(crate) changed: Vec<RepoPath>,
}

impl Standing {
    /// By a look that was had.
    pub(crate) fn of(repository: &Repository, head: Option<&Oid>, status: Status) -> Result<Self, GitError> {
        let dirty = !status.entries.is_empty() || status.unnamable > 0;
        let state = GitState { branch: repository.branch()?, commit: head.map(ToString::to_string), dirty };
        Ok(Self { state, changed: status.entries.into_iter().map(|entry| entry.path).collect() })
    }
}

/// What is known already, or what git says. None without a repository; that git does not say is no reason not to work.
pub(super) async fn of(
    shared: &Arc<Shared>,
    repo: Option<&Repo>,
    known: Option<Standing>,
) -> Option<Standing> {
    if known.is_some() {
        return known;
    }
    let path = repo?.path.clone();
    let looked = shared.blocking(move |shared| {
        let repository = checkpoint::open(shared, &path)?;
        let look = || Standing::of(&repository, repository.head()?.as_ref(), repository.status(&[])?);
        look().map_err(Refusal::from)
    });
    match looked.await {
        Ok(standing) => Some(standing),
        Err(error) => {
            tracing::warn!(%error, "nobody knows where the turn's checkout stands");
            None
        }
    }
}
