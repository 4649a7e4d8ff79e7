//! Restores carried out: from the first rename to the last word, by whoever began them or by the next start.
//!
//! Invariant: what the intent names is done, or it is said of each file why it was not; and locks, staged files and the intent are
//! gone when a restore has ended, however it did.

use super::hold::Hold;
use super::look::{COMPARED_MAX, tree_of};
use super::open;
use super::point::folder_gone;
use super::steps::{Done, Ground, Step, content_of, kept};
use crate::ComparedFile;
use crate::engine::Shared;
use git::{Difference, Repository};
use model::{
    Actor, Checkpoint, CheckpointId, Entropy, Event, KeptFile, RESTORE_KEPT_NAMED, Refusal, RepoPath,
    RestoreEnd, RestoreStart,
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
pub(super) const WRITER_PATIENCE: Duration = Duration::from_secs(60);

/// What a restore will do, as its file says it.
#[derive(Debug, Serialize, Deserialize)]
struct Intent {
    steps: Vec<Step>,
}

/// Files that are to come, under names of their own at the top of the worktree, and what each is in a word.
pub(super) struct Staged {
    files: BTreeMap<RepoPath, (String, String)>,
}

impl Staged {
    /// Of these paths, those that the tree has. All of them, or nothing is left behind.
    pub(super) fn of(
        (repository, tree): (&Repository, &git::Oid),
        names: &[RepoPath],
        ground: &Ground,
        entropy: &dyn Entropy,
    ) -> Result<Self, Refusal> {
        let mut staged = Self { files: BTreeMap::new() };
        let laid = repository.contents(tree, names, |path, content| {
            staged.files.insert(path.clone(), ground.stage(&content, entropy)?);
            Ok(())
        });
        match laid {
            Ok(()) => Ok(staged),
            Err(refusal) => {
                staged.put_away(ground);
                Err(refusal)
            }
        }
    }

    fn name(&self, path: &RepoPath) -> Option<&str> {
        self.files.get(path).map(|(name, _)| name.as_str())
    }

    pub(super) fn word(&self, path: &RepoPath) -> Option<&str> {
        self.files.get(path).map(|(_, word)| word.as_str())
    }

    /// Takes away those that were not renamed.
    pub(super) fn put_away(&self, ground: &Ground) {
        self.files.values().for_each(|(name, _)| ground.unstage(name));
    }
}

/// Everything that is needed before the first file changes.
pub(super) struct Prepared {
    pub(super) start: RestoreStart,
    pub(super) before: Checkpoint,
    pub(super) steps: Vec<Step>,
    pub(super) staged: Staged,
    pub(super) files: Vec<Difference>,
    pub(super) kept: Vec<KeptFile>,
    pub(super) hold: Hold,
}

/// What came of it.
pub(super) struct Outcome {
    pub(super) before: Option<CheckpointId>,
    pub(super) files: Vec<ComparedFile>,
    pub(super) more: usize,
    pub(super) kept: Vec<KeptFile>,
}

#[cfg(test)]
impl Prepared {
    /// As a kill does: its locks go with the daemon, and the writer's first look takes what was staged.
    pub(super) fn forsake(&self, shared: &Shared) {
        self.hold.release(shared);
        self.staged.put_away(&Ground::open(Path::new(&self.start.worktree)).unwrap());
    }
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

/// Gives back the locks and takes away what lies ready. Its names are nobody else's, so it needs no turn at the worktree's
/// writer, which may be busy.
pub(super) async fn put_away(shared: &Arc<Shared>, prepared: Prepared) -> Result<(), Refusal> {
    let job = move |shared: &Shared| {
        prepared.hold.release(shared);
        let _ = std::fs::remove_file(intent_file(shared, prepared.before.id));
        prepared.staged.put_away(&Ground::open(Path::new(&prepared.start.worktree))?);
        Ok(())
    };
    shared.blocking(job).await
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
    staged: &Staged,
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
        let name = staged.name(&step.path);
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
    staged.put_away(&ground);
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
pub(super) fn intend(shared: &Shared, before: CheckpointId, steps: &[Step]) -> Result<(), Refusal> {
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
    let staged = Staged::of((repository, target), &wanted, ground, &*shared.options.entropy)?;
    if let Err(refusal) = ground.sync() {
        staged.put_away(ground);
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
