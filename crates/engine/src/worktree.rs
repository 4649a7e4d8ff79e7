//! Worktrees: named ones that any session may work in, those lent to participants, and those that somebody else made.
//!
//! A lent one is made at the first turn, kept between turns, landed when the user says so, taken away when nothing in it
//! could be lost. A named one is made and merged by the user.
//!
//! Invariant: a worktree goes only into the trash, and only when all it held is on a branch or tag of the user's, or under
//! a ref of ours by an explicit order. Landing changes no file in which the user has work.

mod add;
mod again;
mod assign;
mod claim;
pub(crate) mod half_made;
mod inside;
mod land;
mod list;
pub(crate) mod merge;
mod name;
mod remove;
pub(crate) mod script;
pub(crate) mod trash;
pub(crate) mod usage;

pub use add::{NewAdoption, NewWorktree};
pub(crate) use assign::{assigned_folder, shared_place};
pub(crate) use claim::{Claim, Claims};
pub(crate) use inside::{inside, nobody_works};
pub(crate) use merge::bring;
#[cfg(test)]
pub(crate) use name::{NAME_MAX, check_name};
pub use script::Script;
pub use usage::DiskUse;

use crate::Engine;
use crate::checkpoint;
use crate::engine::Shared;
use crate::turn::Order;
use git::{Lent, Repository};
use model::{AgentName, Isolation, Refusal, Repo, Session, SessionId};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A worktree that is there, and whose it is.
#[derive(Clone)]
struct Found {
    lent: Lent,
    agent: AgentName,
    session: Session,
    repo: Repo,
}

/// How the agent's turns are kept apart. Tasks of a plan are done in one checkout, unless the plan is one in worktrees
/// ([`crate::plan::worktree`]): there a worktree of one's own is none, and a sandbox is around the shared one.
pub(crate) fn isolation(shared: &Shared, agent: &AgentName, order: &Order) -> Isolation {
    let config = shared.config.snapshot();
    let wanted = config.config.agents.get(agent).map(|agent| agent.isolation).unwrap_or_default();
    match wanted {
        Isolation::Worktree if order.task.plan.is_some() => Isolation::Shared,
        wanted => wanted,
    }
}

/// The repo as the participant sees it: at the path of its own worktree, which is made when it is not there, and stays while
/// the claim lives.
pub(crate) async fn own(
    shared: &Arc<Shared>,
    session: SessionId,
    agent: &AgentName,
    repo: Repo,
) -> Result<(Repo, Claim), Refusal> {
    let lent = lent(shared, session, agent);
    let claim = shared.claims.take(&lent.path, agent.as_str());
    // On the writer's thread of the checkout, so that it is made once.
    let (shared_, path) = (Arc::clone(shared), repo.path.clone());
    let made = shared.writers.run(Path::new(&repo.path), move || {
        let repository = checkpoint::open(&shared_, &path)?;
        if let Some(there) = repository.lent(&lent)? {
            return Ok(there.top().display().to_string());
        }
        let base = repository.head()?.ok_or_else(|| {
            let message = "a worktree is made from a commit, and the repository has none";
            Refusal::invalid("no_commit", message).hint("make a first commit, or set isolation to `shared`")
        })?;
        Ok(repository.lend(&lent, &base)?.top().display().to_string())
    });
    Ok((Repo { path: made.await?, ..repo }, claim))
}

/// Where the participant's own worktree is, when it has one.
pub(crate) fn folder(shared: &Shared, session: SessionId, agent: &AgentName) -> PathBuf {
    lent(shared, session, agent).path
}

fn lent(shared: &Shared, session: SessionId, agent: &AgentName) -> Lent {
    let session = session.short();
    let path = shared.workspace.worktrees().join(&session).join(agent.as_str());
    Lent { path, session, agent: agent.to_string() }
}

impl Engine {
    /// Those of one session, or all. Folders that are nobody's are left alone.
    async fn found(&self, session: Option<SessionId>) -> Result<Vec<Found>, Refusal> {
        let names = self.shared.blocking(|shared| Ok(names(&shared.workspace.worktrees()))).await?;
        let mut found = Vec::new();
        for (short, agent) in names {
            // A repo's worktrees lie beside them, in a folder of its name: only the whole short id is a session.
            let Ok(id) = self.resolve_session(&short) else { continue };
            if id.short() != short {
                continue;
            }
            let Ok(agent) = agent.parse::<AgentName>() else { continue };
            if session.is_some_and(|session| session != id) {
                continue;
            }
            let known = self.shared.store.read(|view| {
                let Some(row) = view.session(id)? else { return Ok(None) };
                let repo = row.session.repo.map(|repo| view.repo(repo)).transpose()?.flatten();
                Ok(repo.map(|repo| (row.session, repo)))
            })?;
            let Some((session, repo)) = known else { continue };
            found.push(Found { lent: lent(&self.shared, id, &agent), agent, session, repo });
        }
        Ok(found)
    }

    async fn found_one(&self, session: SessionId, agent: &AgentName) -> Result<Found, Refusal> {
        let found = self.found(Some(session)).await?;
        found.into_iter().find(|found| found.agent == *agent).ok_or_else(|| {
            let message = format!("{agent} has no worktree in session {}", session.short());
            Refusal::new(model::RefusalKind::NotFound, "worktree_not_found", message)
                .hint("`coditect worktree list` shows what there is")
        })
    }
}

/// Part of the name, in branches and folders, of what nobody works in: where merges are tried.
pub(crate) const SCRATCH: &str = "merge-queue";

/// Whether a worktree, by its folder among those of the repository, is one that merges are tried in.
pub(crate) fn is_scratch(git_id: &str) -> bool {
    git_id.strip_prefix("coditect-").is_some_and(|rest| rest.starts_with(SCRATCH))
}

impl Engine {
    /// The repo of an agent's own worktree, and where that is.
    pub(crate) async fn own_worktree(
        &self,
        session: SessionId,
        agent: &AgentName,
    ) -> Result<(Repo, String), Refusal> {
        let found = self.found_one(session, agent).await?;
        let path = found.lent.path.canonicalize().unwrap_or(found.lent.path);
        Ok((found.repo, path.display().to_string()))
    }
}

/// Folders two levels down, by name.
fn names(root: &Path) -> Vec<(String, String)> {
    let folders = |at: PathBuf| {
        let entries = std::fs::read_dir(at).into_iter().flatten().flatten();
        entries
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect::<Vec<_>>()
    };
    let sessions = folders(root.to_owned()).into_iter();
    sessions
        .flat_map(|session| {
            let agents = folders(root.join(&session)).into_iter();
            agents.map(move |agent| (session.clone(), agent)).collect::<Vec<_>>()
        })
        .collect()
}

/// The worktree at a path, when it is one of that repo beside its checkout. Whoever forged a pointer there is refused.
pub(crate) fn checkout(shared: &Shared, repo: &Repo, path: &Path) -> Result<Repository, Refusal> {
    let main = checkpoint::open(shared, &repo.path)?;
    let worktree = shared.git.open(path)?;
    if worktree.common_dir() != main.common_dir() || worktree.git_dir() == worktree.common_dir() {
        let message = format!("{} leads to another repository than {}", path.display(), repo.slug);
        return Err(Refusal::conflict("worktree_elsewhere", message)
            .hint("look at its .git file; `git worktree repair` may mend it"));
    }
    Ok(worktree)
}
