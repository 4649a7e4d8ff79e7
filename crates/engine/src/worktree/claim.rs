//! Who has a worktree: a turn, from before its worktree is made until it is over.
//!
//! The bus knows a turn only once its run is registered there. Between the making of a worktree and that moment nobody would
//! be seen in it. Invariant: whatever takes worktrees away looks here on the thread on which they are made.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Whose turns have each.
type Held = Mutex<HashMap<PathBuf, Vec<String>>>;

#[derive(Default)]
pub(crate) struct Claims(Arc<Held>);

/// As long as it lives, the worktree stays.
#[derive(Debug)]
pub(crate) struct Claim {
    held: Arc<Held>,
    path: PathBuf,
    who: String,
}

impl Claims {
    pub(crate) fn take(&self, path: &Path, who: &str) -> Claim {
        let (path, who) = (real(path), who.to_owned());
        locked(&self.0).entry(path.clone()).or_default().push(who.clone());
        Claim { held: Arc::clone(&self.0), path, who }
    }

    /// Whose turns have it.
    pub(super) fn of(&self, path: &Path) -> Vec<String> {
        locked(&self.0).get(&real(path)).cloned().unwrap_or_default()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut held = locked(&self.held);
        if let Some(names) = held.get_mut(&self.path) {
            if let Some(at) = names.iter().position(|name| *name == self.who) {
                names.remove(at);
            }
            if names.is_empty() {
                held.remove(&self.path);
            }
        }
    }
}

/// The path without links, as far as there is anything at it.
fn real(path: &Path) -> PathBuf {
    for there in path.ancestors() {
        if let (Ok(real), Ok(rest)) = (there.canonicalize(), path.strip_prefix(there)) {
            return if rest.as_os_str().is_empty() { real } else { real.join(rest) };
        }
    }
    path.to_owned()
}

fn locked(held: &Held) -> MutexGuard<'_, HashMap<PathBuf, Vec<String>>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::own;
    use super::*;
    use crate::stage::{Stage, agent};
    use crate::{Call, Engine};
    use model::Repo;

    #[test]
    fn a_worktree_is_claimed_until_the_last_turn_lets_go() {
        let (claims, path) = (Claims::default(), Path::new("/w"));
        let (first, second) = (claims.take(path, "claude"), claims.take(path, "kimi"));
        drop(first);
        assert_eq!((claims.of(path), claims.of(Path::new("/v"))), (vec!["kimi".to_owned()], Vec::new()));
        drop(second);
        assert!(claims.of(path).is_empty());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_that_was_just_made_and_has_no_run_yet_is_not_pruned() {
        let stage = Stage::with_path();
        let origin = testkit::TempRepo::with(&[("a.txt", "one\n")]);
        origin.git(&["clone", "-q", ".", stage.worktree().to_str().unwrap()]);
        let (session, _) = stage.session(&["claude"]);
        let repo: Repo = stage.shared.store.read(|view| view.repo(session.repo.unwrap())).unwrap().unwrap();
        let engine = Engine { shared: Arc::clone(&stage.shared) };
        let user = Call::user("test");
        let (own, claim) = own(&stage.shared, session.id, &agent("claude"), repo).await.unwrap();
        let kept = engine.prune_worktrees(&user).await.unwrap().remove(0);
        assert!(kept.kept_because.is_some_and(|why| why.contains("claude works in")));
        let refused = engine.remove_worktree(&user, session.id, &agent("claude"), true).await.unwrap_err();
        assert_eq!(refused.code, "worktree_in_use");
        assert!(Path::new(&own.path).join("a.txt").exists());
        drop(claim);
        let gone = engine.prune_worktrees(&user).await.unwrap().remove(0);
        assert_eq!(gone.kept_because, None);
        assert!(!Path::new(&own.path).exists());
    }
}
