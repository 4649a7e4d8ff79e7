//! Restores: files of a checkpoint come back into their worktree, the conversation as a fork, or both.
//!
//! What was there is kept as a checkpoint first, and what is to come is written beside before anything changes. Then the
//! intent is durable, in a file and in the journal; a start after a crash carries out what is left of it.
//!
//! Invariant: HEAD, branch and index stay as they are. A file that others hold is not touched unless somebody says so, and a
//! file that no checkpoint holds is never touched.

use super::look::{COMPARED_MAX, home, tree_of, wanted};
use super::point::{self, Occasion, folder_gone, not_yours};
use super::steps::{Done, Ground, Step, content_of, kept, print_of};
use super::{hold, open};
use crate::engine::Shared;
use crate::{Call, Caller, ComparedFile, Engine, NewFork, RestoredCheckpointView};
use git::{Comparison, Difference, Repository, Standing};
use hold::Hold;
use model::{
    Actor, Checkpoint, CheckpointId, CheckpointKind, Event, KeptFile, MessageId, RESTORE_KEPT_NAMED, Refusal,
    RegistrationId, RepoPath, RestoreEnd, RestoreStart,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What the files of intents are called.
const INTENT_PREFIX: &str = "restore-";
/// How long a restore that has begun waits for a place at the worktree's writer; then it is undone.
const WRITER_PATIENCE: Duration = Duration::from_secs(60);
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

/// What a restore will do, as its file says it.
#[derive(Debug, Serialize, Deserialize)]
struct Intent {
    steps: Vec<Step>,
}

/// Everything that is needed before the first file changes.
pub(super) struct Prepared {
    start: RestoreStart,
    before: Checkpoint,
    steps: Vec<Step>,
    staged: BTreeMap<RepoPath, String>,
    files: Vec<Difference>,
    kept: Vec<KeptFile>,
    hold: Hold,
}

/// What came of it.
pub(super) struct Outcome {
    before: Option<CheckpointId>,
    files: Vec<ComparedFile>,
    more: usize,
    kept: Vec<KeptFile>,
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

/// Carries out what was told. When the worktree's writer has no place for it so long, it ends as if it had not begun.
pub(super) async fn go_on(
    shared: &Arc<Shared>,
    actor: Actor,
    prepared: Prepared,
    patience: Duration,
) -> Result<Outcome, Refusal> {
    let (start, place) = (prepared.start.clone(), PathBuf::from(&prepared.start.worktree));
    // Whoever takes it does it: the writer, or the one who gives up waiting for the writer.
    let waiting = Arc::new(Mutex::new(Some(prepared)));
    let take =
        |waiting: &Mutex<Option<Prepared>>| waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
    let (shared_, given) = (Arc::clone(shared), Arc::clone(&waiting));
    let job = move || {
        let prepared = take(&given).ok_or_else(|| Refusal::internal("the restore was given up"))?;
        Ok(carry_out(&shared_, prepared))
    };
    let (end, files) = match shared.writers.run_within(&place, patience, job).await {
        Ok(carried) => carried,
        Err(refusal) => {
            if let Some(prepared) = take(&waiting) {
                put_away(shared, prepared).await?;
                finish(shared, actor, nothing_done(start, &refusal)).await?;
            }
            let message = format!("{}; nothing was restored", refusal.message);
            return Err(Refusal { message, ..refusal });
        }
    };
    finish(shared, actor, end.clone()).await?;
    tell(shared, &end, &files).await;
    let more = files.len().saturating_sub(COMPARED_MAX);
    let files = files.iter().take(COMPARED_MAX).map(ComparedFile::from).collect();
    Ok(Outcome { before: Some(start.before), files, more, kept: end.kept })
}

/// The end of a restore that did not come to its first file.
fn nothing_done(start: RestoreStart, why: &Refusal) -> RestoreEnd {
    let RestoreStart { session, checkpoint, before, worktree, .. } = start;
    let kept = vec![KeptFile { path: worktree, reason: why.message.clone() }];
    RestoreEnd { session, checkpoint, before, files: 0, kept }
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

/// Gives back the locks and takes away what lies ready. Its names are nobody else's, so it needs no turn at the worktree's
/// writer, which may be busy.
async fn put_away(shared: &Arc<Shared>, prepared: Prepared) -> Result<(), Refusal> {
    let job = move |shared: &Shared| {
        prepared.hold.release(shared);
        let _ = std::fs::remove_file(intent_file(shared, prepared.before.id));
        let ground = Ground::open(Path::new(&prepared.start.worktree))?;
        prepared.staged.values().for_each(|name| ground.unstage(name));
        Ok(())
    };
    shared.blocking(job).await
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
    let Changes { files, kept } = changes(&repository, &repository.survey()?.tree, &target, paths)?;
    if files.is_empty() {
        return Ok(Err(kept));
    }
    let names: Vec<RepoPath> = files.iter().map(|file| file.path.clone()).collect();
    let hold = Hold::take(shared, worktree, &names, *holder, *force)?;
    let prepared = under_lock(shared, &repository, wish, by, (files, kept, names, &target));
    match prepared {
        Ok((before, steps, staged, files, kept)) => {
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

type Ready = (Checkpoint, Vec<Step>, BTreeMap<RepoPath, String>, Vec<Difference>, Vec<KeptFile>);

fn under_lock(
    shared: &Shared,
    repository: &Repository,
    wish: &Wish,
    by: Option<model::AgentName>,
    (files, kept, names, target): (Vec<Difference>, Vec<KeptFile>, Vec<RepoPath>, &git::Oid),
) -> Result<Ready, Refusal> {
    let ground = Ground::open(Path::new(&wish.worktree))?;
    let unpacked = repository.unpack(target, &names)?;
    let mut steps = Vec::with_capacity(names.len());
    for path in &names {
        let (before, after) = (ground.print(path)?, print_of(unpacked.folder(), path)?);
        steps.push(Step { path: path.clone(), before, after });
    }
    // What is kept is looked at again after the files were: whatever changes from here on is noticed.
    let survey = repository.survey()?;
    let again = changes(repository, &survey.tree, target, &wish.paths)?;
    if again.files != files {
        return Err(restless());
    }
    // The way back is held against what is there: of what git's look leaves out it has what HEAD has.
    let back = repository.unpack(&survey.tree, &names)?;
    let mut in_the_way: Vec<&RepoPath> = Vec::new();
    for step in steps.iter().filter(|step| step.before.is_some()) {
        let held = print_of(back.folder(), &step.path)?;
        let (here, there) = (content_of(step.before.as_ref()), content_of(held.as_ref()));
        if step.before != held && (here.is_none() || here != there) {
            in_the_way.push(&step.path);
        }
    }
    if !in_the_way.is_empty() {
        return Err(blocked(&in_the_way));
    }
    let occasion = Occasion {
        kind: CheckpointKind::BeforeRestore,
        name: None,
        session: wish.checkpoint.session,
        repo: wish.checkpoint.repo,
        turn: None,
        message: shared.store.read(|view| point::said_last(view, wish.checkpoint.session))?,
        by,
    };
    let before = point::keep(shared, repository, &wish.worktree, &occasion, &survey)?;
    let before = before.ok_or_else(|| Refusal::internal("the way back was not kept"))?;
    steps.sort_by_key(|step| step.after.is_some());
    let staged = stage(shared, &ground, &steps, unpacked.folder())?;
    if let Err(refusal) = ground.sync().and_then(|()| intend(shared, before.id, &steps)) {
        staged.values().for_each(|name| ground.unstage(name));
        return Err(refusal);
    }
    Ok((before, steps, staged, files, kept))
}

fn stage(
    shared: &Shared,
    ground: &Ground,
    steps: &[Step],
    from: &Path,
) -> Result<BTreeMap<RepoPath, String>, Refusal> {
    let mut staged = BTreeMap::new();
    for step in steps.iter().filter(|step| step.after.is_some()) {
        match ground.stage(&from.join(step.path.as_str()), &*shared.options.entropy) {
            Ok(name) => drop(staged.insert(step.path.clone(), name)),
            Err(refusal) => {
                staged.values().for_each(|name: &String| ground.unstage(name));
                return Err(refusal);
            }
        }
    }
    Ok(staged)
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

/// On the writer's thread. Whatever cannot be done is named; the way back is kept in any case.
fn carry_out(shared: &Shared, prepared: Prepared) -> (RestoreEnd, Vec<Difference>) {
    let Prepared { start, before: _, steps, staged, files, kept, hold } = prepared;
    let (done, mut left) = do_steps(shared, &start, &steps, &staged, Some(&hold));
    left.extend(kept);
    let RestoreStart { session, checkpoint, before, .. } = start;
    let count = u32::try_from(done.len()).unwrap_or(u32::MAX);
    left.truncate(RESTORE_KEPT_NAMED);
    hold.release(shared);
    let files = files.into_iter().filter(|file| done.contains(&file.path)).collect();
    (RestoreEnd { session, checkpoint, before, files: count, kept: left }, files)
}

fn do_steps(
    shared: &Shared,
    start: &RestoreStart,
    steps: &[Step],
    staged: &BTreeMap<RepoPath, String>,
    hold: Option<&Hold>,
) -> (BTreeSet<RepoPath>, Vec<KeptFile>) {
    let root = Path::new(&start.worktree);
    let mut done = BTreeSet::new();
    let mut left = Vec::new();
    let ground = match Ground::open(root) {
        Ok(ground) => ground,
        Err(refusal) => {
            left.extend(steps.iter().map(|step| kept(&step.path, refusal.message.clone())));
            return (done, left);
        }
    };
    for step in steps {
        let name = staged.get(&step.path).map(String::as_str);
        let fenced = hold.map_or(Ok(()), |hold| hold.check(shared, &step.path));
        let carried = match fenced {
            Ok(()) if step.after.is_some() && name.is_none() => {
                Ok(Done::No("it could not be written".to_owned()))
            }
            Ok(()) => ground.carry_out(step, name),
            Err(refusal) => Err(refusal),
        };
        match carried {
            Ok(Done::Yes) => {
                shared.strays.wrote(root, &step.path, content_of(step.after.as_ref()));
                // Of what nobody had locked the checkpoints know what it held.
                if shared.known.page(root, step.path.as_str()).is_some()
                    && let Err(error) = shared.known.edited(root, step.path.as_str())
                {
                    tracing::warn!(%error, path = %step.path, "what was restored is not known");
                }
                done.insert(step.path.clone());
            }
            Ok(Done::Already) => drop(done.insert(step.path.clone())),
            Ok(Done::No(reason)) => left.push(kept(&step.path, reason)),
            Err(refusal) => left.push(kept(&step.path, refusal.message)),
        }
    }
    staged.values().for_each(|name| ground.unstage(name));
    if let Err(error) = ground.sync() {
        tracing::warn!(%error, "a restore is done but may not outlive a power cut");
    }
    (done, left)
}

async fn finish(shared: &Arc<Shared>, actor: Actor, end: RestoreEnd) -> Result<(), Refusal> {
    let before = end.before;
    let event = Event::CheckpointRestored(end);
    shared.conclude(actor, move |_| Ok(vec![event.clone()])).await?;
    let _ = std::fs::remove_file(intent_file(shared, before));
    Ok(())
}

/// Agents that work there hear of it; they read a file again before they write to it in any case.
async fn tell(shared: &Arc<Shared>, end: &RestoreEnd, files: &[Difference]) {
    const NAMED: usize = 10;
    let named: Vec<String> = files.iter().take(NAMED).map(|file| file.path.to_string()).collect();
    let payload = serde_json::json!({
        "type": "checkpoint_restored", "checkpoint": end.checkpoint, "before": end.before, "files": named,
        "more": files.len().saturating_sub(NAMED),
        "text": "files were brought back to a checkpoint; read them again before you change them",
    });
    let new = bus::NewNotice::new(shared.user, model::Channel::file_conflict(), payload);
    let told =
        shared.blocking(move |shared| shared.bus.publish(new).map(drop).map_err(|error| error.refusal()));
    if let Err(error) = told.await {
        tracing::warn!(%error, "nobody was told of a restore");
    }
}

fn intent_file(shared: &Shared, before: CheckpointId) -> PathBuf {
    shared.workspace.runs().join(format!("{INTENT_PREFIX}{before}.json"))
}

/// Says what is about to be done, durably.
fn intend(shared: &Shared, before: CheckpointId, steps: &[Step]) -> Result<(), Refusal> {
    let path = intent_file(shared, before);
    let text = serde_json::to_vec(&Intent { steps: steps.to_vec() }).map_err(Refusal::internal)?;
    let mut file = std::fs::File::create(&path).map_err(Refusal::internal)?;
    let written = file.write_all(&text).and_then(|()| file.sync_all());
    let folder = std::fs::File::open(shared.workspace.runs()).and_then(|folder| folder.sync_all());
    written.and(folder).map_err(|error| {
        let _ = std::fs::remove_file(&path);
        crate::writer::io(error)
    })
}

/// Finishes what a crash cut off. A file that is neither as it was nor as it is to be was changed by somebody since, and
/// stays, as does one that somebody holds. Says a sentence for each restore.
pub(crate) async fn mend(shared: &Arc<Shared>) -> Result<Vec<String>, Refusal> {
    let mut said = Vec::new();
    for start in shared.store.read(|view| view.open_restores())? {
        let (shared_, place) = (Arc::clone(shared), PathBuf::from(&start.worktree));
        let wanted = start.clone();
        let job = move || resume(&shared_, &wanted);
        let (end, problem) = match shared.writers.run_within(&place, WRITER_PATIENCE, job).await {
            Ok(end) => (end, None),
            Err(refusal) => (nothing_done(start.clone(), &refusal), Some(refusal)),
        };
        let short = start.checkpoint.short();
        said.push(match problem {
            None => format!("the restore of checkpoint {short} was cut off and is finished now: {} files", end.files),
            Some(refusal) => format!(
                "the restore of checkpoint {short} was cut off and cannot be finished: {}; what was there before is \
                 checkpoint {}",
                refusal.message,
                start.before.short()
            ),
        });
        finish(shared, Actor::System, end).await?;
    }
    // Of restores that never began.
    for entry in std::fs::read_dir(shared.workspace.runs()).map_err(Refusal::internal)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(INTENT_PREFIX) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    Ok(said)
}

/// On the writer's thread, whose sweep has removed what was staged.
fn resume(shared: &Shared, start: &RestoreStart) -> Result<RestoreEnd, Refusal> {
    let row = shared.store.read(|view| view.checkpoint(start.checkpoint))?;
    let row = row.ok_or_else(|| Refusal::not_found("checkpoint", start.checkpoint))?;
    let text = std::fs::read(intent_file(shared, start.before))
        .map_err(|error| Refusal::internal(format!("what was to be done is not known: {error}")))?;
    let Intent { steps } = serde_json::from_slice(&text).map_err(Refusal::internal)?;
    if !Path::new(&start.worktree).is_dir() {
        return Err(folder_gone(&start.worktree));
    }
    let repository = open(shared, &start.worktree)?;
    let target = tree_of(&repository, &row.checkpoint)?;
    let ground = Ground::open(Path::new(&start.worktree))?;
    let names: Vec<RepoPath> = steps.iter().map(|step| step.path.clone()).collect();
    let hold = Hold::take(shared, &start.worktree, &names, shared.user, true)?;
    let resumed = resume_under(shared, start, steps, &hold, (&repository, &ground, &target));
    hold.release(shared);
    resumed
}

fn resume_under(
    shared: &Shared,
    start: &RestoreStart,
    steps: Vec<Step>,
    hold: &Hold,
    (repository, ground, target): (&Repository, &Ground, &git::Oid),
) -> Result<RestoreEnd, Refusal> {
    let (free, held): (Vec<Step>, Vec<Step>) =
        steps.into_iter().partition(|step| !hold.is_anothers(&step.path));
    let wanted: Vec<RepoPath> = free.iter().map(|step| step.path.clone()).collect();
    let unpacked = repository.unpack(target, &wanted)?;
    let staged = stage(shared, ground, &free, unpacked.folder())?;
    if let Err(refusal) = ground.sync() {
        staged.values().for_each(|name| ground.unstage(name));
        return Err(refusal);
    }
    let (done, mut left) = do_steps(shared, start, &free, &staged, None);
    left.extend(held.iter().map(|step| kept(&step.path, "somebody has it locked")));
    left.truncate(RESTORE_KEPT_NAMED);
    let RestoreStart { session, checkpoint, before, .. } = start.clone();
    Ok(RestoreEnd {
        session,
        checkpoint,
        before,
        files: u32::try_from(done.len()).unwrap_or(u32::MAX),
        kept: left,
    })
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
    shared.record(Actor::System, vec![created, started]).await.unwrap();
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
    prepared.hold.release(shared);
    prepared.staged.values().for_each(|name| std::fs::remove_file(Path::new(worktree).join(name)).unwrap());
    instead(Path::new(worktree));
}
