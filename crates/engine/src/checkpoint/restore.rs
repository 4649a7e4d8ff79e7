//! Restores: files of a checkpoint come back into their worktree, the conversation as a fork, or both.
//!
//! What was there is kept as a checkpoint first, and what is to come is written beside before anything changes. Then the
//! intent is durable, in a file and in the journal; from there on `carry` has it.
//!
//! Invariant: HEAD, branch and index stay as they are. A file that others hold is not touched unless somebody says so, and a
//! file that no checkpoint holds is never touched.

use super::carry::{Outcome, Prepared, Staged, WRITER_PATIENCE, go_on, intend, put_away};
use super::hold::Hold;
use super::look::{home, tree_of, wanted};
use super::open;
use super::point::{self, Occasion, folder_gone, not_yours};
use super::steps::{Ground, Step, content_of, kept, word_of};
use crate::engine::Shared;
use crate::{Call, Caller, Engine, NewFork, RestoredCheckpointView};
use git::{Comparison, Difference, Repository, Standing, Survey};
use model::{
    Checkpoint, CheckpointId, CheckpointKind, Event, KeptFile, MessageId, RESTORE_KEPT_NAMED, Refusal,
    RegistrationId, RepoPath, RestoreStart,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Paths one restore may name.
pub const RESTORE_PATHS_MAX: usize = git::DIFF_PATHS_MAX;

/// What is to be brought back.
#[derive(Debug, Clone)]
pub struct NewCheckpointRestore {
    pub files: bool,
    pub conversation: bool,
    /// Only these, and what is below them; none means all.
    pub paths: Vec<RepoPath>,
    /// Also what others have locked.
    pub force: bool,
}

impl Engine {
    /// Brings files back, or the conversation as a fork, or both.
    pub async fn restore_checkpoint(
        &self,
        call: &Call,
        id: CheckpointId,
        new: NewCheckpointRestore,
    ) -> Result<RestoredCheckpointView, Refusal> {
        let checkpoint = self.checkpoint(&call.caller, id)?;
        if !new.files && !new.conversation {
            return Err(Refusal::invalid("nothing_wanted", "neither files nor the conversation are wanted"));
        }
        if new.paths.len() > RESTORE_PATHS_MAX {
            let message = format!("a restore names at most {RESTORE_PATHS_MAX} paths");
            return Err(Refusal::invalid("too_many", message).hint("name folders, or leave the paths out"));
        }
        let worktree = home(self, &checkpoint)?;
        let holder = self.right(call, &checkpoint, &new, &worktree)?;
        let message = if new.conversation { Some(said(&checkpoint)?) } else { None };
        let mut view = RestoredCheckpointView {
            checkpoint: id,
            before: None,
            worktree: None,
            files: Vec::new(),
            more: 0,
            kept: Vec::new(),
            fork: None,
        };
        if new.files {
            let (shared, call, checkpoint) = (Arc::clone(&self.shared), call.clone(), checkpoint.clone());
            let (paths, force, place) = (new.paths, new.force, worktree.clone());
            let work = async move {
                let wish = Wish { checkpoint, worktree: place, paths, force, holder };
                files(&shared, &call, wish).await
            };
            let Outcome { before, files, more, kept } = self.shared.to_its_end(work).await?;
            (view.before, view.files, view.kept) = (before, files, kept);
            (view.more, view.worktree) = (u32::try_from(more).unwrap_or(u32::MAX), Some(worktree));
        }
        if let Some(message) = message {
            // The key was used for the files, when there were any.
            let key = call.key.clone().filter(|_| !new.files);
            let call = Call { key, ..call.clone() };
            let fork = NewFork { message: Some(message), ..NewFork::default() };
            view.fork = Some(self.fork_session(&call, checkpoint.session, fork).await?);
        }
        Ok(view)
    }

    /// Who writes: the user, or an agent in the place where it works, in its own session, file by file.
    fn right(
        &self,
        call: &Call,
        checkpoint: &Checkpoint,
        new: &NewCheckpointRestore,
        worktree: &str,
    ) -> Result<RegistrationId, Refusal> {
        let (registration, participant) = match &call.caller {
            Caller::User => return Ok(self.shared.user),
            Caller::Run { registration, participant, session, .. } if *session == checkpoint.session => {
                (*registration, *participant)
            }
            Caller::Run { .. } | Caller::Terminal { .. } => return Err(not_yours()),
        };
        if new.conversation || new.force {
            return Err(not_yours());
        }
        if new.paths.is_empty() {
            let message = "an agent names the files it brings back";
            return Err(Refusal::invalid("paths_needed", message)
                .hint("give paths; others may work in the same worktree"));
        }
        let row = self.shared.store.read(|view| match view.running_turn_of(participant)? {
            Some(turn) => view.task(turn.turn.task),
            None => Ok(None),
        })?;
        let here = self.shared.bus.registration(registration).map_err(|error| error.refusal())?;
        let works_here = here.is_some_and(|one| one.worktree.as_deref() == Some(worktree));
        match row {
            Some(row) if row.task.kind.may_edit() && works_here => Ok(registration),
            _ => Err(Refusal::new(
                model::RefusalKind::Forbidden,
                "read_only",
                "this turn may not change the files of that checkpoint",
            )
            .hint("say in words what should be brought back")),
        }
    }
}

/// The message at which the conversation goes on.
fn said(checkpoint: &Checkpoint) -> Result<MessageId, Refusal> {
    let message = checkpoint.point.as_ref().and_then(|point| point.message);
    message.ok_or_else(|| {
        let why = match checkpoint.point {
            Some(_) => "nothing had been said when the checkpoint was made",
            None => "the checkpoint is of files alone",
        };
        Refusal::invalid("no_conversation", why)
            .hint("`coditect session fork ID --at MESSAGE` goes on from any message; `coditect session new` begins anew")
    })
}

struct Wish {
    checkpoint: Checkpoint,
    worktree: String,
    paths: Vec<RepoPath>,
    force: bool,
    holder: RegistrationId,
}

async fn files(shared: &Arc<Shared>, call: &Call, wish: Wish) -> Result<Outcome, Refusal> {
    let place = PathBuf::from(&wish.worktree);
    let (shared_, by) = (Arc::clone(shared), actor_name(call));
    let job = move || prepare(&shared_, &wish, by);
    let prepared = match shared.writers.run(&place, job).await? {
        Ok(prepared) => prepared,
        Err(kept) => return Ok(Outcome { before: None, files: Vec::new(), more: 0, kept }),
    };
    let events = vec![
        Event::CheckpointCreated(prepared.before.clone()),
        Event::CheckpointRestoreStarted(prepared.start.clone()),
    ];
    let receipt = shared.commit(call.actor(), call.key.clone(), move |_| Ok(events)).await;
    let replayed = match receipt {
        Ok(receipt) => receipt.replayed.then_some(receipt.records),
        Err(refusal) => {
            forget(shared, prepared).await?;
            return Err(refusal);
        }
    };
    if let Some(records) = replayed {
        forget(shared, prepared).await?;
        let start = records.into_iter().find_map(|record| match record.event {
            Event::CheckpointRestoreStarted(start) => Some(start),
            _ => None,
        });
        let start = start.ok_or_else(|| Refusal::internal("the same key was used for something else"))?;
        let more = start.files as usize;
        return Ok(Outcome { before: Some(start.before), files: Vec::new(), more, kept: Vec::new() });
    }
    go_on(shared, call.actor(), prepared, WRITER_PATIENCE).await
}

fn actor_name(call: &Call) -> Option<model::AgentName> {
    match &call.caller {
        Caller::Run { agent, .. } => Some(agent.clone()),
        Caller::User | Caller::Terminal { .. } => None,
    }
}

/// Nothing has changed yet, and nothing will; nobody knows of the way back.
async fn forget(shared: &Arc<Shared>, prepared: Prepared) -> Result<(), Refusal> {
    let (before, worktree) = (prepared.before.clone(), prepared.start.worktree.clone());
    put_away(shared, prepared).await?;
    let drop_it = move |shared: &Shared| {
        let at: git::Oid = before.commit.parse().map_err(Refusal::internal)?;
        Ok(open(shared, &worktree)?.drop_ref(&before.git_ref, &at)?)
    };
    shared.blocking(drop_it).await
}

/// On the writer's thread: what will change, under locks, kept and staged. With nothing to change, what stays and why.
fn prepare(
    shared: &Shared,
    wish: &Wish,
    by: Option<model::AgentName>,
) -> Result<Result<Prepared, Vec<KeptFile>>, Refusal> {
    let Wish { checkpoint, worktree, paths, force, holder } = wish;
    if !Path::new(worktree).is_dir() {
        return Err(folder_gone(worktree));
    }
    let repository = open(shared, worktree)?;
    let target = tree_of(&repository, checkpoint)?;
    let survey = repository.survey()?;
    let Changes { files, kept } = changes(&repository, &survey.tree, &target, paths)?;
    if files.is_empty() {
        return Ok(Err(kept));
    }
    let names: Vec<RepoPath> = files.iter().map(|file| file.path.clone()).collect();
    let hold = Hold::take(shared, worktree, &names, *holder, *force)?;
    match under_lock(shared, (&repository, &target), wish, by, (survey, &files, &names)) {
        Ok((before, steps, staged)) => {
            let start = RestoreStart {
                session: checkpoint.session,
                checkpoint: checkpoint.id,
                before: before.id,
                worktree: worktree.clone(),
                files: u32::try_from(steps.len()).unwrap_or(u32::MAX),
            };
            Ok(Ok(Prepared { start, before, steps, staged, files, kept, hold }))
        }
        Err(refusal) => {
            hold.release(shared);
            Err(refusal)
        }
    }
}

/// The way back is kept, what is to come lies ready, and the intent is written down.
fn under_lock(
    shared: &Shared,
    (repository, target): (&Repository, &git::Oid),
    wish: &Wish,
    by: Option<model::AgentName>,
    (survey, files, names): (Survey, &[Difference], &[RepoPath]),
) -> Result<(Checkpoint, Vec<Step>, Staged), Refusal> {
    let ground = Ground::open(Path::new(&wish.worktree))?;
    let here = present(&ground, names)?;
    let survey = way_back((repository, target), &wish.paths, &here, (survey, files, names))?;
    let occasion = Occasion {
        kind: CheckpointKind::BeforeRestore,
        name: None,
        session: wish.checkpoint.session,
        repo: wish.checkpoint.repo,
        turn: None,
        message: shared.store.read(|view| point::said_last(view, wish.checkpoint.session))?,
        by,
    };
    let staged = Staged::of((repository, target), names, &ground, &*shared.options.entropy)?;
    let steps = steps(names, here, &staged);
    let kept = point::keep(shared, repository, &wish.worktree, &occasion, &survey)
        .and_then(|before| before.ok_or_else(|| Refusal::internal("the way back was not kept")));
    let intended =
        kept.and_then(|before| match ground.sync().and_then(|()| intend(shared, before.id, &steps)) {
            Ok(()) => Ok(before),
            Err(refusal) => {
                let at = before.commit.parse().map_err(Refusal::internal)?;
                repository.drop_ref(&before.git_ref, &at)?;
                Err(refusal)
            }
        });
    match intended {
        Ok(before) => Ok((before, steps, staged)),
        Err(refusal) => {
            staged.put_away(&ground);
            Err(refusal)
        }
    }
}

/// What goes comes before what takes its place.
fn steps(names: &[RepoPath], mut here: BTreeMap<RepoPath, String>, staged: &Staged) -> Vec<Step> {
    let step = |path: &RepoPath| {
        let (before, after) = (here.remove(path), staged.word(path).map(str::to_owned));
        Step { path: path.clone(), before, after }
    };
    let mut steps: Vec<Step> = names.iter().map(step).collect();
    steps.sort_by_key(|step| step.after.is_some());
    steps
}

/// What is at these paths, in a word each.
fn present(ground: &Ground, names: &[RepoPath]) -> Result<BTreeMap<RepoPath, String>, Refusal> {
    let mut here = BTreeMap::new();
    for path in names {
        here.extend(ground.print(path)?.map(|print| (path.clone(), print)));
    }
    Ok(here)
}

/// A look at the worktree that holds what is `here`, which was looked at after it or is what it says: whatever changes from
/// then on is noticed. Refused when somebody works there, or when no checkpoint holds what would be written over.
fn way_back(
    (repository, target): (&Repository, &git::Oid),
    paths: &[RepoPath],
    here: &BTreeMap<RepoPath, String>,
    (mut survey, files, names): (Survey, &[Difference], &[RepoPath]),
) -> Result<Survey, Refusal> {
    let mut held = held(repository, &survey.tree, names)?;
    if held != *here {
        // It was changed since, or git does not look at it and has what HEAD has. Another look tells which.
        survey = repository.survey()?;
        if changes(repository, &survey.tree, target, paths)?.files != files {
            return Err(restless());
        }
        held = self::held(repository, &survey.tree, names)?;
    }
    let lost = |(path, print): &(&RepoPath, &String)| {
        let back = held.get(*path);
        let (here, there) = (content_of(Some(*print)), content_of(back));
        back != Some(*print) && (here.is_none() || here != there)
    };
    let in_the_way: Vec<&RepoPath> = here.iter().filter(lost).map(|(path, _)| path).collect();
    if in_the_way.is_empty() { Ok(survey) } else { Err(blocked(&in_the_way)) }
}

/// What a tree has at these paths, in the same words.
fn held(
    repository: &Repository,
    tree: &git::Oid,
    names: &[RepoPath],
) -> Result<BTreeMap<RepoPath, String>, Refusal> {
    let mut held = BTreeMap::new();
    repository.contents(tree, names, |path, content| {
        held.insert(path.clone(), word_of(&content)?);
        Ok::<(), Refusal>(())
    })?;
    Ok(held)
}

fn restless() -> Refusal {
    Refusal::conflict("worktree_busy", "files change while they are being looked at; nothing was restored")
        .hint("wait for the turns that work there, or cancel them, and restore again")
}

/// Files in the way that are named.
const BLOCKED_NAMED: usize = 5;

fn blocked(paths: &[&RepoPath]) -> Refusal {
    let (named, more) = paths.split_at(paths.len().min(BLOCKED_NAMED));
    let named = model::named(named, more.len());
    let message = format!("files that no checkpoint holds are in the way: {named}");
    Refusal::conflict("restore_in_the_way", message)
        .hint("they are ignored, too large or filtered: move them away, or restore other paths")
}

struct Changes {
    files: Vec<Difference>,
    kept: Vec<KeptFile>,
}

/// What differs, of what is wanted; and what of it is not ours to write.
fn changes(
    repository: &Repository,
    now: &git::Oid,
    target: &git::Oid,
    paths: &[RepoPath],
) -> Result<Changes, Refusal> {
    let Comparison { mut files, unnamable } = repository.compare(now, target)?;
    files.retain(|file| wanted(&file.path, paths));
    let names: Vec<RepoPath> = files.iter().map(|file| file.path.clone()).collect();
    let filtered = if names.is_empty() { BTreeSet::new() } else { repository.with_filter(&names)? };
    let mut kept_back: Vec<KeptFile> = unnamable
        .into_iter()
        .map(|path| KeptFile { path, reason: "its name is not one that is written to".to_owned() })
        .collect();
    let submodule = |file: &Difference| [file.before, file.after].contains(&Some(Standing::Submodule));
    files.retain(|file| {
        let reason = if submodule(file) {
            "it is a submodule"
        } else if filtered.contains(&file.path) {
            "it has a content filter, which is not run here"
        } else {
            return true;
        };
        kept_back.push(kept(&file.path, reason));
        false
    });
    kept_back.truncate(RESTORE_KEPT_NAMED);
    Ok(Changes { files, kept: kept_back })
}

/// Ready and told, and not carried out yet.
#[cfg(test)]
pub(super) async fn begun(shared: &Arc<Shared>, checkpoint: &Checkpoint, worktree: &str) -> Prepared {
    let wish = Wish {
        checkpoint: checkpoint.clone(),
        worktree: worktree.to_owned(),
        paths: Vec::new(),
        force: false,
        holder: shared.user,
    };
    let prepared = prepare(shared, &wish, None).unwrap().unwrap();
    let created = Event::CheckpointCreated(prepared.before.clone());
    let started = Event::CheckpointRestoreStarted(prepared.start.clone());
    shared.record(model::Actor::System, vec![created, started]).await.unwrap();
    prepared
}

/// As a kill leaves it: everything is ready and told, and of the files `instead` has done something.
#[cfg(test)]
pub(super) async fn cut_off(
    shared: &Arc<Shared>,
    checkpoint: &Checkpoint,
    worktree: &str,
    instead: impl FnOnce(&Path),
) {
    let prepared = begun(shared, checkpoint, worktree).await;
    // Its locks go with the daemon, and the writer's first look takes what was staged.
    prepared.forsake(shared);
    instead(Path::new(worktree));
}
