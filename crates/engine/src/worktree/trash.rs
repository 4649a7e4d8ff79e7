//! The trash: what is in it comes back, or goes for good when its time is over.
//!
//! Invariant: only what the journal says is in the trash is deleted, from where the journal says that it is.

use super::add::free_ports;
use super::again;
use super::remove::discard_of;
use crate::engine::Shared;
use crate::{Call, Engine, RemovedView, WorktreeView, checkpoint};
use model::{Actor, Event, Refusal, TrashedWorktree, WorktreeId, WorktreePurged, WorktreeRestored};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use store::View;

/// How often the trash is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(3600);

impl Engine {
    /// Brings a worktree back to where it was, as it was. When its branch stands elsewhere by now it is on its commit
    /// and on no branch.
    pub async fn restore_worktree(&self, call: &Call, id: WorktreeId) -> Result<WorktreeView, Refusal> {
        call.only_user()?;
        if let Some(records) = self.shared.done_before(call).await? {
            return self.came_back(again::restored(&records)?).await;
        }
        let trashed = self.trashed(id)?;
        let repo = self.repo(trashed.worktree.repo)?;
        let lent = trashed.worktree.lent.is_some();
        let worktree = trashed.worktree.clone();
        // Whoever gets no ports is told before anything moves.
        if !lent {
            self.shared.store.read_or_refuse(|view| free_ports(view, Some(worktree.port_base)))?;
        }
        let put_aside = trashed.clone();
        let shared = Arc::clone(&self.shared);
        let opened = repo.path.clone();
        let job = move || {
            let head = trashed.head.as_deref().unwrap_or_default().parse();
            let head: git::Oid = head.map_err(|_| gone(&trashed))?;
            if Path::new(&trashed.path).symlink_metadata().is_err() {
                return Err(gone(&trashed));
            }
            let main = checkpoint::open(&shared, &opened)?;
            let back = main.put_back(&discard_of(&trashed), &head, trashed.branch.as_deref())?;
            if !lent {
                bus::manage(&shared.workspace.bus(), &trashed.worktree.path)
                    .map_err(|error| error.refusal())?;
            }
            Ok(back.detached)
        };
        let detached = self.shared.writers.run(Path::new(&repo.path), job).await?;
        let command = move |view: &View<'_>| {
            let port_base = if lent { 0 } else { free_ports(view, Some(worktree.port_base))? };
            let back = WorktreeRestored { worktree: worktree.id, repo: worktree.repo, port_base, detached };
            Ok(vec![Event::WorktreeRestored(back)])
        };
        if let Err(refusal) = self.shared.commit(call.actor(), call.key.clone(), command).await {
            let shared = Arc::clone(&self.shared);
            let opened = repo.path.clone();
            let again = move || put_aside_again(&shared, &opened, &put_aside);
            if let Err(error) = self.shared.writers.run(Path::new(&repo.path), again).await {
                tracing::error!(%error, worktree = %id, "it is back, and still counts as being in the trash");
            }
            return Err(refusal);
        }
        self.came_back(id).await
    }

    /// As it is shown: an agent's own has no id that lists know.
    async fn came_back(&self, id: WorktreeId) -> Result<WorktreeView, Refusal> {
        let worktree = self.worktree_row(id)?.worktree;
        if worktree.lent.is_some() { self.worktree_at(&worktree.path).await } else { self.worktree(id).await }
    }

    /// Deletes a worktree that is in the trash, for good. The refs that keep its commits stay.
    pub async fn purge_worktree(&self, call: &Call, id: WorktreeId) -> Result<RemovedView, Refusal> {
        call.only_user()?;
        let trashed = self.trashed(id)?;
        let view = RemovedView { expires_at: None, ..self.removed_view(&trashed)? };
        let purged = throw_away(&self.shared, &trashed, view.name.clone()).await?;
        self.shared.conclude_for(call, vec![Event::WorktreePurged(purged)]).await?;
        Ok(view)
    }

    fn trashed(&self, id: WorktreeId) -> Result<TrashedWorktree, Refusal> {
        self.worktree_row(id)?.trashed.ok_or_else(|| {
            Refusal::conflict("worktree_not_trashed", "it is not in the trash")
                .hint("`coditect worktree list --trash` shows what is")
        })
    }
}

fn gone(trashed: &TrashedWorktree) -> Refusal {
    let message = format!("nothing is left of it at {}", trashed.path);
    Refusal::conflict("worktree_gone", message)
        .hint("what was committed is on its branch, or under refs/coditect/trash/ in the repository")
}

/// Its folder and what git kept of it go; what is to be recorded of that.
async fn throw_away(
    shared: &Arc<Shared>,
    trashed: &TrashedWorktree,
    name: String,
) -> Result<WorktreePurged, Refusal> {
    let (worktree, repo) = (trashed.worktree.id, trashed.worktree.repo);
    let discard = discard_of(trashed);
    let path = shared.store.read(|view| view.repo(repo))?.map(|repo| repo.path);
    shared
        .blocking(move |shared| {
            match path.map(|path| checkpoint::open(shared, &path)) {
                Some(Ok(main)) => Ok(main.throw_away(&discard)?),
                // The repository itself is away; what git kept of the worktree went with it.
                Some(Err(_)) | None => Err(Refusal::conflict("repo_missing", "its repository is away")
                    .hint("bring the repository back, or delete the folder in the trash yourself")),
            }
        })
        .await?;
    let (path, kept_as) = (Some(trashed.worktree.path.clone()), trashed.kept_as.clone());
    Ok(WorktreePurged { worktree, repo, name: Some(name), path, kept_as })
}

/// A worktree that came out of the trash and must not is in it again.
fn put_aside_again(shared: &Shared, repo: &str, trashed: &TrashedWorktree) -> Result<(), Refusal> {
    checkpoint::open(shared, repo)?.put_aside(&discard_of(trashed))?;
    bus::forget(&shared.workspace.bus(), &trashed.worktree.path).map(drop).map_err(|error| error.refusal())
}

/// Throws away what has expired, now and from time to time.
pub(crate) async fn keep(shared: Arc<Shared>) {
    loop {
        if let Err(refusal) = expire(&shared).await {
            tracing::warn!(%refusal, "the trash was not looked at");
        }
        tokio::select! {
            () = shared.stopping.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

pub(crate) async fn expire(shared: &Arc<Shared>) -> Result<usize, Refusal> {
    let now = shared.now();
    let mut gone = 0;
    for row in shared.store.read(|view| view.trashed_worktrees())? {
        let Some(trashed) = row.trashed.filter(|trashed| trashed.expires_at.is_some_and(|at| at <= now))
        else {
            continue;
        };
        let id = trashed.worktree.id;
        let name = trashed.worktree.name.clone();
        let purged = match throw_away(shared, &trashed, name).await {
            Ok(purged) => {
                let events = vec![Event::WorktreePurged(purged)];
                shared.conclude(Actor::System, move |_| Ok(events.clone())).await.map(drop)
            }
            Err(refusal) => Err(refusal),
        };
        match purged {
            Ok(()) => gone += 1,
            Err(refusal) => tracing::warn!(%refusal, worktree = %id, "what expired stays in the trash"),
        }
    }
    Ok(gone)
}

/// What a crash left between the event and the move: one that did not move is where it was.
pub(crate) async fn mend(shared: &Arc<Shared>) -> Result<Vec<String>, Refusal> {
    let mut said = Vec::new();
    for row in shared.store.read(|view| view.trashed_worktrees())? {
        let Some(trashed) = row.trashed else { continue };
        let moved = Path::new(&trashed.path).symlink_metadata().is_ok();
        let stayed = Path::new(&trashed.worktree.path).join(".git").symlink_metadata().is_ok();
        let (id, repo) = (trashed.worktree.id, trashed.worktree.repo);
        let Some(path) = shared.store.read(|view| view.repo(repo))?.map(|repo| repo.path) else { continue };
        let discard = discard_of(&trashed);
        if moved {
            // What git keeps of it follows, when that was cut off.
            let follow = move |shared: &Shared| Ok(checkpoint::open(shared, &path)?.put_aside(&discard)?);
            if let Err(error) = shared.blocking(follow).await {
                tracing::debug!(%error, worktree = %id, "git still knows of a worktree in the trash");
            }
        } else if stayed {
            let port_base = trashed.worktree.port_base;
            let back = WorktreeRestored { worktree: id, repo, port_base, detached: false };
            shared.record(Actor::System, vec![Event::WorktreeRestored(back)]).await?;
            said.push(format!(
                "worktree {} was to go into the trash and is where it was",
                trashed.worktree.name
            ));
        }
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::Stage;
    use crate::{Call, Engine, NewWorktree};
    use model::Repo;

    /// A workspace with a repo and a worktree in it.
    async fn made(stage: &Stage) -> (Engine, WorktreeView, testkit::TempRepo) {
        let origin = testkit::TempRepo::with(&[("a.txt", "one\n")]);
        origin.git(&["clone", "-q", ".", stage.worktree().to_str().unwrap()]);
        let (session, _) = stage.session(&["claude"]);
        let repo: Repo = stage.shared.store.read(|view| view.repo(session.repo.unwrap())).unwrap().unwrap();
        let engine = Engine { shared: Arc::clone(&stage.shared) };
        let new =
            NewWorktree { repo: repo.id, name: "one".to_owned(), branch: None, from: None, checkout: None };
        let view = engine.add_worktree(&Call::user("test"), new).await.unwrap();
        (engine, view, origin)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_has_expired_goes_and_nothing_else_does() {
        let stage = Stage::with_path();
        let (engine, view, _origin) = made(&stage).await;
        let id = view.id.unwrap();
        engine.trash_worktree(&Call::user("test"), id, false).await.unwrap();
        let trashed = engine.trashed(id).unwrap();
        let keeps = u64::from(stage.shared.config.snapshot().config.repos.trash_days) * 24 * 3600;
        stage.clock.advance(Duration::from_secs(keeps - 1));
        assert_eq!(expire(&stage.shared).await.unwrap(), 0);
        assert!(Path::new(&trashed.path).join("a.txt").exists());
        stage.clock.advance(Duration::from_secs(1));
        assert_eq!(expire(&stage.shared).await.unwrap(), 1);
        assert!(!Path::new(&trashed.path).exists());
        assert_eq!(engine.trashed(id).unwrap_err().code, "worktree_not_found");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_that_was_cut_off_on_its_way_is_where_it_was() {
        let stage = Stage::with_path();
        let (engine, view, _origin) = made(&stage).await;
        let row = engine.worktree_row(view.id.unwrap()).unwrap();
        // The event is there, the folder has not moved: so a kill in between leaves it.
        let trashed = TrashedWorktree {
            path: stage.shared.workspace.trash().join("x").display().to_string(),
            worktree: row.worktree.clone(),
            head: None,
            branch: None,
            kept_as: None,
            forced: None,
            expires_at: None,
        };
        stage.shared.record(Actor::System, vec![Event::WorktreeTrashed(trashed)]).await.unwrap();
        assert_eq!(mend(&stage.shared).await.unwrap().len(), 1);
        assert_eq!(engine.worktree_row(row.worktree.id).unwrap().trashed, None);
        assert!(Path::new(&view.path).join("a.txt").exists());
        assert!(mend(&stage.shared).await.unwrap().is_empty());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_that_gets_no_ports_stays_in_the_trash() {
        let stage = Stage::with_path();
        let (engine, view, _origin) = made(&stage).await;
        let (id, user) = (view.id.unwrap(), Call::user("test"));
        engine.trash_worktree(&user, id, false).await.unwrap();
        let trashed = engine.trashed(id).unwrap();
        let others = (0..model::PORT_BLOCKS).map(|n| {
            Event::WorktreeCreated(model::Worktree {
                id: stage.shared.new_id(),
                name: format!("other-{n}"),
                path: format!("/srv/{n}"),
                port_base: model::PORT_FIRST + n * model::PORT_SPAN,
                ..trashed.worktree.clone()
            })
        });
        stage.commit(others.collect());
        assert_eq!(engine.restore_worktree(&user, id).await.unwrap_err().code, "ports_exhausted");
        assert!(Path::new(&trashed.path).join("a.txt").exists() && !Path::new(&view.path).exists());
        assert_eq!(engine.trashed(id).unwrap(), trashed);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_that_came_back_and_must_not_goes_again_and_can_come_back() {
        let stage = Stage::with_path();
        let (engine, view, origin) = made(&stage).await;
        let (id, user) = (view.id.unwrap(), Call::user("test"));
        engine.trash_worktree(&user, id, false).await.unwrap();
        let trashed = engine.trashed(id).unwrap();
        let repo = engine.repo(trashed.worktree.repo).unwrap();
        let main = checkpoint::open(&stage.shared, &repo.path).unwrap();
        let head = trashed.head.as_deref().unwrap().parse().unwrap();
        main.put_back(&discard_of(&trashed), &head, trashed.branch.as_deref()).unwrap();
        assert!(Path::new(&view.path).join("a.txt").exists());
        put_aside_again(&stage.shared, &repo.path, &trashed).unwrap();
        assert!(Path::new(&trashed.path).join("a.txt").exists() && !Path::new(&view.path).exists());
        assert_eq!(origin.git(&["-C", &repo.path, "worktree", "list"]).lines().count(), 1);
        let back = engine.restore_worktree(&user, id).await.unwrap();
        assert_eq!((back.path, back.branch), (view.path, view.branch));
    }
}
