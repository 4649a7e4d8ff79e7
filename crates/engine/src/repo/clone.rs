//! Clones: repositories that come into the workspace from elsewhere.
//!
//! Invariant: a repository appears under its name when it is whole, by rename. What a killed daemon left half done has
//! another name, and is swept away at the next start.

use super::{check_command, check_slug, slug_of};
use crate::engine::Shared;
use crate::{Call, Engine};
use git::{CLONE_BYTES_MAX, CLONE_TIMEOUT, CloneOrder, CloneProgress, CloneUrl, GitError};
use model::{Actor, CloneFailure, CloneStart, CloneStep, Event, Refusal, RefusalKind, Repo, RepoId};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use store::{CloneRow, View};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Clones under way at once.
pub const CLONES_MAX: usize = 4;
/// How often it is said how far one is.
const STEP_EVERY: Duration = Duration::from_secs(1);
/// Beginning of the names of folders that are cloned into.
const UNFINISHED: &str = ".cloning-";

#[derive(Debug, Clone, Default)]
pub struct NewClone {
    pub url: String,
    /// None: made from the address.
    pub slug: Option<String>,
    pub test_command: Option<Vec<String>>,
}

/// The clones of this daemon's life.
#[derive(Default)]
pub(crate) struct Clones {
    running: Mutex<HashMap<RepoId, CancellationToken>>,
}

impl Engine {
    /// Begins to clone a repository. It is registered when it is whole; until then [`Self::clones`] lists it.
    pub async fn start_clone(&self, call: &Call, new: NewClone) -> Result<CloneRow, Refusal> {
        call.only_user()?;
        check_command(new.test_command.as_deref())?;
        let url = CloneUrl::parse(&new.url, self.shared.config.snapshot().config.repos.clone_files)?;
        let slug = new.slug.clone().unwrap_or_else(|| slug_of(url.name()));
        check_slug(&slug)?;
        self.shared.blocking(|shared| Ok(shared.git.version().map(drop)?)).await?;
        let (id, started_at, wanted) = (self.shared.new_id(), self.shared.now(), new.slug.is_some());
        let (folder, address) = (self.shared.workspace.repos(), url.to_string());
        let command = move |view: &View<'_>| {
            let clones = view.clones()?;
            if clones.len() >= CLONES_MAX {
                let message = format!(
                    "{} repositories are being cloned, which is as many as there may be",
                    clones.len()
                );
                return Err(Refusal::new(RefusalKind::Busy, "clones_busy", message)
                    .hint("wait for one of them to end, or end it: `coditect repo clones`"));
            }
            let taken = |slug: &str| {
                let cloning = clones.iter().any(|row| row.start.slug == slug);
                Ok::<_, Refusal>(cloning || view.repo_by_slug(slug)?.is_some() || folder.join(slug).exists())
            };
            let slug = match taken(&slug)? {
                false => slug,
                true if wanted => {
                    return Err(Refusal::conflict("slug_taken", format!("another repo is called `{slug}`"))
                        .hint("give another name with --name"));
                }
                true => {
                    let mut free = None;
                    for candidate in (2..1000).map(|n| format!("{slug}-{n}")) {
                        if !taken(&candidate)? {
                            free = Some(candidate);
                            break;
                        }
                    }
                    free.ok_or_else(|| Refusal::conflict("slug_taken", "too many repos have that name"))?
                }
            };
            Ok(vec![Event::RepoCloneStarted(CloneStart { repo: id, slug, url: address, started_at })])
        };
        let receipt = self.shared.commit(call.actor(), call.key.clone(), command).await?;
        let started = receipt.records.iter().find_map(|record| match &record.event {
            Event::RepoCloneStarted(start) => Some(start.clone()),
            _ => None,
        });
        let start = started.ok_or_else(|| Refusal::internal("the commit started no clone"))?;
        if !receipt.replayed {
            let (shared, start) = (Arc::clone(&self.shared), start.clone());
            let cancel = shared.clones.enter(&shared, id);
            self.shared
                .tasks
                .spawn(async move { clone(&shared, url, start, new.test_command, cancel).await });
        }
        Ok(CloneRow { start, step: None })
    }

    /// In the order they began.
    pub fn clones(&self) -> Result<Vec<CloneRow>, Refusal> {
        Ok(self.shared.store.read(|view| view.clones())?)
    }

    /// Ends a clone. Nothing of it stays.
    pub fn cancel_clone(&self, call: &Call, given: &str) -> Result<(), Refusal> {
        call.only_user()?;
        let clones = self.clones()?;
        let meant = clones.iter().find(|row| {
            let CloneStart { repo, slug, .. } = &row.start;
            slug == given
                || repo.to_string() == given
                || (given.len() >= model::SHORT_ID_MIN && repo.short().starts_with(given))
        });
        let running = self.shared.clones.lock();
        match meant.and_then(|row| running.get(&row.start.repo)) {
            Some(cancel) => {
                cancel.cancel();
                Ok(())
            }
            None => Err(Refusal::not_found("clone", given.chars().take(80).collect::<String>())
                .hint("`coditect repo clones` lists what is being cloned")),
        }
    }
}

impl Clones {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<RepoId, CancellationToken>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, shared: &Shared, id: RepoId) -> CancellationToken {
        let cancel = shared.stopping.child_token();
        self.lock().insert(id, cancel.clone());
        cancel
    }
}

async fn clone(
    shared: &Arc<Shared>,
    url: CloneUrl,
    start: CloneStart,
    test_command: Option<Vec<String>>,
    cancel: CancellationToken,
) {
    let id = start.repo;
    let (steps, mut heard) = mpsc::channel::<CloneStep>(4);
    let telling = async {
        while let Some(step) = heard.recv().await {
            if let Err(refusal) = shared.record(Actor::System, vec![Event::RepoCloneProgressed(step)]).await {
                tracing::debug!(%refusal, "how far a clone is was not recorded");
            }
        }
    };
    let named = start.slug.clone();
    let canceled = cancel.clone();
    let fetching = shared.blocking(move |shared| fetch(shared, &url, &named, id, &canceled, &steps));
    let (fetched, ()) = tokio::join!(fetching, telling);
    let registered = match fetched {
        Ok((path, default_branch)) => register(shared, &start, path, default_branch, test_command).await,
        Err(refusal) => Err(refusal),
    };
    if let Err(refusal) = registered {
        fail(shared, id, &refusal).await;
    }
    shared.clones.lock().remove(&id);
}

async fn fail(shared: &Arc<Shared>, id: RepoId, refusal: &Refusal) {
    let failure =
        CloneFailure { repo: id, code: refusal.code.clone().into_owned(), message: refusal.message.clone() };
    let events = vec![Event::RepoCloneFailed(failure)];
    if let Err(refusal) = shared.conclude(Actor::System, move |_| Ok(events.clone())).await {
        tracing::warn!(%refusal, "the end of a clone was not recorded");
    }
}

/// Fetches it beside its place, and puts it there when it is whole.
fn fetch(
    shared: &Shared,
    url: &CloneUrl,
    slug: &str,
    id: RepoId,
    cancel: &CancellationToken,
    steps: &mpsc::Sender<CloneStep>,
) -> Result<(PathBuf, Option<String>), Refusal> {
    let folder = shared.workspace.repos();
    std::fs::create_dir_all(&folder).map_err(Refusal::internal)?;
    let folder = folder.canonicalize().map_err(Refusal::internal)?;
    let (beside, place) = (folder.join(format!("{UNFINISHED}{id}")), folder.join(slug));
    let mut last: Option<(Instant, CloneProgress)> = None;
    let mut watch = |progress: &CloneProgress| {
        let due = last.as_ref().is_none_or(|(at, before)| {
            at.elapsed() >= STEP_EVERY && before != progress || before.phase != progress.phase
        });
        if due {
            let CloneProgress { phase, percent, bytes } = progress.clone();
            // Whoever writes is slower than git speaks: then this word is left out.
            let _ = steps.try_send(CloneStep { repo: id, phase, percent, bytes });
            last = Some((Instant::now(), progress.clone()));
        }
        !cancel.is_cancelled()
    };
    let order = CloneOrder {
        url,
        to: &beside,
        ssh_agent: shared.env("SSH_AUTH_SOCK").map(Into::into),
        bytes_max: CLONE_BYTES_MAX,
        timeout: CLONE_TIMEOUT,
    };
    let cloned = shared.git.clone_repository(&order, &mut watch).and_then(|cloned| cloned.branch());
    let placed = cloned.map_err(Refusal::from).and_then(|branch| {
        if cancel.is_cancelled() {
            return Err(GitError::Canceled.into());
        }
        if place.symlink_metadata().is_ok() {
            return Err(GitError::PathTaken(place.clone()).into());
        }
        std::fs::rename(&beside, &place).map_err(Refusal::internal)?;
        Ok(branch)
    });
    if placed.is_err() {
        sweep(&beside);
    }
    Ok((place, placed?))
}

/// Deletes what was half cloned; nobody else puts anything there.
fn sweep(beside: &Path) {
    match std::fs::remove_dir_all(beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, "what was half cloned stays until the next start");
        }
        _ => {}
    }
}

async fn register(
    shared: &Arc<Shared>,
    start: &CloneStart,
    path: PathBuf,
    default_branch: Option<String>,
    test_command: Option<Vec<String>>,
) -> Result<(), Refusal> {
    let path = path.to_str().map(str::to_owned);
    let path = path.ok_or_else(|| Refusal::invalid("path_not_utf8", "the data root's path is not UTF-8"))?;
    let repo = Repo {
        id: start.repo,
        slug: start.slug.clone(),
        path: path.clone(),
        default_branch,
        test_command,
        added_at: shared.now(),
        url: Some(start.url.clone()),
        trusted: Vec::new(),
    };
    let events = vec![Event::RepoAdded(repo)];
    shared.conclude(Actor::User, move |_| Ok(events.clone())).await?;
    let manage = move |shared: &Shared| {
        bus::manage(&shared.workspace.bus(), &path).map(drop).map_err(|error| error.refusal())
    };
    shared.blocking(manage).await
}

/// What the last daemon left half done goes; what was whole and not yet registered is.
pub(crate) async fn mend(shared: &Arc<Shared>) -> Result<Vec<String>, Refusal> {
    shared
        .blocking(|shared| {
            let entries = std::fs::read_dir(shared.workspace.repos()).into_iter().flatten().flatten();
            for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(UNFINISHED)) {
                sweep(&entry.path());
            }
            Ok(())
        })
        .await?;
    let mut said = Vec::new();
    for CloneRow { start, .. } in shared.store.read(|view| view.clones())? {
        let place = shared.workspace.repos().join(&start.slug);
        let looked = place.clone();
        let whole = shared.blocking(move |shared| Ok(shared.git.open(&looked)?)).await;
        match whole {
            Ok(repository) => {
                let branch = repository.branch().ok().flatten();
                register(shared, &start, repository.top().to_owned(), branch, None).await?;
                said.push(format!("the repo {} was cloned and is registered now", start.slug));
            }
            Err(_) => {
                let refusal = Refusal::conflict("daemon_restarted", "the daemon ended while it was cloned");
                fail(shared, start.repo, &refusal).await;
                said.push(format!("the clone of {} was cut off; nothing of it stays", start.slug));
            }
        }
    }
    Ok(said)
}
