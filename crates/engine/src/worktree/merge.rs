//! Merging: what was done in a named worktree comes to a branch, and to the checkout that is on it.

use super::inside::nobody_works;
use super::land::nobody_holds;
use super::{again, checkout, remove::Target};
use crate::engine::Shared;
use crate::{Call, Engine, MergedView, checkpoint};
use git::{HalfLanded, Landing, REF_PREFIX, Repository, Touchdown};
use model::{Event, Refusal, Timestamp, WorktreeId, WorktreeMerged};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longest message of a merge commit, in bytes.
pub(crate) const MESSAGE_MAX: usize = 16 * 1024;
/// How a checkout that is on no branch is called.
pub(super) const DETACHED: &str = "HEAD";

/// Of a merge commit, where one is wanted.
pub(crate) fn check_message(message: Option<&str>) -> Result<(), Refusal> {
    match message.filter(|text| text.len() > MESSAGE_MAX || text.trim().is_empty()) {
        None => Ok(()),
        Some(bad) => {
            let message = format!("a message has 1 to {MESSAGE_MAX} bytes, and this one {}", bad.len());
            Err(Refusal::invalid("message_invalid", message))
        }
    }
}

impl Engine {
    /// Brings the commits of a worktree to a branch; without one, to the branch that the repo's checkout is on. Refused,
    /// and nothing changed, when something in it is not committed or either side is in the other's way.
    pub async fn merge_worktree(
        &self,
        call: &Call,
        id: WorktreeId,
        into: Option<String>,
        message: Option<String>,
    ) -> Result<MergedView, Refusal> {
        call.only_user()?;
        check_message(message.as_deref())?;
        if let Some(into) = &into {
            git::check_branch(into)?;
        }
        if let Some(records) = self.shared.done_before(call).await? {
            return again::merged(&records);
        }
        let row = self.worktree_row(id)?;
        if row.trashed.is_some() {
            return Err(Refusal::conflict("worktree_trashed", "it is in the trash")
                .hint(format!("`coditect worktree restore {}` brings it back", id.short())));
        }
        let target = self.target(row.worktree)?;
        let at = self.shared.now();
        let (shared, repo) = (Arc::clone(&self.shared), target.repo.path.clone());
        let job = move || merge(&shared, &target, into.as_deref(), message, at);
        let view = self.shared.writers.run(Path::new(&repo), job).await?;
        let merged = WorktreeMerged {
            worktree: id,
            repo: view.repo,
            into: view.into.clone().unwrap_or_else(|| DETACHED.to_owned()),
            head: view.head.clone(),
            merged: view.merged,
            files: view.changed.len() as u64,
            changed: view.changed.clone(),
        };
        if !view.changed.is_empty() {
            self.shared.conclude_for(call, vec![Event::WorktreeMerged(merged)]).await?;
        }
        Ok(view)
    }
}

/// Where a branch is checked out.
enum Place {
    /// In the repo's own checkout or another worktree.
    Checkout(Repository, PathBuf),
    Nowhere(String),
}

fn place(shared: &Shared, main: &Repository, into: Option<&str>) -> Result<Place, Refusal> {
    let own = main.branch()?;
    let wanted = match into {
        Some(into) if own.as_deref() != Some(into) => into,
        _ => return Ok(Place::Checkout(main.clone(), main.top().to_owned())),
    };
    let elsewhere = main.worktrees()?.into_iter();
    let mut elsewhere = elsewhere.filter(|one| !one.missing && one.branch.as_deref() == Some(wanted));
    match elsewhere.next() {
        Some(one) => Ok(Place::Checkout(shared.git.open(&one.path)?, one.path)),
        None => Ok(Place::Nowhere(wanted.to_owned())),
    }
}

/// On the writer's thread of the repo's checkout: no agent edits there meanwhile.
fn merge(
    shared: &Shared,
    target: &Target,
    into: Option<&str>,
    message: Option<String>,
    at: Timestamp,
) -> Result<MergedView, Refusal> {
    let main = checkpoint::open(shared, &target.repo.path)?;
    let worktree = checkout(shared, &target.repo, Path::new(&target.worktree.path))?;
    let holding = worktree.holding()?;
    if !holding.dirty.is_empty() || holding.unnamable > 0 {
        let message = format!("not committed in {}: {}", target.label, holding.dirty_words());
        return Err(Refusal::conflict("worktree_dirty", message).hint("commit it there, then merge again"));
    }
    let head = holding.head.ok_or_else(|| Refusal::invalid("no_commit", "the worktree has no commit"))?;
    let author = main.identity(&shared.user_home())?;
    let message = message.unwrap_or_else(|| format!("Merge worktree {}", target.worktree.name));
    let landing = Landing { commit: &head, message: &message, author: &author, at, forward_only: false };
    let (landed, branch) = bring(shared, &main, worktree.top(), into, &landing)?;
    main.update_ref(&format!("{REF_PREFIX}landed/{}", target.worktree.id), &head)?;
    Ok(MergedView {
        worktree: target.worktree.id,
        repo: target.repo.id,
        into: branch,
        head: landed.head.to_string(),
        merged: landed.merged,
        changed: landed.changed,
    })
}

/// Brings a commit to a branch, and to the checkout that is on it; without a branch, to that of the repo's checkout. On the
/// writer's thread of that: no agent edits there meanwhile.
pub(crate) fn bring(
    shared: &Shared,
    main: &Repository,
    own: &Path,
    into: Option<&str>,
    landing: &Landing<'_>,
) -> Result<(Touchdown, Option<String>), Refusal> {
    let (open, path) = match place(shared, main, into)? {
        Place::Checkout(open, path) => (open, path),
        Place::Nowhere(branch) => return Ok((main.land_on(&branch, landing)?, Some(branch))),
    };
    if open.top() == own {
        let message = "that is the branch of the worktree itself";
        return Err(Refusal::invalid("merge_into_itself", message).hint("give another with --into"));
    }
    if open.top() != main.top() {
        nobody_works(shared, &path, &format!("on {}", into.unwrap_or_default()))?;
    }
    nobody_holds(shared, &path.display().to_string(), &open.would_change(landing)?)?;
    let landed = open.land(landing)?;
    shared.strays.account(&path, &landed.changed);
    shared.edited(&path, None, None);
    Ok((landed, open.branch()?))
}

/// Ends landings that the daemon's end cut off between the branch and the checkout that shows it. Says a sentence for each.
pub(crate) async fn mend(shared: &Arc<Shared>) -> Result<Vec<String>, Refusal> {
    let repos = shared.store.read(|view| view.repos())?;
    let look = move |shared: &Shared| {
        let places = repos.iter().flat_map(|repo| git::half_landed(Path::new(&repo.path)));
        Ok(places.filter_map(|place| finish(shared, &place)).collect())
    };
    shared.blocking(look).await
}

fn finish(shared: &Shared, place: &Path) -> Option<String> {
    let what = format!("a landing in {} was cut off by the daemon's end", place.display());
    match shared.git.open(place).and_then(|open| open.finish_landing()) {
        Ok(HalfLanded::No) => None,
        Ok(HalfLanded::Finished) => Some(format!("{what}; its files show now what has landed")),
        Ok(HalfLanded::TakenBack) => {
            Some(format!("{what} and was taken back: something of yours has come into its way since"))
        }
        Err(error) => Some(format!("{what} and is not finished yet: {error}")),
    }
}
