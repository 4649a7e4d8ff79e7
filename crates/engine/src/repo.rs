//! Repos: register, change, remove. Registering adopts a checkout where it is; nothing in it is run
//! or believed. A clone comes into the workspace.

pub(crate) mod clone;
mod trust;

pub(crate) use clone::Clones;
pub use clone::{CLONES_MAX, NewClone};

use crate::engine::Shared;
use crate::{Call, Caller, Engine, RepoView, checkpoint};
use model::{Event, Refusal, RefusalKind, Repo, RepoId, RepoRemoved, TaskId, TaskState};
use std::path::Path;
use std::sync::Arc;
use store::View;

/// Longest slug, in characters.
pub(crate) const SLUG_MAX: usize = 64;
/// What a session without a repository is refused with where one is needed.
pub(crate) const NO_OWN_REPO: &str = "session_has_no_repo";
/// Most words of a test command.
pub(crate) const TEST_COMMAND_MAX: usize = 64;

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
    /// The repo whose work a caller asks about; none means all. An agent asks about its session's.
    pub fn repo_for(&self, caller: &Caller, asked: Option<RepoId>) -> Result<Option<RepoId>, Refusal> {
        let session = match caller {
            Caller::User => return Ok(asked),
            Caller::Run { session, .. } => *session,
            Caller::Terminal { .. } => {
                let message = "a terminal's token opens no repository of the studio";
                return Err(Refusal::new(RefusalKind::Forbidden, "not_for_agents", message)
                    .hint("run `coditect mcp` on stdin and stdout: it acts for you"));
            }
        };
        let own =
            self.shared.store.read(|view| Ok(view.session(session)?.and_then(|row| row.session.repo)))?;
        let own = own.ok_or_else(|| Refusal::invalid(NO_OWN_REPO, "your session works in no repository"))?;
        if asked.is_some_and(|asked| asked != own) {
            let message = "an agent sees the repository of its own session";
            return Err(Refusal::new(RefusalKind::Forbidden, "not_your_repo", message)
                .hint("leave the repository out"));
        }
        Ok(Some(own))
    }

    /// Registers the repository at a path. One that is registered already is returned as it is.
    pub async fn add_repo(&self, call: &Call, new: NewRepo) -> Result<Repo, Refusal> {
        call.only_user()?;
        check_command(new.test_command.as_deref())?;
        let given = new.path.clone();
        let (top, default_branch) = self
            .shared
            .blocking(move |shared| {
                let repository = checkpoint::open(shared, &given)?;
                Ok((repository.top().display().to_string(), repository.branch()?))
            })
            .await?;
        let wanted = new.slug.clone();
        let slug = wanted.clone().unwrap_or_else(|| slug_of(&top));
        check_slug(&slug)?;
        let (id, added_at) = (self.shared.new_id(), self.shared.now());
        let path = top.clone();
        let command = move |view: &View<'_>| {
            if view.repo_by_path(&top)?.is_some() {
                return Ok(Vec::new());
            }
            let cloning = view.clones()?.into_iter().any(|row| row.start.slug == slug);
            let slug = match view.repo_by_slug(&slug)? {
                None if !cloning => slug,
                _ if wanted.is_some() => {
                    return Err(Refusal::conflict("slug_taken", format!("another repo is called `{slug}`"))
                        .hint("give another name with --name"));
                }
                _ => free_slug(view, &slug)?,
            };
            let repo = Repo {
                id,
                slug,
                path: top,
                default_branch,
                test_command: new.test_command,
                added_at,
                url: None,
                trusted: Vec::new(),
            };
            Ok(vec![Event::RepoAdded(repo)])
        };
        self.shared.commit(call.actor(), call.key.clone(), command).await?;
        self.shared
            .blocking({
                let path = path.clone();
                move |shared| bus::manage(&shared.workspace.bus(), &path).map_err(|error| error.refusal())
            })
            .await?;
        let repo = self.shared.store.read(|view| view.repo_by_path(&path))?;
        repo.ok_or_else(|| Refusal::internal("the repo was removed at the same moment"))
    }

    pub async fn change_repo(&self, call: &Call, repo: RepoId, change: RepoChange) -> Result<Repo, Refusal> {
        call.only_user()?;
        if let Some(slug) = &change.slug {
            check_slug(slug)?;
        }
        check_command(change.test_command.as_ref().and_then(|command| command.as_deref()))?;
        let command = move |view: &View<'_>| {
            let mut changed = view.repo(repo)?.ok_or_else(|| Refusal::not_found("repo", repo))?;
            if let Some(slug) = change.slug {
                if view.repo_by_slug(&slug)?.is_some_and(|other| other.id != repo) {
                    return Err(Refusal::conflict("slug_taken", format!("another repo is called `{slug}`")));
                }
                changed.slug = slug;
            }
            if let Some(test_command) = change.test_command {
                changed.test_command = test_command;
            }
            Ok(vec![Event::RepoChanged(changed)])
        };
        self.shared.commit(call.actor(), call.key.clone(), command).await?;
        self.repo(repo)
    }

    /// Forgets a repository. Its files and its history here stay.
    pub async fn remove_repo(&self, call: &Call, repo: RepoId) -> Result<(), Refusal> {
        call.only_user()?;
        let command = move |view: &View<'_>| {
            view.repo(repo)?.ok_or_else(|| Refusal::not_found("repo", repo))?;
            if let Some(task) = open_task_in(view, repo)? {
                let message = format!("task {} of this repo has not ended", task.short());
                return Err(Refusal::conflict("repo_in_use", message).hint("wait for it, or cancel it"));
            }
            if view.open_plans()?.iter().any(|open| open.plan.repo == repo) {
                return Err(Refusal::conflict("repo_in_use", "a plan is under way in this repo"));
            }
            let (live, trashed) = (view.live_worktrees()?, view.trashed_worktrees()?);
            if let Some(row) = live.iter().chain(&trashed).find(|row| row.worktree.repo == repo) {
                let message = format!("the repo has worktrees, `{}` among them", row.worktree.name);
                return Err(Refusal::conflict("repo_has_worktrees", message).hint(
                    "take them away and empty the trash first: `coditect worktree list`, and with --trash",
                ));
            }
            Ok(vec![Event::RepoRemoved(RepoRemoved { repo })])
        };
        let path = self.repo(repo).ok().map(|repo| repo.path);
        self.shared.commit(call.actor(), call.key.clone(), command).await?;
        let forget = move |shared: &Shared| match &path {
            Some(path) => {
                bus::forget(&shared.workspace.bus(), path).map(drop).map_err(|error| error.refusal())
            }
            None => Ok(()),
        };
        self.shared.blocking(forget).await
    }

    pub fn repos(&self) -> Result<Vec<Repo>, Refusal> {
        Ok(self.shared.store.read(|view| view.repos())?)
    }

    pub fn repo(&self, repo: RepoId) -> Result<Repo, Refusal> {
        self.shared
            .store
            .read_or_refuse(|view| view.repo(repo)?.ok_or_else(|| Refusal::not_found("repo", repo)))
    }

    /// The repo with the branch its checkout is on, read from its files: no git is run.
    pub async fn repo_view(&self, repo: Repo) -> RepoView {
        let path = repo.path.clone();
        let branch = self.shared.blocking(move |_| Ok(git::branch_at(path.as_ref()))).await;
        RepoView { repo, branch: branch.ok().flatten() }
    }
}

/// Sessions take part in every registered repo, also in those that were registered before this was written down.
pub(crate) fn take_part(shared: &Shared) -> Result<(), Refusal> {
    for repo in shared.store.read(|view| view.repos())? {
        bus::manage(&shared.workspace.bus(), &repo.path).map_err(|error| error.refusal())?;
    }
    Ok(())
}

/// Takes out of the repositories what the end of the last daemon left in the middle of storing many files.
pub(crate) async fn sweep(shared: &Arc<Shared>) -> Result<(), Refusal> {
    let repos = shared.store.read(|view| view.repos())?;
    let look = move |_: &Shared| {
        for file in repos.iter().flat_map(|repo| git::sweep_cut_off(Path::new(&repo.path))) {
            tracing::debug!(file = %file.display(), "what git had left of a stream that was cut off is gone");
        }
        Ok(())
    };
    shared.blocking(look).await
}

fn open_task_in(view: &View<'_>, repo: RepoId) -> Result<Option<TaskId>, Refusal> {
    let open = [TaskState::Submitted, TaskState::Working, TaskState::InputRequired];
    for row in view.tasks_in_state(&open)? {
        if view.session(row.task.session)?.is_some_and(|session| session.session.repo == Some(repo)) {
            return Ok(Some(row.task.id));
        }
    }
    Ok(None)
}

pub(crate) fn slug_of(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or("").to_lowercase();
    let slug: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '.' || c == '_' { c } else { '-' })
        .collect();
    let slug: String = slug.trim_matches(['-', '.']).chars().take(SLUG_MAX - 4).collect();
    if slug.is_empty() { "repo".to_owned() } else { slug }
}

fn free_slug(view: &View<'_>, slug: &str) -> Result<String, Refusal> {
    for n in 2..1000 {
        let candidate = format!("{slug}-{n}");
        let cloning = view.clones()?.into_iter().any(|row| row.start.slug == candidate);
        if !cloning && view.repo_by_slug(&candidate)?.is_none() {
            return Ok(candidate);
        }
    }
    Err(Refusal::conflict("slug_taken", format!("too many repos are called `{slug}`"))
        .hint("give a name with --name"))
}

pub(crate) fn check_slug(slug: &str) -> Result<(), Refusal> {
    let well_formed = !slug.is_empty()
        && slug.len() <= SLUG_MAX
        && slug.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && slug.starts_with(|c: char| c.is_ascii_alphanumeric());
    if well_formed {
        return Ok(());
    }
    let message = format!(
        "a repo's name is 1 to {SLUG_MAX} letters, digits, `-`, `_` or `.`, and begins with a letter or digit"
    );
    Err(Refusal::invalid("slug_invalid", message))
}

fn check_command(command: Option<&[String]>) -> Result<(), Refusal> {
    let Some(command) = command else { return Ok(()) };
    let usable = command.len() <= TEST_COMMAND_MAX
        && command.first().is_some_and(|program| !program.is_empty())
        && command.iter().all(|word| !word.contains('\0'));
    if usable {
        return Ok(());
    }
    let message = format!("a test command is a program and its arguments, at most {TEST_COMMAND_MAX} words");
    Err(Refusal::invalid("test_command_invalid", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_made_from_any_folder_name() {
        for (path, slug) in [
            ("/a/My App", "my-app"),
            ("/a/.dot", "dot"),
            ("/", "repo"),
            ("/x/ä", "repo"),
            ("/x/lib.rs", "lib.rs"),
        ] {
            assert_eq!(slug_of(path), slug);
            assert!(check_slug(&slug_of(path)).is_ok());
        }
        assert!(check_slug(&slug_of(&"x".repeat(500))).is_ok());
    }
}
