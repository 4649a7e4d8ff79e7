//! Worktrees that are lent to participants: made at the first turn, kept between turns, landed when the user says so,
//! taken away when nothing in them could be lost.
//!
//! Invariant: a worktree goes only when all it held is on a branch or tag of the user's, or under a ref of ours by an
//! explicit order. Landing changes no file in which the user has work.

mod claim;
mod land;
mod remove;

pub(crate) use claim::{Claim, Claims};

use crate::checkpoint;
use crate::engine::Shared;
use crate::turn::Order;
use crate::{Engine, WorktreeView};
use git::{Lent, Oid, Repository};
use model::{AgentName, Isolation, Refusal, Repo, RepoPath, Session, SessionId};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files named in a refusal; the others are counted.
const NAMED_MAX: usize = 5;

/// A worktree that is there, and whose it is.
#[derive(Clone)]
struct Found {
    lent: Lent,
    agent: AgentName,
    session: Session,
    repo: Repo,
}

/// How the agent's turns are kept apart. Tasks of a plan are done in one checkout, because each builds on the files of
/// those before it: there a worktree of one's own is none, and a sandbox is around the shared one.
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
    let claim = shared.claims.take(&lent.path);
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
    /// Worktrees that are lent, and what is in them.
    pub async fn worktrees(&self) -> Result<Vec<WorktreeView>, Refusal> {
        let found = self.found(None).await?;
        let look = move |shared: &Shared| Ok(found.iter().map(|found| view(shared, found)).collect());
        let mut views: Vec<WorktreeView> = self.shared.blocking(look).await?;
        views.sort_by(|a, b| (a.session, &a.agent).cmp(&(b.session, &b.agent)));
        Ok(views)
    }

    /// Those of one session, or all. Folders that are nobody's are left alone.
    async fn found(&self, session: Option<SessionId>) -> Result<Vec<Found>, Refusal> {
        let names = self.shared.blocking(|shared| Ok(names(&shared.workspace.worktrees()))).await?;
        let mut found = Vec::new();
        for (short, agent) in names {
            let Ok(id) = self.resolve_session(&short) else { continue };
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

/// What a worktree holds that is nowhere else.
struct Held {
    head: Oid,
    dirty: Vec<RepoPath>,
    /// Files with names we cannot name.
    unnamable: usize,
    /// Commits that are on no branch or tag of the user's.
    unlanded: usize,
}

impl Held {
    fn of(main: &Repository, worktree: &Repository) -> Result<Self, Refusal> {
        let head = worktree.head()?.ok_or_else(|| Refusal::internal("a worktree without a commit"))?;
        let status = worktree.status(&[])?;
        let unlanded = match main.reached_from(&head)?.is_empty() {
            false => 0,
            true => match main.head()? {
                Some(trunk) => main.count_between(&trunk, &head)?,
                None => 1,
            },
        };
        let dirty = status.entries.into_iter().map(|entry| entry.path).collect();
        Ok(Self { head, dirty, unnamable: status.unnamable, unlanded })
    }

    /// Why it cannot go; nothing when all it holds is elsewhere, too.
    fn reason(&self) -> Option<String> {
        let mut reasons = Vec::new();
        if !self.dirty.is_empty() || self.unnamable > 0 {
            reasons.push(format!("not committed: {}", listed(&self.dirty, self.unnamable)));
        }
        if self.unlanded > 0 {
            let plural = if self.unlanded == 1 { "" } else { "s" };
            reasons.push(format!("{} commit{plural} not landed", self.unlanded));
        }
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }
}

fn listed(paths: &[RepoPath], more: usize) -> String {
    let mut names: Vec<String> = paths.iter().take(NAMED_MAX).map(RepoPath::to_string).collect();
    let more = more + paths.len().saturating_sub(NAMED_MAX);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}

/// Who works in it now.
fn worker(shared: &Shared, found: &Found) -> Option<String> {
    if shared.claims.is_taken(&found.lent.path) {
        return Some(found.agent.to_string());
    }
    let path = found.lent.path.canonicalize().ok()?.display().to_string();
    let Ok(live) = shared.bus.registrations() else {
        // Whoever cannot be asked may work there.
        return Some("somebody".to_owned());
    };
    let here = live.into_iter().find(|one| one.worktree.as_deref() == Some(path.as_str()))?;
    shared.bus.is_alive(here.id).unwrap_or(true).then_some(here.agent)
}

fn view(shared: &Shared, found: &Found) -> WorktreeView {
    let held = checkpoint::open(shared, &found.repo.path).and_then(|main| {
        let worktree = main.lent(&found.lent)?;
        let worktree =
            worktree.ok_or_else(|| Refusal::internal("it is half made; the next turn mends it"))?;
        Held::of(&main, &worktree)
    });
    let in_use = worker(shared, found);
    let (head, dirty, unlanded, reason) = match &held {
        Ok(held) => (held.head.to_string(), held.dirty.len() + held.unnamable, held.unlanded, held.reason()),
        Err(refusal) => (String::new(), 0, 0, Some(refusal.message.clone())),
    };
    let busy = in_use.map(|agent| format!("{agent} works in it"));
    WorktreeView {
        session: found.session.id,
        session_short: found.lent.session.clone(),
        agent: found.agent.clone(),
        repo: found.repo.slug.to_string(),
        path: found.lent.path.display().to_string(),
        branch: found.lent.branch(),
        head,
        dirty,
        unlanded,
        kept_because: busy.or(reason),
    }
}

fn in_use(found: &Found, agent: &str) -> Refusal {
    let message = format!("{agent} works in the worktree of {} now", found.agent);
    Refusal::conflict("worktree_in_use", message).hint("wait for its turn to end, or cancel its task")
}
