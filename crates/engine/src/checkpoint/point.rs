//! Points: the files of a worktree before and after a turn, when somebody asks for it, and before a restore.
//!
//! Invariant: a point is made on the thread of its worktree's writer, so no edit of ours is half in it; and where nothing
//! differs from the newest point of the same session, that one is it.

use super::open;
use crate::engine::Shared;
use crate::repo::NO_OWN_REPO;
use crate::turn::standing::Standing;
use crate::{Call, Caller, Engine, worktree};
use git::{Keep, Oid, REF_PREFIX, Repository};
use model::{
    AgentName, CHECKPOINT_NAME_MAX, CHECKPOINT_PATHS_NAMED, Checkpoint, CheckpointId, CheckpointKind, Event,
    MessageId, Point, Refusal, RefusalKind, RegistrationId, Repo, RepoId, SessionId, Task, TurnId,
};
use std::path::Path;
use std::sync::Arc;
use store::View;

/// Refusals of git that no work can begin with: what is done would be lost, or could not be taken back.
const HOPELESS: [&str; 3] = ["git_missing", "git_too_old", "path_missing"];

/// A checkpoint to be made of what is there now.
#[derive(Debug, Clone)]
pub struct NewCheckpoint {
    pub name: String,
    /// Whose own worktree it is of; none: where the asking agent works, of anybody else where the session works.
    pub agent: Option<AgentName>,
}

/// Why a point is made, and what it is of.
#[derive(Debug, Clone)]
pub(crate) struct Occasion {
    pub(crate) kind: CheckpointKind,
    pub(crate) name: Option<String>,
    pub(crate) session: SessionId,
    pub(crate) repo: RepoId,
    pub(crate) turn: Option<TurnId>,
    pub(crate) message: Option<MessageId>,
    pub(crate) by: Option<AgentName>,
}

impl Occasion {
    fn words(&self) -> String {
        match (self.kind, &self.name, &self.by) {
            (CheckpointKind::BeforeTurn, _, Some(agent)) => format!("Before a turn of {agent}"),
            (CheckpointKind::AfterTurn, _, Some(agent)) => format!("After a turn of {agent}"),
            (CheckpointKind::BeforeRestore, ..) => "Before a restore".to_owned(),
            (_, Some(name), _) => name.clone(),
            _ => "A checkpoint".to_owned(),
        }
    }

    /// Words of the commit: what somebody needs who has nothing but the commit.
    fn message(&self, id: CheckpointId, base: Option<&Oid>) -> String {
        let mut message = format!("{}\n\nCoditect-Checkpoint: {id}\n", self.words());
        message.push_str(&format!(
            "Coditect-Session: {}\nCoditect-Kind: {}\n",
            self.session,
            self.kind.as_str()
        ));
        if let Some(base) = base {
            message.push_str(&format!("Coditect-Base: {base}\n"));
        }
        message
    }
}

/// The ref that keeps a point.
pub(crate) fn point_ref(id: CheckpointId) -> String {
    format!("{REF_PREFIX}checkpoints/{id}")
}

/// Makes a point. None when the newest one of the session is as the worktree is, and nobody asked for one.
pub(crate) async fn take(
    shared: &Arc<Shared>,
    worktree: &str,
    occasion: Occasion,
) -> Result<Option<Checkpoint>, Refusal> {
    Ok(look(shared, worktree, occasion).await?.kept)
}

/// What comes of the one look at a worktree.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// The point that was made, where one was.
    pub(crate) kept: Option<Checkpoint>,
    /// How the worktree was found; none when git did not say.
    pub(crate) standing: Option<Standing>,
}

async fn look(shared: &Arc<Shared>, worktree: &str, occasion: Occasion) -> Result<Look, Refusal> {
    let (shared_, path) = (Arc::clone(shared), worktree.to_owned());
    shared
        .writers
        .run(Path::new(worktree), move || {
            let repository = open(&shared_, &path)?;
            let survey = repository.survey()?;
            let kept = keep(&shared_, &repository, &path, &occasion, &survey)?;
            // Without it somebody asks again.
            let standing = Standing::of(&repository, survey.head.as_ref(), survey.status).ok();
            Ok(Look { kept, standing })
        })
        .await
}

pub(super) fn keep(
    shared: &Shared,
    repository: &Repository,
    worktree: &str,
    occasion: &Occasion,
    survey: &git::Survey,
) -> Result<Option<Checkpoint>, Refusal> {
    let last = shared.store.read(|view| view.last_point(worktree))?;
    let wanted = matches!(occasion.kind, CheckpointKind::Named | CheckpointKind::BeforeRestore);
    let point = last.as_ref().and_then(|last| last.point.as_ref());
    let known = point.is_some_and(|point| point.tree == survey.tree.as_str());
    if known && !wanted && last.as_ref().is_some_and(|last| last.session == occasion.session) {
        return Ok(None);
    }
    let (id, at) = (shared.new_id(), shared.now());
    let tip: Option<Oid> = last.as_ref().and_then(|last| last.commit.parse().ok());
    let depth = point.map_or(0, |point| point.depth);
    let kept = repository.keep(&Keep {
        survey,
        last: tip.as_ref().map(|tip| (tip, depth)),
        message: &occasion.message(id, survey.head.as_ref()),
        at,
    })?;
    let git_ref = point_ref(id);
    repository.update_ref(&git_ref, &kept.commit)?;
    let count = |of: usize| u32::try_from(of).unwrap_or(u32::MAX);
    let changed = count(kept.changed.len());
    Ok(Some(Checkpoint {
        id,
        session: occasion.session,
        plan: None,
        repo: occasion.repo,
        git_ref,
        commit: kept.commit.to_string(),
        paths: kept.changed.into_iter().take(CHECKPOINT_PATHS_NAMED).collect(),
        co_authors: occasion.by.iter().cloned().collect(),
        message: occasion.words(),
        created_at: at,
        kind: occasion.kind,
        name: occasion.name.clone(),
        point: Some(Point {
            worktree: worktree.to_owned(),
            tree: survey.tree.to_string(),
            base: survey.head.as_ref().map(ToString::to_string),
            parent: kept.parent.map(|parent| parent.to_string()),
            depth: kept.depth,
            turn: occasion.turn,
            message: occasion.message,
            at: shared.store.durable(),
            changed,
            left_out: count(survey.left_out),
        }),
    }))
}

/// Lets go of a point whose event was not committed. Of one of which nobody knows whether it was, the ref stays.
pub(crate) async fn settle(
    shared: &Arc<Shared>,
    worktree: &str,
    made: &Checkpoint,
    committed: &Result<store::Receipt, Refusal>,
) {
    let of_it = |event: &Event| matches!(event, Event::CheckpointCreated(one) if one.id == made.id);
    let kept = match committed {
        Ok(receipt) => receipt.records.iter().any(|record| of_it(&record.event)),
        Err(refusal) => refusal.kind == RefusalKind::Unavailable,
    };
    if kept {
        return;
    }
    let (shared_, path, commit, name) =
        (Arc::clone(shared), worktree.to_owned(), made.commit.clone(), made.git_ref.clone());
    let job = move || {
        let at: Oid = commit.parse().map_err(Refusal::internal)?;
        Ok(open(&shared_, &path)?.drop_ref(&name, &at)?)
    };
    if let Err(refusal) = shared.writers.run(Path::new(worktree), job).await {
        tracing::warn!(%refusal, checkpoint = %made.id, "the ref of a checkpoint that was not recorded stays");
    }
}

/// What the worktree holds before a turn that may edit. Without a git that works, and without the folder, there is no turn;
/// anything else that keeps the point from being made keeps no work from being done.
pub(crate) async fn before_turn(
    shared: &Arc<Shared>,
    repo: &Repo,
    task: &Task,
    turn: TurnId,
    agent: &AgentName,
) -> Result<Look, Refusal> {
    if !Path::new(&repo.path).is_dir() {
        return Err(folder_gone(&repo.path));
    }
    let message = shared.store.read(|view| said_before(view, task))?;
    let occasion = of_turn(CheckpointKind::BeforeTurn, (repo, task), turn, agent, message);
    match look(shared, &repo.path, occasion).await {
        Err(refusal) if HOPELESS.contains(&refusal.code.as_ref()) => Err(refusal),
        Err(refusal) => {
            tracing::warn!(%refusal, %turn, "there is no checkpoint of before the turn");
            Ok(Look::default())
        }
        looked => looked,
    }
}

/// What the worktree holds after a turn, however it ended.
pub(crate) async fn after_turn(
    shared: &Arc<Shared>,
    repo: &Repo,
    task: &Task,
    turn: TurnId,
    agent: &AgentName,
) -> Look {
    let message = match shared.store.read(|view| said_so_far(view, task)) {
        Ok(message) => message,
        Err(error) => {
            tracing::warn!(%error, %turn, "nobody knows what was said last");
            None
        }
    };
    let occasion = of_turn(CheckpointKind::AfterTurn, (repo, task), turn, agent, message);
    match look(shared, &repo.path, occasion).await {
        Ok(looked) => looked,
        Err(refusal) => {
            tracing::warn!(%refusal, %turn, "there is no checkpoint of after the turn");
            Look::default()
        }
    }
}

fn of_turn(
    kind: CheckpointKind,
    (repo, task): (&Repo, &Task),
    turn: TurnId,
    agent: &AgentName,
    message: Option<MessageId>,
) -> Occasion {
    Occasion {
        kind,
        name: None,
        session: task.session,
        repo: repo.id,
        turn: Some(turn),
        message,
        by: Some(agent.clone()),
    }
}

/// The last message before the task's own first one.
fn said_before(view: &View<'_>, task: &Task) -> Result<Option<MessageId>, store::StoreError> {
    let first = view.task_messages(task.id)?.into_iter().next();
    let before = match first {
        Some(first) => view.messages(task.session, Some(first.id), 1)?.pop(),
        None => view.messages(task.session, None, 1)?.pop(),
    };
    Ok(before.map(|message| message.id).or(inherited(view, task.session)?))
}

/// The last message of the task, or of the session when the task has none.
fn said_so_far(view: &View<'_>, task: &Task) -> Result<Option<MessageId>, store::StoreError> {
    match view.task_messages(task.id)?.pop() {
        Some(last) => Ok(Some(last.id)),
        None => said_last(view, task.session),
    }
}

pub(super) fn said_last(view: &View<'_>, session: SessionId) -> Result<Option<MessageId>, store::StoreError> {
    let last = view.messages(session, None, 1)?.pop();
    Ok(last.map(|message| message.id).or(inherited(view, session)?))
}

/// What a fork knew before anything was said in it.
fn inherited(view: &View<'_>, session: SessionId) -> Result<Option<MessageId>, store::StoreError> {
    Ok(view.session(session)?.and_then(|row| row.session.lineage.fork_message))
}

pub(super) fn folder_gone(path: &str) -> Refusal {
    Refusal::invalid("path_missing", format!("the working directory {path} is gone"))
        .hint("bring the folder back, or let the session work elsewhere: `coditect worktree use`, `coditect repo list`")
}

impl Engine {
    /// Keeps the files of a worktree as they are now, under a name: of the asking agent's, or of the session's.
    pub async fn create_checkpoint(
        &self,
        call: &Call,
        session: SessionId,
        new: NewCheckpoint,
    ) -> Result<Checkpoint, Refusal> {
        let name = checked_name(&new.name)?;
        let by = match &call.caller {
            Caller::User => None,
            Caller::Run { session: own, agent, .. } if *own == session => Some(agent.clone()),
            Caller::Run { .. } | Caller::Terminal { .. } => return Err(not_yours()),
        };
        let (repo, place) = self.place_of(session, new.agent.as_ref())?;
        let place = match (&new.agent, &call.caller) {
            (None, Caller::Run { registration, .. }) => self.works_in(*registration)?.unwrap_or(place),
            _ => place,
        };
        let message = self.shared.store.read(|view| said_last(view, session))?;
        let occasion = Occasion {
            kind: CheckpointKind::Named,
            name: Some(name),
            session,
            repo: repo.id,
            turn: None,
            message,
            by,
        };
        let made = take(&self.shared, &place, occasion).await?;
        let made = made.ok_or_else(|| Refusal::internal("a named checkpoint was not made"))?;
        let event = Event::CheckpointCreated(made.clone());
        let committed = self.shared.commit(call.actor(), call.key.clone(), move |_| Ok(vec![event])).await;
        settle(&self.shared, &place, &made, &committed).await;
        let recorded = committed?.records.into_iter().find_map(|record| match record.event {
            Event::CheckpointCreated(checkpoint) => Some(checkpoint),
            _ => None,
        });
        super::bundle::ring(&self.shared);
        recorded.ok_or_else(|| Refusal::internal("a checkpoint was recorded as something else"))
    }

    /// The worktree that a run works in, which may be its agent's own.
    fn works_in(&self, registration: RegistrationId) -> Result<Option<String>, Refusal> {
        let here = self.shared.bus.registration(registration).map_err(|error| error.refusal())?;
        Ok(here.and_then(|one| one.worktree).filter(|worktree| Path::new(worktree).is_dir()))
    }

    /// The repo of a session, and the folder its files are in.
    pub(super) fn place_of(
        &self,
        session: SessionId,
        agent: Option<&AgentName>,
    ) -> Result<(Repo, String), Refusal> {
        let repo = self.shared.store.read_or_refuse(|view| {
            let row = crate::session::visible(view, session)?;
            let Some(repo) = row.session.repo else {
                return Err(Refusal::invalid(NO_OWN_REPO, "the session works in no repository").hint(
                    "a checkpoint is of files: open a session with `coditect session new --repo REPO`",
                ));
            };
            view.repo(repo)?.ok_or_else(|| Refusal::not_found("repo", repo))
        })?;
        let place = match agent {
            Some(agent) => {
                let folder = worktree::folder(&self.shared, session, agent);
                folder.canonicalize().map(|path| path.display().to_string()).map_err(|_| {
                    let message =
                        format!("{agent} has no worktree of its own in session {}", session.short());
                    Refusal::new(RefusalKind::NotFound, "worktree_not_found", message)
                        .hint("leave the agent out, and it is of where the session works")
                })?
            }
            None => worktree::assigned_folder(&self.shared, session).unwrap_or_else(|| repo.path.clone()),
        };
        if Path::new(&place).is_dir() { Ok((repo, place)) } else { Err(folder_gone(&place)) }
    }
}

pub(super) fn not_yours() -> Refusal {
    Refusal::new(
        RefusalKind::Forbidden,
        "not_for_agents",
        "an agent may keep and bring back files of its own session only",
    )
    .hint("ask the user")
}

fn checked_name(given: &str) -> Result<String, Refusal> {
    let name = given.trim();
    let plain = name.chars().all(|c| !c.is_control());
    if plain && (1..=CHECKPOINT_NAME_MAX).contains(&name.chars().count()) {
        return Ok(name.to_owned());
    }
    let message =
        format!("a checkpoint's name has 1 to {CHECKPOINT_NAME_MAX} characters, all of them visible");
    Err(Refusal::invalid("checkpoint_name_invalid", message).hint("give it a short name on one line"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_visible() {
        assert_eq!(checked_name("  before leases ").unwrap(), "before leases");
        assert_eq!(
            checked_name(&"ä".repeat(CHECKPOINT_NAME_MAX)).unwrap().chars().count(),
            CHECKPOINT_NAME_MAX
        );
        for bad in ["", "  ", "a\nb", "a\u{1b}[2J", &"x".repeat(CHECKPOINT_NAME_MAX + 1)] {
            assert_eq!(checked_name(bad).unwrap_err().code, "checkpoint_name_invalid", "{bad:?}");
        }
    }
}
