//! What each entry brings: its worktree's commit, or why it cannot be tried now.

use super::back::Trouble;
use crate::checkpoint;
use crate::engine::Shared;
use crate::worktree::nobody_works;
use git::Oid;
use model::{MergeState, Refusal, Repo};
use std::path::Path;
use store::MergeRow;

/// An entry that can be tried.
#[derive(Clone)]
pub(super) struct Ready {
    pub(super) row: MergeRow,
    pub(super) head: Oid,
}

impl Ready {
    /// As it stands while it is tried.
    pub(super) fn running(&self) -> MergeRow {
        MergeRow { state: MergeState::Running, ..self.row.clone() }
    }
}

/// What is to become of an entry.
pub(super) enum Found {
    Ready(Ready),
    /// Whoever made it has to do something.
    Back(MergeRow, Trouble),
    /// Nobody's work is in the way: it is tried again by itself.
    Later(MergeRow, String),
    /// It cannot be tried ever.
    Over(MergeRow, String),
}

/// Looks into the worktree of an entry.
pub(super) fn gather(shared: &Shared, repo: &Repo, row: MergeRow) -> Found {
    match look(shared, repo, &row) {
        Ok(Ok(head)) => Found::Ready(Ready { row, head }),
        Ok(Err(trouble)) => Found::Back(row, trouble),
        Err(refusal) if refusal.code == "worktree_in_use" => Found::Later(row, refusal.message),
        Err(refusal) if refusal.passes() => Found::Later(row, refusal.message),
        Err(refusal) => Found::Over(row, refusal.to_string()),
    }
}

fn look(shared: &Shared, repo: &Repo, row: &MergeRow) -> Result<Result<Oid, Trouble>, Refusal> {
    let path = Path::new(&row.entry.path);
    if !path.join(".git").exists() {
        let message = format!("the worktree {} is gone", row.entry.name);
        return Err(Refusal::conflict("worktree_missing", message));
    }
    nobody_works(shared, path, &row.entry.name)?;
    let main = checkpoint::open(shared, &repo.path)?;
    if main.branch_tip(&row.entry.into)?.is_none() {
        let message = format!("there is no branch `{}` any more", row.entry.into);
        return Err(Refusal::conflict("no_branch", message).hint("add it again with a branch that is there"));
    }
    let worktree = shared.git.open(path)?;
    if worktree.common_dir() != main.common_dir() {
        let message = format!("{} leads to another repository than {}", row.entry.path, repo.slug);
        return Err(Refusal::conflict("worktree_elsewhere", message));
    }
    let status = worktree.status(&[])?;
    if !status.entries.is_empty() || status.unnamable > 0 {
        let paths = status.entries.into_iter().map(|entry| entry.path).collect();
        return Ok(Err(Trouble::NotCommitted(paths)));
    }
    let head = worktree.head()?.ok_or_else(|| Refusal::invalid("no_commit", "the worktree has no commit"))?;
    Ok(Ok(head))
}
