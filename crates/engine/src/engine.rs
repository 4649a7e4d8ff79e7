//! The engine itself: what it is made of, how it starts and how it stops.

#[cfg(test)]
mod tests;

use crate::actor::{Actors, Held};
use crate::aside::PatientStore;
use crate::bridge::Crossing;
use crate::call::Key;
use crate::checkpoint::bundle::Bundles;
use crate::clients::Clients;
use crate::compaction::Condensing;
use crate::config::{ConfigError, ConfigProvider, Snapshot};
use crate::credential::Credentials;
use crate::doctor::Failures;
use crate::due::{self, Dues};
use crate::fragments::Fragments;
use crate::index::Index;
use crate::live::Live;
use crate::lock::LockAnswers;
use crate::merge_queue::Queues;
use crate::places::Places;
use crate::radar::Radar;
use crate::repo::Clones;
use crate::strays::Strays;
use crate::transcript::{Imports, Mirror};
use crate::worktree::script::Scripts;
use crate::worktree::usage::Usages;
use crate::writer::Writers;
use crate::{
    Call, Caller, Status, checkpoint, database, index, merge_queue, outbox, radar, recovery, worktree,
};
use bus::{Bus, Contents, Janitor, Liveness, NewRegistration};
use git::{Git, UserHome};
use model::{
    Actor, Clock, Cursor, DataRoot, Entropy, Event, Id, Refusal, RefusalKind, RegistrationId, Timestamp,
    WorkspaceDir,
};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use store::{Commit, CommitError, OpenReport, Opening, Receipt, Store, View};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long [`Engine::shutdown`] waits for turns to say goodbye before it goes on without them.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(10);
/// Between two attempts to write an end that the store has no room or no time for.
const CONCLUDE_PAUSE: Duration = Duration::from_millis(250);
/// Attempts to write an end once the engine is to stop.
const CONCLUDE_TRIES: u32 = 5;
/// Says that nothing was done yet under a key.
const FRESH: &str = "nothing was done under this key";
/// Label of the user's own registration on the bus.
const USER_LABEL: &str = "user";

/// Looks an environment variable up.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Everything the engine is told instead of looking it up.
pub struct EngineOptions {
    pub data_root: DataRoot,
    pub workspace: String,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    /// The binary that runs are made of: it is executed again as guard and as native loop.
    pub executable: PathBuf,
    /// Reads an environment variable; how API keys, `PATH` and `HOME` come in.
    pub environment: Environment,
    pub version: &'static str,
}

/// What opening found.
#[derive(Debug, Clone, Default)]
pub struct StartReport {
    pub events: u64,
    /// Sentences about what was repaired or resubmitted.
    pub repairs: Vec<String>,
}

/// The product's use cases. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) options: EngineOptions,
    pub(crate) workspace: WorkspaceDir,
    pub(crate) store: PatientStore,
    pub(crate) bus: Bus,
    pub(crate) git: Git,
    pub(crate) config: Arc<ConfigProvider>,
    pub(crate) live: Live,
    /// Who is attached to which session.
    pub(crate) clients: Clients,
    pub(crate) condensing: Condensing,
    pub(crate) fragments: Fragments,
    pub(crate) credentials: Credentials,
    pub(crate) actors: Actors,
    pub(crate) held: Held,
    pub(crate) failures: Failures,
    pub(crate) lock_answers: tokio::sync::Mutex<LockAnswers>,
    pub(crate) writers: Writers,
    pub(crate) strays: Strays,
    pub(crate) radar: Radar,
    pub(crate) index: Index,
    pub(crate) merges: Queues,
    pub(crate) known: Contents,
    /// Worktrees that turns have.
    pub(crate) claims: crate::worktree::Claims,
    /// What can hold a sandbox here; found when it is first asked for.
    pub(crate) fences: OnceLock<agent::FenceReport>,
    /// Every task of the engine is on it, so that shutdown knows when all are over.
    pub(crate) tasks: TaskTracker,
    pub(crate) stopping: CancellationToken,
    /// Places for live runs.
    pub(crate) places: Arc<Places>,
    pub(crate) dues: Dues,
    pub(crate) bell: watch::Sender<Cursor>,
    /// Set once the program on disk is another one than this: no more runs can start before a restart.
    pub(crate) outdated: OnceLock<Refusal>,
    /// The user on the bus: holds what is locked through the API.
    pub(crate) user: RegistrationId,
    /// Keeps the bus clean while the engine runs: frees what the dead hold, clears what is over.
    house: Mutex<Option<Janitor>>,
    /// To other machines.
    pub(crate) bridge: Crossing,
    /// How many watch what happens.
    pub(crate) watching: Arc<AtomicU32>,
    /// Transcripts being read.
    pub(crate) imports: Imports,
    pub(crate) mirror: Mirror,
    /// Repositories being cloned.
    pub(crate) clones: Clones,
    /// Scripts that run in worktrees.
    pub(crate) scripts: Scripts,
    /// What worktrees take on the disk.
    pub(crate) usages: Usages,
    pub(crate) bundles: Bundles,
    failed: watch::Sender<Option<String>>,
    dropped: AtomicU64,
    started_at: Timestamp,
}

impl Engine {
    /// Opens the workspace, recovers what a crash left behind, and goes on with what was under way.
    pub async fn open(options: EngineOptions) -> Result<(Self, StartReport), Refusal> {
        let (shared, opened) =
            tokio::task::spawn_blocking(move || assemble(options)).await.map_err(Refusal::internal)??;
        let shared = Arc::new(shared);
        let mut report = StartReport { events: opened.position.seq, repairs: repairs(&opened) };
        report.repairs.extend(recovery::recover(&shared).await?);
        outbox::follow(&shared).await;
        // After recovery, which tells what the dead of the last life held.
        let janitor = shared.bus.keep_house().map_err(|error| error.refusal())?;
        *shared.house.lock().unwrap_or_else(PoisonError::into_inner) = Some(janitor);
        if let Err(refusal) = shared.blocking(|shared| shared.bridge.follow(shared)).await {
            tracing::error!(%refusal, "the bridge to other machines is down");
        }
        shared.blocking(crate::repo::take_part).await?;
        recovery::resume(&shared).await?;
        shared.tasks.spawn(due::keep(Arc::clone(&shared)));
        shared.mirror.follow(&shared);
        shared.tasks.spawn(worktree::trash::keep(Arc::clone(&shared)));
        shared.tasks.spawn(radar::keep(Arc::clone(&shared)));
        shared.tasks.spawn(index::keep(Arc::clone(&shared)));
        shared.tasks.spawn(checkpoint::bundle::keep(Arc::clone(&shared)));
        shared.tasks.spawn(merge_queue::keep(Arc::clone(&shared)));
        let engine = Self { shared };
        engine.resume_firings().await?;
        Ok((engine, report))
    }

    pub fn config(&self) -> Arc<Snapshot> {
        self.shared.config.snapshot()
    }

    /// Reads the configuration again; what waited for it begins.
    pub fn reload_config(&self) -> Result<Arc<Snapshot>, ConfigError> {
        let reloaded = self.shared.config.reload()?;
        self.shared.places.look();
        self.shared.mirror.follow(&self.shared);
        let shared = Arc::clone(&self.shared);
        self.shared.tasks.spawn(async move {
            if let Err(refusal) = shared.blocking(|shared| shared.bridge.follow(shared)).await {
                tracing::error!(%refusal, "the bridge to other machines is down");
            }
            if let Err(error) = recovery::resume(&shared).await {
                tracing::error!(%error, "the sessions did not hear of the new configuration");
            }
        });
        Ok(reloaded)
    }

    pub fn status(&self) -> Result<Status, Refusal> {
        let shared = &self.shared;
        let locks = shared.bus.locks(None).map_err(|error| error.refusal())?.len();
        let counts = shared.store.read(|view| view.counts())?;
        let (running, waiting, usage) = shared.store.read(|view| {
            let waiting = view.tasks_in_state(&[model::TaskState::InputRequired])?.len();
            let waiting = waiting + shared.held.reasons().len();
            let permissions = usize::try_from(view.count_open_permissions()?).unwrap_or(usize::MAX);
            let waiting = waiting.saturating_add(permissions);
            Ok((view.running_turns()?.len(), waiting, view.total_usage()?))
        })?;
        Ok(Status {
            version: shared.options.version,
            workspace: shared.options.workspace.clone(),
            started_at: shared.started_at,
            cursor: shared.store.durable(),
            sessions: counts.sessions,
            running_turns: u32::try_from(running).unwrap_or(u32::MAX),
            locks: u32::try_from(locks).unwrap_or(u32::MAX),
            needs_input: u32::try_from(waiting).unwrap_or(u32::MAX),
            usage,
            config_version: shared.config.snapshot().version,
            dropped: shared.dropped.load(Ordering::Relaxed),
        })
    }

    /// The bus of this machine, for faces that act on it in a caller's own name.
    pub fn bus(&self) -> &Bus {
        &self.shared.bus
    }

    /// Where the data root is.
    pub fn data_root(&self) -> &DataRoot {
        &self.shared.options.data_root
    }

    /// The run a token was minted for, while it lives.
    pub fn authenticate_run(&self, token: &str) -> Option<Caller> {
        self.shared.credentials.caller(token)
    }

    /// A session on the bus as a caller, while it lives.
    pub fn terminal(&self, registration: RegistrationId) -> Option<Caller> {
        let alive = self.shared.bus.is_alive(registration).unwrap_or(false);
        alive.then_some(Caller::Terminal { registration })
    }

    /// Counts work that a face had to drop: slow readers, refused submissions.
    pub fn count_dropped(&self, n: u64) {
        self.shared.count_dropped(n);
    }

    /// Begins nothing new from now on, and says so to all that runs; [`Self::shutdown`] waits for it, too.
    pub fn begin_shutdown(&self) {
        self.shared.stopping.cancel();
        self.shared.tasks.close();
        // Who follows the outbox waits at its bell and hears of nothing else.
        self.shared.bus.wake_daemon();
    }

    /// Ends runs, writes what is waiting, closes the databases. Safe to call twice.
    pub async fn shutdown(&self) {
        let shared = &self.shared;
        self.begin_shutdown();
        if tokio::time::timeout(SHUTDOWN_PATIENCE, shared.tasks.wait()).await.is_err() {
            tracing::warn!(left = shared.tasks.len(), "shutdown goes on without waiting for the rest");
        }
        let ending = Arc::clone(shared);
        let closed = tokio::task::spawn_blocking(move || {
            ending.bridge.take_down();
            drop(ending.house.lock().unwrap_or_else(PoisonError::into_inner).take());
            if let Err(error) = ending.bus.end(ending.user, "finished") {
                tracing::debug!(%error, "the user's registration was gone already");
            }
            outbox::drain(&ending);
            ending.store.close();
        });
        if let Err(error) = closed.await {
            tracing::error!(%error, "closing the store failed");
        }
    }

    /// Resolves when the engine can no longer acknowledge anything (a failed fsync, a stopped
    /// store); the daemon exits then, and recovers at the next start.
    pub async fn failed(&self) -> String {
        let mut failed = self.shared.failed.subscribe();
        match failed.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => "the engine is gone".to_owned(),
        }
    }
}

impl Shared {
    /// Validates and commits; the answer comes when the events are durable.
    pub(crate) async fn commit(
        &self,
        actor: Actor,
        key: Option<Key>,
        command: impl FnOnce(&View<'_>) -> Result<Vec<Event>, Refusal> + Send + 'static,
    ) -> Result<Receipt, Refusal> {
        let key = key.map(|key| journal::IdempotencyKey { key: key.key, request_hash: key.request_hash });
        self.hand_in(Commit::new(actor, command).key(key)).await
    }

    /// What an earlier request under the same key committed. Asked before anything is done that shows outside the journal.
    pub(crate) async fn done_before(&self, call: &Call) -> Result<Option<Vec<journal::Record>>, Refusal> {
        if call.key.is_none() {
            return Ok(None);
        }
        // A command that refuses leaves no trace; under a known key it is not asked.
        let fresh = |_: &View<'_>| Err(Refusal::internal(FRESH));
        match self.commit(call.actor(), call.key.clone(), fresh).await {
            Ok(receipt) => Ok(Some(receipt.records)),
            Err(refusal) if refusal.message == FRESH => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// Commits how something ended that is over in any case. On a full disk it is let in at the
    /// reserve's expense, and waits for room when that is used up; it waits for a busy store, too. So no end is
    /// lost while the daemon lives; one that stops tries for a moment more.
    pub(crate) async fn conclude(
        &self,
        actor: Actor,
        command: impl Fn(&View<'_>) -> Result<Vec<Event>, Refusal> + Clone + Send + 'static,
    ) -> Result<Receipt, Refusal> {
        self.conclude_under(None, actor, command).await
    }

    /// The same of what a call ordered, under its key.
    pub(crate) async fn conclude_for(&self, call: &Call, events: Vec<Event>) -> Result<Receipt, Refusal> {
        self.conclude_under(call.key.clone(), call.actor(), move |_| Ok(events.clone())).await
    }

    async fn conclude_under(
        &self,
        key: Option<Key>,
        actor: Actor,
        command: impl Fn(&View<'_>) -> Result<Vec<Event>, Refusal> + Clone + Send + 'static,
    ) -> Result<Receipt, Refusal> {
        let key = key.map(|key| journal::IdempotencyKey { key: key.key, request_hash: key.request_hash });
        let mut tries_left = CONCLUDE_TRIES;
        loop {
            let command = command.clone();
            let closing = Commit::new(actor.clone(), move |view| command(view)).key(key.clone()).closing();
            let refusal = match self.hand_in(closing).await {
                Err(refusal) if refusal.passes() => refusal,
                concluded => return concluded,
            };
            if self.stopping.is_cancelled() {
                tries_left -= 1;
                if tries_left == 0 {
                    return Err(refusal);
                }
            }
            tracing::warn!(%refusal, "how something ended waits to be written");
            tokio::time::sleep(CONCLUDE_PAUSE).await;
        }
    }

    async fn hand_in(&self, commit: Commit) -> Result<Receipt, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.store.submit(commit, move |verdict| drop(reply.send(verdict)));
        let verdict = answer.await.unwrap_or_else(|_| Err(CommitError::Stopped("it was closed".to_owned())));
        let judged = self.judge(verdict);
        if let Ok(receipt) = &judged {
            self.dues.hear(&receipt.records);
        }
        judged
    }

    /// What a commit's verdict means to the caller; a stopped store is the end of the daemon.
    pub(crate) fn judge(&self, verdict: Result<Receipt, CommitError>) -> Result<Receipt, Refusal> {
        verdict.map_err(|error| {
            if let CommitError::Stopped(reason) = &error
                && !self.stopping.is_cancelled()
            {
                self.failed.send_replace(Some(reason.clone()));
            }
            if matches!(&error, CommitError::Refused(refusal) if refusal.kind == RefusalKind::Busy) {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
            error.into()
        })
    }

    /// Does it to its end, also when whoever asked for it hangs up meanwhile: what was committed is told, too.
    pub(crate) async fn to_its_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Refusal>> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.tasks.spawn(work).await.map_err(Refusal::internal)?
    }

    pub(crate) fn count_dropped(&self, n: u64) {
        self.dropped.fetch_add(n, Ordering::Relaxed);
    }

    /// Commits events nobody can refuse, caused by the system.
    pub(crate) async fn record(&self, actor: Actor, events: Vec<Event>) -> Result<Receipt, Refusal> {
        self.commit(actor, None, move |_| Ok(events)).await
    }

    /// Runs blocking work (bus, git, files) off the async threads.
    pub(crate) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Shared) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let shared = Arc::clone(self);
        tokio::task::spawn_blocking(move || work(&shared)).await.map_err(Refusal::internal)?
    }

    pub(crate) fn new_id<K: model::IdKind>(&self) -> Id<K> {
        Id::new(&*self.options.clock, &*self.options.entropy)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.options.clock.now()
    }

    pub(crate) fn env(&self, name: &str) -> Option<String> {
        (self.options.environment)(name)
    }

    pub(crate) fn user_home(&self) -> UserHome {
        UserHome {
            home: self.env("HOME").unwrap_or_default().into(),
            xdg_config_home: self.env("XDG_CONFIG_HOME").map(PathBuf::from),
        }
    }
}

/// What rings with every commit, and what says why there are none any more.
fn bells(store: &Store) -> (watch::Sender<Cursor>, watch::Sender<Option<String>>) {
    let (bell, failed) = (watch::Sender::new(store.durable()), watch::Sender::new(None));
    let (ring, failing) = (bell.clone(), failed.clone());
    store.on_commit(Box::new(move |cursor| {
        ring.send_replace(cursor);
    }));
    store.on_stop(Box::new(move |reason| {
        failing.send_replace(Some(reason.to_owned()));
    }));
    (bell, failed)
}

pub(crate) fn assemble(options: EngineOptions) -> Result<(Shared, OpenReport), Refusal> {
    let workspace = options.data_root.workspace(&options.workspace);
    let config = ConfigProvider::open(options.data_root.config()).map_err(|error| {
        Refusal::invalid("config_invalid", error.to_string()).hint("mend the file and start again")
    })?;
    let (clock, entropy) = (Arc::clone(&options.clock), Arc::clone(&options.entropy));
    let database = database::options(&options, &config.snapshot().config.database)?;
    let (store, opened) = Store::open(&workspace, Arc::clone(&clock), Arc::clone(&entropy), database)?;
    let listening =
        bus::Options { safety_poll: config.snapshot().config.bus.safety_poll(), ..bus::Options::default() };
    let bus = Bus::open_with(&workspace.bus(), clock, entropy, listening).map_err(|error| error.refusal())?;
    let known = Contents::new(workspace.known());
    let scratch = workspace.runs();
    std::fs::create_dir_all(&scratch).map_err(Refusal::internal)?;
    let git = Git::new((options.environment)("PATH").unwrap_or_default(), scratch);
    let user = bus.register(own_registration()).map_err(|error| error.refusal())?;
    let (bell, failed) = bells(&store);
    let index = Index::new(&workspace.databases());
    let config = Arc::new(config);
    let limits = Arc::clone(&config);
    let places = Places::new(move || limits.snapshot().config.limits.capacity());
    let shared = Shared {
        started_at: options.clock.now(),
        options,
        workspace,
        store: PatientStore(store),
        bus,
        git,
        config,
        live: Live::new(),
        clients: Clients::default(),
        condensing: Condensing::default(),
        fragments: Fragments::default(),
        credentials: Credentials::default(),
        actors: Actors::default(),
        held: Held::default(),
        failures: Failures::default(),
        lock_answers: tokio::sync::Mutex::default(),
        writers: Writers::default(),
        strays: Strays::default(),
        radar: Radar::default(),
        index,
        merges: Queues::default(),
        known,
        claims: crate::worktree::Claims::default(),
        fences: OnceLock::new(),
        tasks: TaskTracker::new(),
        stopping: CancellationToken::new(),
        places,
        dues: Dues::default(),
        bell,
        outdated: OnceLock::new(),
        user: user.id,
        house: Mutex::default(),
        bridge: Crossing::default(),
        watching: Arc::default(),
        imports: Imports::default(),
        mirror: Mirror::default(),
        failed,
        clones: Clones::default(),
        scripts: Scripts::default(),
        usages: Usages::default(),
        bundles: Bundles::default(),
        dropped: AtomicU64::new(0),
    };
    Ok((shared, opened))
}

/// The user on the bus.
fn own_registration() -> NewRegistration {
    NewRegistration {
        id: None,
        agent: USER_LABEL.to_owned(),
        vendor: "coditect".to_owned(),
        model: None,
        session: None,
        worktree: None,
        liveness: own_liveness(),
    }
}

/// The daemon's own process stands for the user's registration.
fn own_liveness() -> Liveness {
    let pid = std::process::id();
    match bus::system::process_start(pid) {
        Some(starttime) => Liveness::Process { pid, starttime },
        None => Liveness::Lease { ttl: bus::LOCK_TTL_MAX },
    }
}

fn repairs(opened: &OpenReport) -> Vec<String> {
    let mut said = Vec::new();
    if let Some(place) = &opened.taken_over {
        said.push(format!("the workspace was taken over from {place}, which did not leave in order"));
    }
    if let Some(repair) = &opened.repaired {
        said.push(format!(
            "the journal's torn tail of {} bytes was cut off and kept as {}",
            repair.torn_bytes, repair.side_file
        ));
    }
    for (name, opening) in [("sessions.db", &opened.sessions), ("messages.db", &opened.messages)] {
        match opening {
            Opening::Current | Opening::Created { .. } => {}
            Opening::Replayed { records } => {
                said.push(format!("{name} was {records} events behind and caught up"))
            }
            Opening::Rebuilt { reason, .. } => {
                said.push(format!("{name} was rebuilt from the journal: {reason}"))
            }
            Opening::Recovered { reason, kept, .. } => said.push(format!(
                "{name} was damaged ({reason}); it was rebuilt from the journal and the old file kept as {}",
                kept.display()
            )),
        }
    }
    said
}
