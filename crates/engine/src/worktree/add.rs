//! Named worktrees: made, or registered when somebody else made them.
//!
//! Invariant: a worktree is registered when it is whole. One whose registration failed is taken apart again.

use super::again;
use super::half_made::{self, HalfMade};
use super::name::{check_name, name_of};
use crate::engine::Shared;
use crate::{Call, Engine, Key, WorktreeView, checkpoint};
use git::{Discard, Repository, Site, Start};
use model::{
    Actor, Event, PORT_BLOCKS, PORT_FIRST, PORT_SPAN, Refusal, RefusalKind, Repo, RepoId, Worktree,
    WorktreeId,
};
use std::collections::BTreeSet;
use std::path::Path;
use store::View;

#[derive(Debug, Clone)]
pub struct NewWorktree {
    pub repo: RepoId,
    pub name: String,
    /// The branch that is made; none: one of its name.
    pub branch: Option<String>,
    /// Branch, tag or commit it begins from; none: what the checkout stands on.
    pub from: Option<String>,
    /// A branch that is there, instead of a new one.
    pub checkout: Option<String>,
}

#[derive(Debug, Clone)]
pub struct NewAdoption {
    pub repo: RepoId,
    pub path: String,
    /// None: its folder's name.
    pub name: Option<String>,
}

impl Engine {
    /// Makes a worktree and, when the repo's setup script is trusted, begins to run that.
    pub async fn add_worktree(&self, call: &Call, new: NewWorktree) -> Result<WorktreeView, Refusal> {
        call.only_user()?;
        check_name(&new.name)?;
        if new.checkout.is_some() && (new.branch.is_some() || new.from.is_some()) {
            let message = "a branch that is checked out as it is has a name and a beginning already";
            return Err(Refusal::invalid("checkout_and_branch", message)
                .hint("give --checkout alone, or --branch and --from"));
        }
        if let Some(records) = self.shared.done_before(call).await? {
            return self.worktree(again::made(&records)?).await;
        }
        let id = self.make_worktree((call.actor(), call.key.clone()), new).await?;
        self.worktree(id).await
    }

    /// The same for whoever may; everything that is asked for is well formed.
    pub(crate) async fn make_worktree(
        &self,
        by: (Actor, Option<Key>),
        new: NewWorktree,
    ) -> Result<WorktreeId, Refusal> {
        let repo = self.repo(new.repo)?;
        let (id, created_at) = (self.shared.new_id(), self.shared.now());
        let made = {
            let (repo, new) = (repo.clone(), new.clone());
            self.shared.blocking(move |shared| make(shared, &repo, &new, id)).await?
        };
        let worktree = Worktree {
            id,
            repo: repo.id,
            name: new.name,
            path: made.path,
            branch: Some(made.branch),
            base: Some(made.base),
            git_id: git_id(id),
            made_branch: new.checkout.is_none(),
            adopted: false,
            port_base: 0,
            lent: None,
            created_at,
        };
        if let Err(refusal) = self.register(by, worktree.clone()).await {
            self.shared.blocking(move |shared| take_apart(shared, &repo, &worktree)).await?;
            return Err(refusal);
        }
        let done = move |shared: &Shared| {
            half_made::over(shared, id);
            Ok(())
        };
        self.shared.blocking(done).await?;
        self.begin_setup(id)?;
        Ok(id)
    }

    /// Registers a worktree of a registered repo that somebody else made. It stays where it is.
    pub async fn adopt_worktree(&self, call: &Call, new: NewAdoption) -> Result<WorktreeView, Refusal> {
        call.only_user()?;
        if let Some(records) = self.shared.done_before(call).await? {
            return self.worktree(again::made(&records)?).await;
        }
        let repo = self.repo(new.repo)?;
        let (id, created_at) = (self.shared.new_id(), self.shared.now());
        let path = new.path.clone();
        let (opened, branch, head) = {
            let repo = repo.clone();
            self.shared.blocking(move |shared| foreign(shared, &repo, &path)).await?
        };
        let folder = opened.top().file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let name = new.name.unwrap_or_else(|| name_of(folder));
        check_name(&name)?;
        let git_id = opened.git_dir().file_name().and_then(|name| name.to_str());
        let path = opened.top().to_str();
        let (Some(git_id), Some(path)) = (git_id, path) else {
            return Err(Refusal::invalid("path_not_utf8", "the worktree's path is not UTF-8"));
        };
        let worktree = Worktree {
            id,
            repo: repo.id,
            name,
            path: path.to_owned(),
            branch,
            base: head,
            git_id: git_id.to_owned(),
            made_branch: false,
            adopted: true,
            port_base: 0,
            lent: None,
            created_at,
        };
        let registered = self.register((call.actor(), call.key.clone()), worktree).await?;
        self.worktree(registered).await
    }

    /// Commits it, with ports of its own.
    async fn register(
        &self,
        (actor, key): (Actor, Option<Key>),
        worktree: Worktree,
    ) -> Result<WorktreeId, Refusal> {
        let path = worktree.path.clone();
        let command = move |view: &View<'_>| {
            view.repo(worktree.repo)?.ok_or_else(|| Refusal::not_found("repo", worktree.repo))?;
            if let Some(row) = view.worktree_at(&worktree.path)? {
                let message = format!("it is registered already, as {}", row.worktree.name);
                return Err(Refusal::conflict("worktree_registered", message)
                    .hint(format!("`coditect worktree show {}` shows it", row.worktree.id.short())));
            }
            let named = view.worktrees_named(worktree.repo, &worktree.name)?;
            if named.iter().any(|row| row.trashed.is_none()) {
                let message = format!("another worktree of the repo is called `{}`", worktree.name);
                return Err(Refusal::conflict("worktree_exists", message).hint("give another name"));
            }
            let port_base = free_ports(view, None)?;
            Ok(vec![Event::WorktreeCreated(Worktree { port_base, ..worktree })])
        };
        let receipt = self.shared.commit(actor, key, command).await?;
        let created = again::made(&receipt.records)?;
        self.shared
            .blocking(move |shared| {
                bus::manage(&shared.workspace.bus(), &path).map(drop).map_err(|error| error.refusal())
            })
            .await?;
        Ok(created)
    }
}

/// The first ports that no live worktree has; `wanted` when nobody has those.
pub(super) fn free_ports(view: &View<'_>, wanted: Option<u16>) -> Result<u16, Refusal> {
    let taken: BTreeSet<u16> = view.live_worktrees()?.into_iter().map(|row| row.worktree.port_base).collect();
    first_free(&taken, wanted).ok_or_else(|| {
        let message =
            format!("{PORT_BLOCKS} worktrees have ports of their own, which is as many as there may be");
        Refusal::new(RefusalKind::Busy, "ports_exhausted", message)
            .hint("put some into the trash: `coditect worktree prune`")
    })
}

fn first_free(taken: &BTreeSet<u16>, wanted: Option<u16>) -> Option<u16> {
    let blocks = (0..PORT_BLOCKS).map(|n| PORT_FIRST + n * PORT_SPAN);
    wanted.into_iter().filter(|port| *port >= PORT_FIRST).chain(blocks).find(|port| !taken.contains(port))
}

pub(super) struct Made {
    pub(super) path: String,
    branch: String,
    base: String,
}

/// Name of its folder among those of the repository.
fn git_id(id: WorktreeId) -> String {
    format!("coditect-w-{}", id.short())
}

/// What is begun is said first; see [`half_made`].
pub(super) fn make(shared: &Shared, repo: &Repo, new: &NewWorktree, id: WorktreeId) -> Result<Made, Refusal> {
    let main = checkpoint::open(shared, &repo.path)?;
    let path = shared.workspace.worktrees().join(&repo.slug).join(&new.name);
    let branch = new.checkout.as_ref().or(new.branch.as_ref()).unwrap_or(&new.name).clone();
    let site = Site { path, id: git_id(id), branch };
    let (base, start);
    match (&new.checkout, &new.from) {
        (Some(_), _) => start = Start::Existing,
        (None, from) => {
            base = match from {
                Some(from) => main.commit_at(from)?,
                None => main.head()?.ok_or_else(|| {
                    let message = "a worktree is made from a commit, and the repository has none";
                    Refusal::invalid("no_commit", message).hint("make a first commit")
                })?,
            };
            start = Start::New(&base);
        }
    }
    let half = HalfMade {
        id,
        repo: repo.path.clone(),
        path: site.path.clone(),
        git_id: site.id.clone(),
        branch: site.branch.clone(),
        base: half_made::base_of(&start),
    };
    half.say(shared)?;
    let made = main.make_worktree(&site, start).inspect_err(|_| half_made::over(shared, id))?;
    let head = made.head()?.ok_or_else(|| Refusal::internal("a worktree without a commit"))?;
    let path = made.top().to_str().map(str::to_owned);
    let path = path.ok_or_else(|| Refusal::invalid("path_not_utf8", "the data root's path is not UTF-8"))?;
    Ok(Made { path, branch: site.branch, base: head.to_string() })
}

/// Nobody was told of it, so there is nobody in it.
fn take_apart(shared: &Shared, repo: &Repo, worktree: &Worktree) -> Result<(), Refusal> {
    let main = checkpoint::open(shared, &repo.path)?;
    let key = worktree.id.to_string();
    let to = shared.workspace.trash().join(&key);
    let discard = Discard { key, id: worktree.git_id.clone(), path: worktree.path.clone().into(), to };
    let head = main.branch_tip(worktree.branch.as_deref().unwrap_or_default())?;
    main.put_aside(&discard)?;
    main.throw_away(&discard)?;
    if let (Some(branch), Some(head)) = (&worktree.branch, head)
        && worktree.made_branch
    {
        main.drop_branch(branch, &head)?;
    }
    half_made::over(shared, worktree.id);
    Ok(())
}

/// A worktree beside the main one, of this repository and of no other.
fn foreign(
    shared: &Shared,
    repo: &Repo,
    path: &str,
) -> Result<(Repository, Option<String>, Option<String>), Refusal> {
    let main = checkpoint::open(shared, &repo.path)?;
    let opened = shared.git.open(Path::new(path))?;
    if opened.common_dir() != main.common_dir() || opened.git_dir() == opened.common_dir() {
        let message = format!("`{path}` is no worktree of {} beside its checkout", repo.slug);
        return Err(Refusal::invalid("not_a_worktree_of_it", message)
            .hint("`coditect worktree list` shows the repo's worktrees, whoever made them"));
    }
    let (branch, head) = (opened.branch()?, opened.head()?.map(|head| head.to_string()));
    Ok((opened, branch, head))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_given_once_and_end_somewhere() {
        let mut taken = BTreeSet::new();
        for n in 0..PORT_BLOCKS {
            let port = first_free(&taken, None).unwrap();
            assert_eq!(port, PORT_FIRST + n * PORT_SPAN);
            taken.insert(port);
        }
        assert_eq!(first_free(&taken, None), None);
        taken.remove(&(PORT_FIRST + PORT_SPAN));
        assert_eq!(
            first_free(&taken, Some(PORT_FIRST)),
            Some(PORT_FIRST + PORT_SPAN),
            "it is somebody else's now"
        );
        taken.clear();
        assert_eq!(first_free(&taken, Some(PORT_FIRST + 40)), Some(PORT_FIRST + 40));
        assert_eq!(first_free(&taken, Some(0)), Some(PORT_FIRST), "one that never had any gets some");
    }
}
