//! Where a turn's checkout stands: asked of git when the turn begins, and when its checkpoint was taken.

use crate::checkpoint;
use crate::engine::Shared;
use git::GitError;
use model::{GitState, Refusal, Repo};
use std::sync::Arc;

/// None without a repository. That git does not say is no reason not to work.
pub(super) async fn of(shared: &Arc<Shared>, repo: Option<&Repo>) -> Option<GitState> {
    let path = repo?.path.clone();
    let looked = shared.blocking(move |shared| {
        let repository = checkpoint::open(shared, &path)?;
        let look = || -> Result<GitState, GitError> {
            let status = repository.status(&[])?;
            Ok(GitState {
                branch: repository.branch()?,
                commit: repository.head()?.map(|oid| oid.to_string()),
                dirty: !status.entries.is_empty() || status.unnamable > 0,
            })
        };
        look().map_err(Refusal::from)
    });
    match looked.await {
        Ok(state) => Some(state),
        Err(error) => {
            tracing::warn!(%error, "nobody knows where the turn's checkout stands");
            None
        }
    }
}
