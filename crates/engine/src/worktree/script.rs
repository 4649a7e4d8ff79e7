//! Scripts of a repository for its worktrees: `.coditect/setup.sh`, `run.sh` and `teardown.sh`.
//!
//! A script is run only when the user has trusted exactly these bytes. They are read once, hashed, and run from a copy of
//! ours, so that nobody can exchange them in between; they run with `sh`, under a guard of their own, with a deadline.
//!
//! Invariant: what is in a repository does nothing before its owner has said so.

use super::remove::Target;
use crate::engine::Shared;
use crate::{Call, Engine, Key, WorktreeView, writer};
use agent::{CommandLimits, CommandOutput, CommandSpec};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use model::{
    Actor, Event, PORT_SPAN, Refusal, RefusalKind, Repo, ScriptEnd, ScriptKind, ScriptOutcome, ScriptStart,
    Worktree, WorktreeId,
};
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Folder of a repository's own configuration of the studio.
const FOLDER: &str = ".coditect";
/// Largest script, in bytes.
pub(crate) const SCRIPT_MAX: u64 = 64 * 1024;
/// How much of the end of a script's output is kept, in bytes.
const TAIL_MAX: usize = 16 * 1024;

/// Whose order it is when nobody gave one.
const OURS: (Actor, Option<Key>) = (Actor::System, None);

/// Longest that each may take.
const fn deadline(kind: ScriptKind) -> Duration {
    match kind {
        ScriptKind::Setup => Duration::from_secs(30 * 60),
        ScriptKind::Run => Duration::from_secs(24 * 60 * 60),
        ScriptKind::Teardown => Duration::from_secs(5 * 60),
    }
}

/// A script as it stands in a checkout now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    pub kind: ScriptKind,
    /// Of its kind and its text; this is what is trusted.
    pub hash: String,
    pub text: String,
}

/// Scripts that run.
#[derive(Default)]
pub(crate) struct Scripts {
    running: Mutex<HashMap<(WorktreeId, ScriptKind), Running>>,
}

#[derive(Clone)]
struct Running {
    cancel: CancellationToken,
    /// Closed when its end is recorded.
    over: watch::Receiver<()>,
}

impl Script {
    pub fn file(kind: ScriptKind) -> String {
        format!("{FOLDER}/{}.sh", kind.as_str())
    }
}

/// The script of a checkout; none when there is none. Links are not followed out of it.
pub(crate) fn read(checkout: &Path, kind: ScriptKind) -> Result<Option<Script>, Refusal> {
    let unusable = |why: String| {
        let message = format!("{} cannot be a script: {why}", Script::file(kind));
        Refusal::invalid("script_invalid", message).hint("a script is a text file of at most 64 KiB")
    };
    let dir =
        Dir::open_ambient_dir(checkout, ambient_authority()).map_err(|error| unusable(error.to_string()))?;
    let file = match dir.open(Script::file(kind)) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(error.to_string())),
    };
    let meta = file.metadata().map_err(|error| unusable(error.to_string()))?;
    if !meta.is_file() || meta.len() > SCRIPT_MAX {
        return Err(unusable("it is no file, or too large".to_owned()));
    }
    let mut text = String::new();
    file.take(SCRIPT_MAX).read_to_string(&mut text).map_err(|error| unusable(error.to_string()))?;
    let hash = writer::hash(format!("{}\0{text}", kind.as_str()).as_bytes());
    Ok(Some(Script { kind, hash, text }))
}

impl Engine {
    /// The scripts of a repo, as they are in its checkout or in one of its worktrees.
    pub async fn scripts(&self, repo: &Repo, worktree: Option<WorktreeId>) -> Result<Vec<Script>, Refusal> {
        let path = match worktree {
            None => repo.path.clone(),
            Some(id) => {
                let row = self.worktree_row(id)?;
                if row.worktree.repo != repo.id {
                    let message = format!("it is a worktree of another repo than {}", repo.slug);
                    return Err(Refusal::invalid("not_a_worktree_of_it", message));
                }
                row.worktree.path
            }
        };
        let look = move |_: &Shared| {
            let found = ScriptKind::ALL.into_iter().map(|kind| read(Path::new(&path), kind));
            Ok(found.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
        };
        self.shared.blocking(look).await
    }

    /// Runs a script of a worktree. [`Self::worktree`] shows how it ended.
    pub async fn start_script(
        &self,
        call: &Call,
        id: WorktreeId,
        kind: ScriptKind,
    ) -> Result<WorktreeView, Refusal> {
        call.only_user()?;
        let row = self.worktree_row(id)?;
        if self.shared.done_before(call).await?.is_some() {
            return self.worktree(id).await;
        }
        if row.trashed.is_some() {
            return Err(Refusal::conflict("worktree_trashed", "it is in the trash"));
        }
        let target: Target = self.target(row.worktree)?;
        let (worktree, repo) = (target.worktree, target.repo);
        let path = PathBuf::from(&worktree.path);
        let script = self.shared.blocking(move |_| read(&path, kind)).await?;
        let Some(script) = script else {
            let message = format!("there is no {} in the worktree", Script::file(kind));
            return Err(Refusal::new(RefusalKind::NotFound, "no_script", message)
                .hint("write it, commit it, and trust it with `coditect repo trust`"));
        };
        if !repo.trusted.contains(&script.hash) {
            return Err(untrusted(&script, &target.label));
        }
        begin(&self.shared, (call.actor(), call.key.clone()), worktree, repo, script).await?;
        self.worktree(id).await
    }

    /// Ends the scripts that run in a worktree, with everything they started.
    pub async fn stop_scripts(&self, call: &Call, id: WorktreeId) -> Result<WorktreeView, Refusal> {
        call.only_user()?;
        self.worktree_row(id)?;
        self.stop_scripts_of(id).await;
        self.worktree(id).await
    }

    pub(super) async fn stop_scripts_of(&self, id: WorktreeId) {
        for mut running in self.shared.scripts.of(id) {
            running.cancel.cancel();
            // It says an error when whoever ran it is gone.
            while running.over.changed().await.is_ok() {}
        }
    }

    /// After a worktree was made: its setup script when that is trusted, else a word that it is not.
    pub(super) fn begin_setup(&self, id: WorktreeId) -> Result<(), Refusal> {
        let row = self.worktree_row(id)?;
        let repo = self.repo(row.worktree.repo)?;
        let shared = Arc::clone(&self.shared);
        self.shared.tasks.spawn(async move {
            if let Err(refusal) = set_up(&shared, row.worktree, repo).await {
                tracing::warn!(%refusal, worktree = %id, "the setup script was not run");
            }
        });
        Ok(())
    }
}

fn untrusted(script: &Script, label: &str) -> Refusal {
    let message = format!("nobody has trusted {} as it is in {label}", Script::file(script.kind));
    Refusal::new(RefusalKind::Forbidden, "script_untrusted", message)
        .hint(format!("read it with `coditect repo scripts --worktree {label}`, then `coditect repo trust --worktree {label}`"))
}

impl Scripts {
    fn of(&self, id: WorktreeId) -> Vec<Running> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running
            .iter()
            .filter(|((worktree, _), _)| *worktree == id)
            .map(|(_, running)| running.clone())
            .collect()
    }

    /// Notes that a script runs; none when it does already.
    fn enter(&self, key: (WorktreeId, ScriptKind), running: Running) -> bool {
        let mut all = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if all.contains_key(&key) {
            return false;
        }
        all.insert(key, running);
        true
    }

    fn leave(&self, key: (WorktreeId, ScriptKind)) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }
}

async fn set_up(shared: &Arc<Shared>, worktree: Worktree, repo: Repo) -> Result<(), Refusal> {
    let Some(script) = runnable(shared, &worktree, &repo, ScriptKind::Setup).await? else { return Ok(()) };
    begin(shared, OURS, worktree, repo, script).await.map(drop)
}

/// Runs the teardown script to its end. Says why when it did not do its work.
pub(super) async fn tear_down(
    shared: &Arc<Shared>,
    worktree: &Worktree,
    repo: &Repo,
) -> Result<Option<String>, Refusal> {
    let Some(script) = runnable(shared, worktree, repo, ScriptKind::Teardown).await? else { return Ok(None) };
    let mut over = begin(shared, OURS, worktree.clone(), repo.clone(), script).await?;
    while over.changed().await.is_ok() {}
    let id = worktree.id;
    let rows = shared.store.read(|view| view.worktree_scripts(id))?;
    let end = rows.into_iter().find(|row| row.script == ScriptKind::Teardown).and_then(|row| row.end);
    Ok(end.filter(|end| end.end != ScriptOutcome::Done).map(|end| {
        let last = end.tail.lines().last().unwrap_or_default();
        format!("it {} {last}", end.end.as_str()).trim_end().to_owned()
    }))
}

/// The script when there is one and it is trusted. One that is not is recorded as such.
async fn runnable(
    shared: &Arc<Shared>,
    worktree: &Worktree,
    repo: &Repo,
    kind: ScriptKind,
) -> Result<Option<Script>, Refusal> {
    let path = PathBuf::from(&worktree.path);
    if path.symlink_metadata().is_err() {
        return Ok(None);
    }
    let script = match shared.blocking(move |_| read(&path, kind)).await {
        Ok(script) => script,
        Err(refusal) => {
            tracing::warn!(%refusal, worktree = %worktree.id, "a script was passed over");
            None
        }
    };
    let Some(script) = script else { return Ok(None) };
    if repo.trusted.contains(&script.hash) {
        return Ok(Some(script));
    }
    let end = ScriptEnd {
        worktree: worktree.id,
        repo: repo.id,
        script: kind,
        hash: script.hash,
        end: ScriptOutcome::Untrusted,
        code: None,
        tail: String::new(),
        elapsed_ms: 0,
    };
    shared.record(Actor::System, vec![Event::WorktreeScriptEnded(end)]).await?;
    Ok(None)
}

/// Starts it; what is given is closed when its end is recorded.
async fn begin(
    shared: &Arc<Shared>,
    (actor, order): (Actor, Option<Key>),
    worktree: Worktree,
    repo: Repo,
    script: Script,
) -> Result<watch::Receiver<()>, Refusal> {
    let (done, over) = watch::channel(());
    let cancel = shared.stopping.child_token();
    let key = (worktree.id, script.kind);
    if !shared.scripts.enter(key, Running { cancel: cancel.clone(), over: over.clone() }) {
        let message = format!("the {} script runs in it already", script.kind.as_str());
        return Err(Refusal::conflict("script_running", message).hint("`coditect worktree stop` ends it"));
    }
    let start = ScriptStart { worktree: key.0, repo: repo.id, script: key.1, hash: script.hash.clone() };
    let started = vec![Event::WorktreeScriptStarted(start)];
    if let Err(refusal) = shared.commit(actor, order, move |_| Ok(started)).await {
        shared.scripts.leave(key);
        return Err(refusal);
    }
    let running = Arc::clone(shared);
    shared.tasks.spawn(async move {
        let end = run(&running, &worktree, &repo, &script, &cancel).await;
        let events = vec![Event::WorktreeScriptEnded(end)];
        if let Err(refusal) = running.conclude(Actor::System, move |_| Ok(events.clone())).await {
            tracing::warn!(%refusal, "the end of a script was not recorded");
        }
        running.scripts.leave(key);
        drop(done);
    });
    Ok(over)
}

pub(crate) async fn run(
    shared: &Arc<Shared>,
    worktree: &Worktree,
    repo: &Repo,
    script: &Script,
    cancel: &CancellationToken,
) -> ScriptEnd {
    let outcome = async {
        let copied = script.clone();
        let copy =
            shared.blocking(move |shared| copy(shared, &copied)).await.map_err(|error| error.to_string())?;
        let spec = CommandSpec {
            run: shared.new_id(),
            executable: shared.options.executable.clone(),
            argv: vec!["/bin/sh".to_owned(), copy.display().to_string()],
            dir: worktree.path.clone().into(),
            scratch: shared.workspace.runs(),
            env: environment(shared, worktree, repo),
            limits: CommandLimits { timeout: deadline(script.kind), tail: TAIL_MAX },
        };
        // Whoever cancels drops it, and its guard ends what it had started.
        agent::run_command(spec).await.map_err(|error| error.to_string())
    };
    let ended = tokio::select! {
        () = cancel.cancelled() => None,
        ended = outcome => Some(ended),
    };
    let (end, code, tail, elapsed_ms) = match ended {
        None => (ScriptOutcome::Canceled, None, String::new(), 0),
        Some(Err(why)) => (ScriptOutcome::Failed, None, why, 0),
        Some(Ok(CommandOutput { timed_out: true, tail, elapsed_ms, .. })) => {
            (ScriptOutcome::TimedOut, None, tail, elapsed_ms)
        }
        Some(Ok(CommandOutput { code, tail, elapsed_ms, .. })) => {
            let end = if code == Some(0) { ScriptOutcome::Done } else { ScriptOutcome::Failed };
            (end, code, tail, elapsed_ms)
        }
    };
    let (id, hash) = (worktree.id, script.hash.clone());
    ScriptEnd { worktree: id, repo: repo.id, script: script.kind, hash, end, code, tail, elapsed_ms }
}

/// What a script is told of where it is.
fn environment(shared: &Shared, worktree: &Worktree, repo: &Repo) -> Vec<(String, String)> {
    let inherited =
        agent::ENV_ALLOWED.iter().filter_map(|name| Some(((*name).to_owned(), shared.env(name)?)));
    let own = [
        ("CODITECT_WORKTREE", worktree.path.clone()),
        ("CODITECT_WORKTREE_NAME", worktree.name.clone()),
        ("CODITECT_BRANCH", worktree.branch.clone().unwrap_or_default()),
        ("CODITECT_REPO", repo.path.clone()),
        ("CODITECT_REPO_NAME", repo.slug.clone()),
        ("CODITECT_PORT_BASE", worktree.port_base.to_string()),
        ("CODITECT_PORT_COUNT", PORT_SPAN.to_string()),
    ];
    inherited.chain(own.map(|(name, value)| (name.to_owned(), value))).collect()
}

/// The trusted bytes in a file of ours, by their hash.
fn copy(shared: &Shared, script: &Script) -> Result<PathBuf, Refusal> {
    let folder = shared.workspace.runs().join("scripts");
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(Refusal::internal)?;
    let fresh: model::RunId = shared.new_id();
    let (path, fresh) = (folder.join(&script.hash), folder.join(format!("{fresh}.new")));
    let mut file = std::fs::OpenOptions::new();
    let mut file = file.write(true).create_new(true).mode(0o600).open(&fresh).map_err(Refusal::internal)?;
    file.write_all(script.text.as_bytes()).map_err(Refusal::internal)?;
    std::fs::rename(&fresh, &path).map_err(Refusal::internal)?;
    Ok(path)
}

/// Scripts of the last daemon's life are over: their guards ended them.
pub(crate) async fn mend(shared: &Arc<Shared>) -> Result<(), Refusal> {
    let mut events = Vec::new();
    for row in shared.store.read(|view| view.live_worktrees())? {
        let (worktree, repo) = (row.worktree.id, row.worktree.repo);
        for one in shared.store.read(|view| view.worktree_scripts(worktree))? {
            if one.end.is_none() {
                events.push(Event::WorktreeScriptEnded(ScriptEnd {
                    worktree,
                    repo,
                    script: one.script,
                    hash: one.hash,
                    end: ScriptOutcome::Canceled,
                    code: None,
                    tail: "the daemon ended while it ran".to_owned(),
                    elapsed_ms: 0,
                }));
            }
        }
    }
    if events.is_empty() { Ok(()) } else { shared.record(Actor::System, events).await.map(drop) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_known_by_its_kind_and_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path();
        assert_eq!(read(at, ScriptKind::Setup).unwrap(), None);
        std::fs::create_dir(at.join(FOLDER)).unwrap();
        std::fs::write(at.join(FOLDER).join("setup.sh"), "make\n").unwrap();
        std::fs::write(at.join(FOLDER).join("run.sh"), "make\n").unwrap();
        let hash = |kind| read(at, kind).unwrap().unwrap().hash;
        let before = hash(ScriptKind::Setup);
        assert_ne!(before, hash(ScriptKind::Run), "what may be done once may not be done always");
        std::fs::write(at.join(FOLDER).join("setup.sh"), "make \n").unwrap();
        assert_ne!(before, hash(ScriptKind::Setup));
    }

    #[test]
    fn what_is_no_script_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path();
        std::fs::create_dir(at.join(FOLDER)).unwrap();
        let setup = at.join(FOLDER).join("setup.sh");
        let refused = |what: &str| {
            assert_eq!(read(at, ScriptKind::Setup).unwrap_err().code, "script_invalid", "{what}")
        };
        std::fs::write(&setup, vec![b'#'; usize::try_from(SCRIPT_MAX).unwrap() + 1]).unwrap();
        refused("too large");
        std::fs::write(&setup, [0xff, 0xfe]).unwrap();
        refused("not text");
        std::fs::remove_file(&setup).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", &setup).unwrap();
        refused("a link that leads out");
        std::fs::remove_file(&setup).unwrap();
        std::fs::create_dir(&setup).unwrap();
        refused("a folder");
    }
}
