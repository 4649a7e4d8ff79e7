//! Checkpoints looked at: listed, shown, compared with each other and with what is there now.

use super::open;
use crate::engine::Shared;
use crate::{Caller, ComparedFile, ComparisonView, Engine, Finding, Severity};
use git::{Comparison, Difference, Oid, Repository};
use model::{Checkpoint, CheckpointId, Refusal, RefusalKind, Repo, RepoPath, SessionId};
use std::path::Path;
use std::sync::Arc;

/// Most checkpoints in one page.
pub const CHECKPOINTS_MAX: usize = 1000;
/// Files one comparison, or one restore, names; more are counted.
pub const COMPARED_MAX: usize = 2000;

/// Which checkpoints of a session.
#[derive(Debug, Clone, Copy)]
pub struct CheckpointFilter {
    /// Those that nobody asked for, too.
    pub automatic: bool,
    pub before: Option<CheckpointId>,
    pub limit: usize,
}

impl Default for CheckpointFilter {
    fn default() -> Self {
        Self { automatic: true, before: None, limit: CHECKPOINTS_MAX }
    }
}

impl Engine {
    /// Checkpoints of a session, oldest first.
    pub fn checkpoints(&self, session: SessionId) -> Result<Vec<Checkpoint>, Refusal> {
        self.shared.store.read_or_refuse(|view| {
            view.session(session)?.ok_or_else(|| Refusal::not_found("session", session))?;
            Ok(view.checkpoints(session)?)
        })
    }

    /// The newest of them, or the newest before one, oldest first; and whether there are older ones.
    pub fn checkpoints_page(
        &self,
        session: SessionId,
        filter: CheckpointFilter,
    ) -> Result<(Vec<Checkpoint>, bool), Refusal> {
        if !(1..=CHECKPOINTS_MAX).contains(&filter.limit) {
            let message = format!("limit {} is not between 1 and {CHECKPOINTS_MAX}", filter.limit);
            return Err(Refusal::invalid("limit_out_of_range", message));
        }
        self.shared.store.read_or_refuse(|view| {
            view.session(session)?.ok_or_else(|| Refusal::not_found("session", session))?;
            let most = filter.limit + 1;
            let mut page = view.checkpoints_page(session, filter.automatic, filter.before, most)?;
            let more = page.len() == most;
            if more {
                page.remove(0);
            }
            Ok((page, more))
        })
    }

    /// One that is there.
    pub fn checkpoint(&self, caller: &Caller, id: CheckpointId) -> Result<Checkpoint, Refusal> {
        let row = self.shared.store.read(|view| view.checkpoint(id))?;
        let row = row.ok_or_else(|| Refusal::not_found("checkpoint", id))?;
        self.may_see(caller, row.checkpoint.session)?;
        match row.removed {
            None => Ok(row.checkpoint),
            Some(_) => Err(Refusal::new(
                RefusalKind::NotFound,
                "checkpoint_removed",
                format!("the checkpoint {} was removed", id.short()),
            )
            .hint("a bundle may hold it: `coditect checkpoint import`")),
        }
    }

    /// What differs from a checkpoint to another one, or to what is in its worktree now. No path means all of them.
    pub async fn compare_checkpoint(
        &self,
        caller: &Caller,
        from: CheckpointId,
        to: Option<CheckpointId>,
        path: Option<RepoPath>,
    ) -> Result<ComparisonView, Refusal> {
        let one = self.checkpoint(caller, from)?;
        let other = to.map(|to| self.checkpoint(caller, to)).transpose()?;
        if let Some(other) = other.as_ref().filter(|other| other.repo != one.repo) {
            let message = format!("{} is of another repository", other.id.short());
            return Err(Refusal::invalid("other_repo", message));
        }
        let place = place(self, &one)?;
        let (shared, at) = (Arc::clone(&self.shared), place.clone());
        let job = move || {
            let repository = open(&shared, &at)?;
            let before = tree_of(&repository, &one)?;
            let after = match &other {
                Some(other) => tree_of(&repository, other)?,
                None => repository.survey()?.tree,
            };
            let paths: Vec<RepoPath> = path.into_iter().collect();
            let Comparison { mut files, unnamable } = repository.compare(&before, &after)?;
            files.retain(|file| wanted(&file.path, &paths));
            let diff = repository.diff(Some(&before), &after, &paths)?;
            let more = files.len().saturating_sub(COMPARED_MAX) + unnamable.len();
            let files = files.iter().take(COMPARED_MAX).map(ComparedFile::from).collect();
            let more = u32::try_from(more).unwrap_or(u32::MAX);
            Ok(ComparisonView { from, to, files, more, diff: diff.text, cut: diff.cut })
        };
        self.shared.writers.run(Path::new(&place), job).await
    }
}

impl From<&Difference> for ComparedFile {
    fn from(difference: &Difference) -> Self {
        Self {
            path: difference.path.clone(),
            before: difference.before.is_some(),
            after: difference.after.is_some(),
            added: difference.added,
            removed: difference.removed,
        }
    }
}

/// The folder a checkpoint is of. Of work it is the checkout; and where the folder is gone, so that it can still be read,
/// the checkout, too.
fn place(engine: &Engine, checkpoint: &Checkpoint) -> Result<String, Refusal> {
    let point = checkpoint.point.as_ref().map(|point| point.worktree.clone());
    match point.filter(|path| Path::new(path).is_dir()) {
        Some(path) => Ok(path),
        None => Ok(engine.repo(checkpoint.repo)?.path),
    }
}

/// The folder whose files a checkpoint brings back.
pub(super) fn home(engine: &Engine, checkpoint: &Checkpoint) -> Result<String, Refusal> {
    match &checkpoint.point {
        Some(point) => Ok(point.worktree.clone()),
        None => Ok(engine.repo(checkpoint.repo)?.path),
    }
}

pub(super) fn tree_of(repository: &Repository, checkpoint: &Checkpoint) -> Result<Oid, Refusal> {
    let commit: Oid = checkpoint.commit.parse().map_err(Refusal::internal)?;
    repository.tree_at(&commit).map_err(|error| match error {
        git::GitError::NoObject(_) => lost(checkpoint),
        error => error.into(),
    })
}

fn lost(checkpoint: &Checkpoint) -> Refusal {
    let message =
        format!("the commit of checkpoint {} is not in the repository any more", checkpoint.id.short());
    Refusal::conflict("checkpoint_lost", message)
        .hint("bring it back from the workspace's bundles: `coditect checkpoint import --repo REPO`")
}

/// Whether a path is among those, or below one of them; none means all.
pub(super) fn wanted(path: &RepoPath, paths: &[RepoPath]) -> bool {
    let below = |folder: &RepoPath| {
        let rest = path.as_str().strip_prefix(folder.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    paths.is_empty() || paths.iter().any(below)
}

/// Checkpoints whose commits are not in their repositories any more, for the doctor.
pub(crate) fn findings(shared: &Shared) -> Vec<Finding> {
    let Ok(repos) = shared.store.read(|view| view.repos()) else { return Vec::new() };
    repos.iter().filter_map(|repo| finding(shared, repo)).collect()
}

/// None for a repo without checkpoints, and for one that is away: that is said elsewhere.
fn finding(shared: &Shared, repo: &Repo) -> Option<Finding> {
    let rows = shared.store.read(|view| view.checkpoints_of_repo(repo.id)).ok()?;
    let commits: Vec<Oid> = rows.iter().filter_map(|row| row.checkpoint.commit.parse().ok()).collect();
    let repository = open(shared, &repo.path).ok().filter(|_| !commits.is_empty())?;
    let gone = repository.missing(&commits).ok()?;
    let slug = &repo.slug;
    if gone.is_empty() {
        let message = format!("{slug} has the commits of its {} checkpoints", rows.len());
        return Some(Finding { severity: Severity::Ok, check: "checkpoints", message, hint: None });
    }
    let lost =
        |row: &&store::CheckpointRow| gone.iter().any(|commit| commit.as_str() == row.checkpoint.commit);
    let lost: Vec<&store::CheckpointRow> = rows.iter().filter(lost).collect();
    let bundled = lost.iter().filter(|row| row.bundle.is_some()).count();
    let message = format!(
        "{slug} has lost the commits of {} checkpoints, {} among them; {bundled} of them are in bundles",
        lost.len(),
        lost.first().map_or(String::new(), |row| row.checkpoint.id.short()),
    );
    let hint = Some(format!("`coditect checkpoint import --repo {slug}` brings back what is in bundles"));
    Some(Finding { severity: Severity::Error, check: "checkpoints", message, hint })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_means_what_is_below_it() {
        let path = |text: &str| text.parse::<RepoPath>().unwrap();
        assert!(wanted(&path("src/a.rs"), &[]));
        assert!(wanted(&path("src/a.rs"), &[path("src")]));
        assert!(wanted(&path("src/a.rs"), &[path("x"), path("src/a.rs")]));
        assert!(!wanted(&path("srcs/a.rs"), &[path("src")]));
    }
}
