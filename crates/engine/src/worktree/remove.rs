//! Removal: a worktree goes into the trash with proof that nothing is lost, or by an order that keeps everything first.
//!
//! Invariant: refs of ours keep what it stood on, and the event is durable, before its folder moves. Nothing is deleted
//! here; see [`super::trash`].

use super::inside::nobody_inside;
use super::{Found, checkout, script};
use crate::engine::Shared;
use crate::{Call, Engine, Key, RemovedView, checkpoint};
use git::{Discard, Holding, Oid, REF_PREFIX, Repository, Snapshot};
use model::{
    Actor, AgentName, Checkpoint, CheckpointId, Event, Refusal, Repo, SessionId, Timestamp, TrashedWorktree,
    Worktree, WorktreeId, WorktreeRestored,
};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::View;

/// A worktree that is to go.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) worktree: Worktree,
    pub(super) repo: Repo,
    /// As it is called in a sentence: `shop/feat-auth`, `of claude`.
    pub(super) label: String,
    /// What to do when work would be lost.
    pub(super) hint: String,
}

/// What was found when it was looked at, and kept.
struct Proof {
    head: Option<Oid>,
    branch: Option<String>,
    /// Ref of what was not committed.
    kept_as: Option<String>,
    commit: Option<Oid>,
    paths: Vec<model::RepoPath>,
    /// Why it would have stayed without the order.
    forced: Option<String>,
    /// Everything in it but ignored files is kept by refs.
    whole: bool,
}

impl Engine {
    /// Puts a worktree into the trash. One with work that is nowhere else is refused, unless `force` says so: then
    /// everything in it is kept as a checkpoint first. One in which somebody is stays in any case.
    pub async fn trash_worktree(
        &self,
        call: &Call,
        id: WorktreeId,
        force: bool,
    ) -> Result<RemovedView, Refusal> {
        call.only_user()?;
        if let Some(records) = self.shared.done_before(call).await? {
            return self.trashed_before(&records);
        }
        let row = self.worktree_row(id)?;
        if row.trashed.is_some() {
            return Err(Refusal::conflict("worktree_trashed", "it is in the trash already")
                .hint("`coditect worktree restore` brings it back, `coditect worktree purge` deletes it"));
        }
        let target = self.target(row.worktree)?;
        self.stop_scripts_of(id).await;
        self.tear_down(&target, force).await?;
        self.put_into_trash(by(call), target, force).await
    }

    /// The same without anybody's order, and so only with proof.
    pub(crate) async fn retire_worktree(&self, worktree: Worktree) -> Result<RemovedView, Refusal> {
        let target = self.target(worktree)?;
        self.torn_down_for_prune(&target).await?;
        self.put_into_trash((Actor::System, None), target, false).await
    }

    /// The same for an agent's own worktree.
    pub async fn remove_worktree(
        &self,
        call: &Call,
        session: SessionId,
        agent: &AgentName,
        discard: bool,
    ) -> Result<RemovedView, Refusal> {
        call.only_user()?;
        if let Some(records) = self.shared.done_before(call).await? {
            return self.trashed_before(&records);
        }
        let found = self.found_one(session, agent).await?;
        let target = self.lent_target(found)?;
        self.put_into_trash(by(call), target, discard).await
    }

    /// Puts every worktree into the trash whose work is elsewhere; of the others it says why they stay. Those that
    /// somebody else made stay without a word.
    pub async fn prune_worktrees(&self, call: &Call) -> Result<Vec<RemovedView>, Refusal> {
        call.only_user()?;
        let mut targets = Vec::new();
        for found in self.found(None).await? {
            targets.push(self.lent_target(found)?);
        }
        for row in self.shared.store.read(|view| view.live_worktrees())? {
            if row.worktree.lent.is_none() && !row.worktree.adopted {
                targets.push(self.target(row.worktree)?);
            }
        }
        let mut views = Vec::new();
        for target in targets {
            let kept = RemovedView {
                id: Some(target.worktree.id),
                name: name_of(&target),
                path: target.worktree.path.clone(),
                kept_as: None,
                expires_at: None,
                kept_because: None,
            };
            let gone = match self.torn_down_for_prune(&target).await {
                Ok(()) => {
                    let part = call.part(&target.worktree.id.to_string());
                    self.put_into_trash(by(&part), target, false).await
                }
                Err(refusal) => Err(refusal),
            };
            let stays = |refusal: Refusal| RemovedView { kept_because: Some(refusal.message), ..kept };
            views.push(gone.unwrap_or_else(stays));
        }
        Ok(views)
    }

    /// A teardown is only begun when nothing else keeps it.
    async fn torn_down_for_prune(&self, target: &Target) -> Result<(), Refusal> {
        if target.worktree.lent.is_some() {
            return Ok(());
        }
        let (shared, looked) = (Arc::clone(&self.shared), target.clone());
        let job = move || look(&shared, &looked, false).map(drop);
        self.shared.writers.run(Path::new(&target.repo.path), job).await?;
        self.stop_scripts_of(target.worktree.id).await;
        self.tear_down(target, false).await
    }

    pub(super) fn target(&self, worktree: Worktree) -> Result<Target, Refusal> {
        let repo = self.repo(worktree.repo)?;
        let label = format!("{}/{}", repo.slug, worktree.name);
        let hint = format!(
            "bring its work home with `coditect worktree merge {label}`, or give --force: then everything is kept as a \
             checkpoint, and it goes into the trash"
        );
        Ok(Target { worktree, repo, label, hint })
    }

    fn lent_target(&self, found: Found) -> Result<Target, Refusal> {
        let path = found.lent.path.canonicalize().unwrap_or_else(|_| found.lent.path.clone());
        let path = path.display().to_string();
        // One that came back from the trash has an id already.
        let known = self.shared.store.read(|view| view.worktree_at(&path))?;
        let worktree = Worktree {
            id: known.map_or_else(|| self.shared.new_id(), |row| row.worktree.id),
            repo: found.repo.id,
            name: format!("{}/{}", found.lent.session, found.agent),
            path,
            branch: Some(found.lent.branch()),
            base: None,
            git_id: found.lent.id(),
            made_branch: true,
            adopted: false,
            port_base: 0,
            lent: Some(model::Lender { session: found.session.id, agent: found.agent.clone() }),
            created_at: found.session.created_at,
        };
        let hint = format!(
            "land it with `coditect session land {}`, or give --discard: then everything is kept as a checkpoint",
            found.lent.session
        );
        Ok(Target { worktree, label: format!("of {}", found.agent), repo: found.repo, hint })
    }

    async fn put_into_trash(
        &self,
        (actor, key): (Actor, Option<Key>),
        target: Target,
        force: bool,
    ) -> Result<RemovedView, Refusal> {
        let at = self.shared.now();
        let repo = target.repo.path.clone();
        let proof = {
            let (shared, target) = (Arc::clone(&self.shared), target.clone());
            let job = move || prove(&shared, &target, force, at);
            self.shared.writers.run(Path::new(&repo), job).await?
        };
        let trashed = self.record_of(&target, &proof, at);
        let mut events = vec![Event::WorktreeTrashed(trashed.clone())];
        events.extend(checkpoint_of(&target, &proof, self.shared.new_id(), at).map(Event::CheckpointCreated));
        let id = target.worktree.id;
        let command = move |view: &View<'_>| {
            // Two may have looked at the same moment.
            if view.worktree(id)?.is_some_and(|row| row.trashed.is_some()) {
                return Err(Refusal::conflict("worktree_trashed", "it is in the trash already"));
            }
            Ok(events)
        };
        self.shared.commit(actor, key, command).await?;
        let view = self.removed_view(&trashed)?;
        let shared = Arc::clone(&self.shared);
        let worktree = target.worktree.clone();
        let job = move || take_away(&shared, &target, &proof, &trashed);
        if let Err(refusal) = self.shared.writers.run(Path::new(&repo), job).await {
            let (repo, port_base) = (worktree.repo, worktree.port_base);
            let back = WorktreeRestored { worktree: worktree.id, repo, port_base, detached: false };
            let events = vec![Event::WorktreeRestored(back)];
            self.shared.conclude(model::Actor::System, move |_| Ok(events.clone())).await?;
            return Err(refusal);
        }
        Ok(view)
    }

    fn record_of(&self, target: &Target, proof: &Proof, at: Timestamp) -> TrashedWorktree {
        let keeps = self.shared.config.snapshot().config.repos.trash_millis();
        let expires_at = Timestamp::from_millis(at.as_millis().saturating_add(keeps));
        TrashedWorktree {
            worktree: target.worktree.clone(),
            path: trash_path(&self.shared, &target.worktree).display().to_string(),
            head: proof.head.as_ref().map(ToString::to_string),
            branch: proof.branch.clone(),
            kept_as: proof.kept_as.clone(),
            forced: proof.forced.clone(),
            expires_at: proof.whole.then_some(expires_at),
        }
    }

    /// Runs the teardown script, where there is one that is trusted.
    async fn tear_down(&self, target: &Target, force: bool) -> Result<(), Refusal> {
        match script::tear_down(&self.shared, &target.worktree, &target.repo).await? {
            Some(why) if !force => {
                let message = format!("the teardown script did not do its work: {why}");
                Err(Refusal::conflict("teardown_failed", message)
                    .hint("mend it, or give --force to put the worktree into the trash all the same"))
            }
            _ => Ok(()),
        }
    }
}

fn by(call: &Call) -> (Actor, Option<Key>) {
    (call.actor(), call.key.clone())
}

fn name_of(target: &Target) -> String {
    match target.worktree.lent {
        Some(_) => target.worktree.name.clone(),
        None => target.label.clone(),
    }
}

/// The trash of the workspace, or, for a worktree on another file system, a place beside it.
fn trash_path(shared: &Shared, worktree: &Worktree) -> PathBuf {
    let path = Path::new(&worktree.path);
    let device = |path: &Path| path.metadata().ok().map(|meta| meta.dev());
    match path.parent() {
        Some(parent) if device(parent).is_some() && device(parent) != device(shared.workspace.path()) => {
            parent.join(format!(".coditect-trash-{}", worktree.id.short()))
        }
        _ => shared.workspace.trash().join(worktree.id.to_string()),
    }
}

/// On the writer's thread of the checkout. None for a worktree whose folder is away.
fn look(shared: &Shared, target: &Target, force: bool) -> Result<Option<(Repository, Holding)>, Refusal> {
    let path = Path::new(&target.worktree.path);
    if path.symlink_metadata().is_err() {
        return Ok(None);
    }
    nobody_inside(shared, path, &target.label)?;
    let worktree = checkout(shared, &target.repo, path)?;
    let holding = worktree.holding()?;
    if let Some(reason) = &holding.locked {
        let message = format!("somebody locked it for git: {reason}");
        return Err(Refusal::conflict("worktree_locked", message)
            .hint(format!("`git worktree unlock {}`, if that is over", target.worktree.path)));
    }
    match holding.reason() {
        Some(reason) if !force => {
            Err(Refusal::conflict("worktree_holds_work", reason).hint(target.hint.clone()))
        }
        _ => Ok(Some((worktree, holding))),
    }
}

/// Looks at it, and keeps what would be lost.
fn prove(shared: &Shared, target: &Target, force: bool, at: Timestamp) -> Result<Proof, Refusal> {
    let main = checkpoint::open(shared, &target.repo.path)?;
    let key = target.worktree.id.to_string();
    let Some((worktree, holding)) = look(shared, target, force)? else {
        // Its folder is away: what its branch has is there still.
        let branch = target.worktree.branch.clone();
        let head = branch.as_deref().map(|branch| main.branch_tip(branch)).transpose()?.flatten();
        return Ok(Proof {
            head,
            // So that it stays: nobody has looked whether its work is elsewhere.
            branch: None,
            kept_as: None,
            commit: None,
            paths: Vec::new(),
            forced: None,
            whole: true,
        });
    };
    main.keep_standing(&worktree, &key, at)?;
    let forced = holding.reason();
    let mut proof = Proof {
        head: holding.head.clone(),
        branch: holding.branch.clone(),
        kept_as: None,
        commit: None,
        paths: holding.dirty.clone(),
        whole: holding.unnamable == 0 && holding.hidden == 0 && holding.submodules == 0,
        forced,
    };
    if proof.forced.is_none() {
        return Ok(proof);
    }
    let kept_ref = match &target.worktree.lent {
        Some(lent) => format!("{REF_PREFIX}kept/{}/{}/{key}", lent.session.short(), lent.agent),
        None => format!("{REF_PREFIX}kept/{key}"),
    };
    match everything(
        shared,
        &worktree,
        &holding,
        &format!("Keep what was left in the worktree {}", target.label),
        at,
    ) {
        Ok((Some(commit), all)) => {
            main.update_ref(&kept_ref, &commit)?;
            proof.whole &= all;
            (proof.kept_as, proof.commit) = (Some(kept_ref), Some(commit));
        }
        Ok((None, all)) => proof.whole &= all,
        // The folder itself is kept, and stays until it is deleted by an order.
        Err(error) => {
            tracing::warn!(%error, worktree = %target.worktree.id, "a checkpoint does not hold all; the trash keeps it");
            proof.whole = false;
        }
    }
    Ok(proof)
}

/// A commit of all that is in the worktree, on top of where it stands; and whether it is all.
fn everything(
    shared: &Shared,
    worktree: &Repository,
    holding: &Holding,
    message: &str,
    at: Timestamp,
) -> Result<(Option<Oid>, bool), Refusal> {
    let author = worktree.identity(&shared.user_home())?;
    let taken = worktree.snapshot(&Snapshot {
        parent: holding.head.as_ref(),
        paths: &holding.dirty,
        message,
        author: &author,
        co_authors: &[],
        at,
    })?;
    let all = taken.ignored.is_empty() && taken.filtered.is_empty();
    Ok((taken.commit.or_else(|| holding.head.clone()), all))
}

/// Of an agent's own worktree the session shows it among its checkpoints.
fn checkpoint_of(target: &Target, proof: &Proof, id: CheckpointId, at: Timestamp) -> Option<Checkpoint> {
    let (lent, git_ref, commit) =
        (target.worktree.lent.as_ref()?, proof.kept_as.clone()?, proof.commit.as_ref()?);
    Some(Checkpoint {
        id,
        session: lent.session,
        plan: None,
        repo: target.repo.id,
        git_ref,
        commit: commit.to_string(),
        paths: proof.paths.clone(),
        co_authors: vec![lent.agent.clone()],
        message: format!("Keep what {} left in its worktree", lent.agent),
        created_at: at,
        kind: model::CheckpointKind::Work,
        name: None,
        point: None,
    })
}

fn take_away(
    shared: &Shared,
    target: &Target,
    proof: &Proof,
    trashed: &TrashedWorktree,
) -> Result<(), Refusal> {
    // Somebody may have come in between.
    look(shared, target, proof.forced.is_some())?;
    let main = checkpoint::open(shared, &target.repo.path)?;
    main.put_aside(&discard_of(trashed))?;
    shared.usages.forget(Path::new(&target.worktree.path));
    // A lent branch is nobody else's; another goes when somebody else has its work.
    if let (Some(branch), Some(head)) = (&proof.branch, &proof.head)
        && target.worktree.made_branch
        && target.worktree.branch.as_deref() == Some(branch)
        && (proof.forced.is_none() || target.worktree.lent.is_some())
        && let Err(error) = main.drop_branch(branch, head)
    {
        tracing::warn!(%error, branch, "the branch of a worktree that is gone stays");
    }
    if target.worktree.lent.is_some()
        && let Some(session) = Path::new(&target.worktree.path).parent()
    {
        // Only when it is empty.
        let _ = std::fs::remove_dir(session);
    }
    bus::forget(&shared.workspace.bus(), &target.worktree.path).map(drop).map_err(|error| error.refusal())
}

pub(super) fn discard_of(trashed: &TrashedWorktree) -> Discard {
    Discard {
        key: trashed.worktree.id.to_string(),
        id: trashed.worktree.git_id.clone(),
        path: PathBuf::from(&trashed.worktree.path),
        to: PathBuf::from(&trashed.path),
    }
}
