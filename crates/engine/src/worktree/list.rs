//! Lists: every worktree of the registered repos, whoever made it, and what is in it.

use super::usage::Usages;
use super::{Found, checkout, inside};
use crate::engine::Shared;
use crate::{Engine, WorktreeKind, WorktreeState, WorktreeView, checkpoint};
use git::Listed;
use model::{Refusal, Repo, RepoId, WorktreeId};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use store::WorktreeRow;

/// Worktrees that are looked at side by side.
const LOOKERS: usize = 4;

/// What is known of a worktree before anybody looks into it.
struct Seen {
    repo: Repo,
    listed: Option<Listed>,
    row: Option<WorktreeRow>,
    found: Option<Found>,
    path: String,
}

impl Engine {
    /// Worktrees of one repo or all, by their paths, or what is in the trash.
    pub async fn worktrees(&self, repo: Option<RepoId>, trash: bool) -> Result<Vec<WorktreeView>, Refusal> {
        if trash {
            return self.trash(repo);
        }
        let mut repos = self.repos()?;
        repos.retain(|one| repo.is_none_or(|repo| repo == one.id));
        let found = self.found(None).await?;
        let rows = self.shared.store.read(|view| view.live_worktrees())?;
        let (shared, look) = (Arc::clone(&self.shared), move |shared: &Shared| {
            let mut seen = Vec::new();
            for repo in repos {
                seen.extend(of_repo(shared, &repo, &rows, &found));
            }
            Ok(seen)
        });
        let seen = self.shared.blocking(look).await?;
        let mut views = self.shared.blocking(move |_| Ok(look_into(&shared, &seen))).await?;
        views.sort_by(|a, b| (&a.repo, &a.path).cmp(&(&b.repo, &b.path)));
        Ok(views)
    }

    /// One that is registered, with what it takes on the disk counted now.
    pub async fn worktree(&self, id: WorktreeId) -> Result<WorktreeView, Refusal> {
        let row = self.worktree_row(id)?;
        let repo = self.repo(row.worktree.repo)?;
        if row.trashed.is_some() {
            return self.trashed_view(row, &repo);
        }
        let path = row.worktree.path.clone();
        let seen = Seen { repo, listed: None, row: Some(row), found: None, path: path.clone() };
        let shared = Arc::clone(&self.shared);
        self.shared
            .blocking(move |_| {
                let used = Usages::count(&shared, Path::new(&path));
                Ok(WorktreeView { used: Some(used), ..view(&shared, &seen) })
            })
            .await
    }

    /// One that is there, by its path.
    pub(super) async fn worktree_at(&self, path: &str) -> Result<WorktreeView, Refusal> {
        let all = self.worktrees(None, false).await?;
        all.into_iter().find(|one| one.path == path).ok_or_else(|| Refusal::not_found("worktree", path))
    }

    fn trash(&self, repo: Option<RepoId>) -> Result<Vec<WorktreeView>, Refusal> {
        let rows = self.shared.store.read(|view| view.trashed_worktrees())?;
        let rows = rows.into_iter().filter(|row| repo.is_none_or(|repo| repo == row.worktree.repo));
        rows.map(|row| {
            let repo = self.repo(row.worktree.repo)?;
            self.trashed_view(row, &repo)
        })
        .collect()
    }

    fn trashed_view(&self, row: WorktreeRow, repo: &Repo) -> Result<WorktreeView, Refusal> {
        let scripts = self.shared.store.read(|view| view.worktree_scripts(row.worktree.id))?;
        let trashed = row.trashed;
        let used = trashed.as_ref().and_then(|trashed| Usages::last(&self.shared, Path::new(&trashed.path)));
        Ok(WorktreeView {
            state: WorktreeState::Trashed,
            branch: trashed.as_ref().and_then(|trashed| trashed.branch.clone()),
            head: trashed.as_ref().and_then(|trashed| trashed.head.clone()),
            expires_at: trashed.as_ref().and_then(|trashed| trashed.expires_at),
            kept_as: trashed.as_ref().and_then(|trashed| trashed.kept_as.clone()),
            used,
            scripts,
            ..WorktreeView::of(&row.worktree, repo)
        })
    }
}

/// What git knows of, and what is registered though git does not.
fn of_repo(shared: &Shared, repo: &Repo, rows: &[WorktreeRow], found: &[Found]) -> Vec<Seen> {
    let listed = checkpoint::open(shared, &repo.path).and_then(|main| Ok(main.worktrees()?));
    let listed = listed.unwrap_or_else(|error| {
        tracing::debug!(%error, repo = repo.slug, "git does not say which worktrees there are");
        Vec::new()
    });
    let own = rows.iter().filter(|row| row.worktree.repo == repo.id && row.worktree.lent.is_none());
    let mut named: HashMap<&str, &WorktreeRow> = own.map(|row| (row.worktree.git_id.as_str(), row)).collect();
    let mut seen = Vec::new();
    for one in listed.into_iter().filter(|one| !super::is_scratch(&one.id)) {
        let lent = found.iter().find(|found| found.repo.id == repo.id && found.lent.id() == one.id);
        let row = named.remove(one.id.as_str());
        let path = row.map_or_else(|| one.path.display().to_string(), |row| row.worktree.path.clone());
        seen.push(Seen {
            repo: repo.clone(),
            row: row.cloned(),
            found: lent.cloned(),
            listed: Some(one),
            path,
        });
    }
    for row in named.into_values() {
        let path = row.worktree.path.clone();
        seen.push(Seen { repo: repo.clone(), listed: None, row: Some(row.clone()), found: None, path });
    }
    seen
}

/// Git is asked several things of each, so some are looked at at once.
fn look_into(shared: &Arc<Shared>, seen: &[Seen]) -> Vec<WorktreeView> {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let looker = || {
            let mut views = Vec::new();
            while let Some(one) = seen.get(next.fetch_add(1, Ordering::Relaxed)) {
                views.push(view(shared, one));
            }
            views
        };
        let lookers: Vec<_> = (0..LOOKERS.min(seen.len())).map(|_| scope.spawn(looker)).collect();
        let looked = lookers.into_iter().flat_map(|looker| match looker.join() {
            Ok(views) => views,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        looked
            .map(|view| WorktreeView { used: Usages::last(shared, Path::new(&view.path)), ..view })
            .collect()
    })
}

fn view(shared: &Shared, seen: &Seen) -> WorktreeView {
    let mut view = match (&seen.row, &seen.found) {
        (Some(row), _) => WorktreeView::of(&row.worktree, &seen.repo),
        (None, found) => WorktreeView::unregistered(
            seen.path.clone(),
            &seen.repo,
            found.as_ref().map(|found| (found.session.id, found.agent.clone())),
        ),
    };
    if let Some(row) = &seen.row {
        let scripts = shared.store.read(|view| view.worktree_scripts(row.worktree.id));
        view.scripts = scripts.unwrap_or_default();
        let sessions = shared.store.read(|view| view.sessions_in(row.worktree.id));
        view.sessions = sessions.unwrap_or_default();
    }
    if let Some(listed) = &seen.listed {
        view.branch.clone_from(&listed.branch);
    }
    let path = Path::new(&seen.path);
    let holding = checkout(shared, &seen.repo, path).and_then(|worktree| Ok(worktree.holding()?));
    view.inside = inside(shared, path);
    match holding {
        Ok(holding) => {
            view.kept_because = match view.inside.first() {
                Some(who) => Some(format!("{who} works in it")),
                None => holding.reason(),
            };
            view.head = holding.head.as_ref().map(ToString::to_string);
            view.dirty = holding.dirty.len() + holding.unnamable;
            view.unlanded = holding.unlanded;
            view.branch = holding.branch;
        }
        Err(refusal) => {
            let missing =
                path.symlink_metadata().is_err() || seen.listed.as_ref().is_some_and(|one| one.missing);
            if missing {
                view.state = WorktreeState::Missing;
            }
            view.kept_because =
                Some(refusal.message).filter(|_| !missing || view.kind != WorktreeKind::Named);
        }
    }
    view
}
