//! The beginning of a turn: everything is checked, the run is launched and registered, and the
//! start is committed.

use super::apart::Apart;
use super::lock_requests::LockRequests;
use super::standing::{self, Standing};
use super::{DEADLINE_GRACE, Order, TurnDriver};
use crate::budget::{self, Account};
use crate::checkpoint::point::{self, Look};
use crate::engine::Shared;
use crate::{AgentConfig, Caller, LiveTurn, compaction, fork, instructions};
use agent::{BashPolicy, Begin, Launch, LaunchError, McpServer, Program, RunHandle, RunLimits, Start};
use bus::{Liveness, NewRegistration};
use llm::{Endpoint, Thinking};
use model::{
    Actor, AgentName, Checkpoint, Driver, Event, GitState, HistoryBy, Isolation, Participant,
    ParticipantStatus, Refusal, RefusalKind, RegistrationId, Replay, Repo, Run, RunId, Session, StatusChange,
    Task, TaskKind, TaskRef, TaskState, Turn, TurnId, Usage, Vendor, VendorPause,
};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Time between TERM and KILL when a run is ended.
const GRACE: Duration = Duration::from_secs(2);

const NOT_CONFIGURED: &str = "agent_not_configured";
const MISSING_KEY: &str = "missing_api_key";
/// The vendor takes no calls now.
const VENDOR_PAUSED: &str = "vendor_paused";
/// The program on disk is not the daemon's any more.
const OTHER_VERSION: &str = "run_other_version";

/// Who and where, as the store knows it.
pub(super) struct Scene {
    pub(super) session: Session,
    pub(super) participant: Participant,
    pub(super) repo: Option<Repo>,
    /// The vendor's own session, as far as one is open.
    pub(super) vendor_session: Option<String>,
    /// That of the session this one was forked from.
    pub(super) inherited: Option<String>,
}

/// None when the task is not to be done any more.
pub(super) async fn start(shared: &Arc<Shared>, order: &Order) -> Result<Option<TurnDriver>, Refusal> {
    let (mut scene, replayed) = set(shared, order).await?;
    let apart = Apart::settle(shared, order, &mut scene).await?;
    let (turn, run, registration) = (shared.new_id(), shared.new_id(), shared.new_id());
    let Look { kept, standing } = kept_before(shared, order, &scene, turn).await?;
    let scratch = shared.workspace.runs().join(RunId::to_string(&run));
    let worktree = scene.repo.as_ref().map_or_else(|| scratch.join("work"), |repo| PathBuf::from(&repo.path));
    prepare(&scratch, &worktree, scene.repo.is_some())?;
    let standing = standing::of(shared, scene.repo.as_ref(), standing).await;
    let (fence, unsandboxed) = apart.fence(shared, &scene.participant, &scratch, &worktree).await?;
    let token = minted(shared, caller(&scene, run, registration), run, &scratch)?;
    let env = environment(shared, order, &scene, registration, &token);
    let start = instructed(shared, order, &scene, &env, standing.as_ref(), apart.isolation)
        .await
        .inspect_err(|_| shared.credentials.revoke(run))?;
    let launch = Launch {
        run,
        executable: shared.options.executable.clone(),
        liveness: scratch.join("alive"),
        scratch: scratch.clone(),
        worktree,
        env,
        allow_env: Vec::new(),
        grace: GRACE,
        limits: RunLimits::default(),
        fence,
        start,
    };
    let sight = apart.sight(shared, order, &scene, standing.as_ref()).await;
    let handle = launched(shared, run, launch).await?;
    register(shared, &scene, registration, scratch.join("alive")).await.inspect_err(|_| {
        handle.stop();
        shared.credentials.revoke(run);
    })?;
    let driver = TurnDriver {
        shared: Arc::clone(shared),
        order: order.clone(),
        participant: scene.participant,
        repo: scene.repo,
        turn,
        run,
        registration,
        handle,
        status: (ParticipantStatus::Starting, None),
        tokens: HashMap::new(),
        lock_requests: LockRequests::default(),
        question: None,
        permits: super::permit::Permits::default(),
        still_since: None,
        deadline: deadline(shared),
        drafted: (0, 0),
        bases: HashMap::new(),
        records: super::vendor::Records::default(),
        steering: HashMap::new(),
        heard: Instant::now(),
        ended: None,
        verdict: None,
        used: Usage::default(),
        ahead: 0,
        overspent: None,
        sight,
        lent: apart.lent,
        _claim: apart.claim,
        unsandboxed,
        calls: super::calls::Calls::default(),
        limited: None,
    };
    let begun = driver.announce(replayed, standing.map(|standing| standing.state), kept).await?;
    Ok(begun.then_some(driver))
}

/// The files as they are before a turn that may edit.
async fn kept_before(
    shared: &Arc<Shared>,
    order: &Order,
    scene: &Scene,
    turn: TurnId,
) -> Result<Look, Refusal> {
    match scene.repo.as_ref().filter(|_| writes(order.task.kind)) {
        Some(repo) => point::before_turn(shared, repo, &order.task, turn, &scene.participant.agent).await,
        None => Ok(Look::default()),
    }
}

/// The run ends its turn by itself before this.
fn deadline(shared: &Shared) -> Instant {
    let seconds = shared.config.snapshot().config.limits.turn_deadline_seconds;
    Instant::now() + Duration::from_secs(seconds) + DEADLINE_GRACE
}

fn minted(
    shared: &Shared,
    caller: Caller,
    run: RunId,
    scratch: &std::path::Path,
) -> Result<PathBuf, Refusal> {
    let minted = shared.credentials.mint(run, caller, &*shared.options.entropy, scratch);
    minted.map_err(|error| Refusal::internal(format!("cannot write the run's credential: {error}")))
}

fn caller(scene: &Scene, run: RunId, registration: RegistrationId) -> Caller {
    let (participant, agent) = (scene.participant.id, scene.participant.agent.clone());
    Caller::Run { run, registration, participant, session: scene.session.id, agent }
}

async fn launched(shared: &Shared, run: RunId, launch: Launch) -> Result<RunHandle, Refusal> {
    agent::launch(launch).await.map_err(|error| {
        shared.credentials.revoke(run);
        not_launched(shared, &error)
    })
}

/// The scene, once the turn may begin there, and whether its agent is shown a transcript after all. What would be too long to be
/// shown is condensed by then.
async fn set(shared: &Arc<Shared>, order: &Order) -> Result<(Scene, bool), Refusal> {
    let mut scene = scene(shared, order)?;
    let replayed = replayed(&mut scene, order);
    may_begin(shared, &order.task, &scene.participant)?;
    if order.task.kind.remembers() {
        compaction::before_turn(shared, &scene.session, &scene.participant, order.task.id).await;
    }
    Ok((scene, replayed))
}

/// What was so when the turn was ordered may be otherwise now that there is a place for it.
fn may_begin(shared: &Shared, task: &Task, seat: &Participant) -> Result<(), Refusal> {
    budget(shared, task, seat)?;
    paused(shared)?.remove(&seat.vendor).map_or(Ok(()), Err)
}

fn not_launched(shared: &Shared, error: &LaunchError) -> Refusal {
    let refused = |code| Refusal::new(RefusalKind::Unavailable, code, error.to_string());
    match error {
        LaunchError::OtherVersion { .. } => {
            let refusal =
                refused(OTHER_VERSION).hint("run `coditect daemon restart`; what waits goes on then");
            shared.outdated.get_or_init(|| refusal).clone()
        }
        _ => refused("run_not_started").hint("run `coditect doctor` and submit the task again"),
    }
}

/// What the run is to do, with which model.
async fn instructed(
    shared: &Arc<Shared>,
    order: &Order,
    scene: &Scene,
    env: &[(String, String)],
    standing: Option<&Standing>,
    isolation: Isolation,
) -> Result<Start, Refusal> {
    let snapshot = shared.config.snapshot();
    let limits = &snapshot.config.limits;
    let endpoint = endpoint(shared, &scene.participant)?;
    let prompt = instructions::prompt(shared, order, &scene.participant, scene.repo.as_ref()).await?;
    Ok(Start {
        agent: scene.participant.agent.to_string(),
        system: instructions::system(
            shared,
            &scene.participant,
            scene.repo.as_ref(),
            order.task.kind,
            standing,
        )
        .await,
        history: instructions::history(shared, order, &scene.session, &scene.participant)?,
        prompt,
        kind: order.task.kind,
        driver: scene.participant.driver,
        begin: begin(order, scene),
        program: program(shared, &scene.participant),
        isolation,
        mcp: mcp(shared, &scene.participant, env),
        endpoint,
        model: scene.participant.model.clone(),
        max_iterations: limits.max_iterations,
        deadline_ms: limits.turn_deadline_seconds * 1000,
        max_tokens: None,
        bash: BashPolicy::default(),
        thinking: Thinking::Off,
    })
}

/// A prompt goes on in the vendor's own session; what a plan wants is done with fresh context.
fn begin(order: &Order, scene: &Scene) -> Begin {
    match &scene.vendor_session {
        Some(vendor_session) if order.task.kind.remembers() => {
            Begin::Resume { vendor_session: vendor_session.clone() }
        }
        _ => match &scene.inherited {
            Some(vendor_session) if order.task.kind.remembers() && scene.vendor_session.is_none() => {
                Begin::Fork { vendor_session: vendor_session.clone() }
            }
            _ => Begin::New,
        },
    }
}

/// Whether what was to be the vendor's own fork has to be the transcript by now; then the seat says so.
fn replayed(scene: &mut Scene, order: &Order) -> bool {
    let replayed = scene.participant.history == Some(HistoryBy::Native)
        && order.task.kind.remembers()
        && scene.vendor_session.is_none()
        && scene.inherited.is_none();
    if replayed {
        scene.participant.history = Some(HistoryBy::Replay);
    }
    replayed
}

pub(super) fn agent_config(shared: &Shared, participant: &Participant) -> Option<AgentConfig> {
    shared.config.snapshot().config.agents.get(&participant.agent).cloned()
}

/// The vendor's program, as the configuration says; an empty command leaves the choice to the driver.
fn program(shared: &Shared, participant: &Participant) -> Option<Program> {
    let agent = agent_config(shared, participant).filter(|_| participant.driver != Driver::Native)?;
    let passed = agent.pass_env.iter().filter_map(|name| Some((name.clone(), shared.env(name)?)));
    let env = passed.chain(agent.env.clone()).collect();
    Some(Program { argv: agent.command, env })
}

/// The coordination tools, for agents that bring their own loop.
fn mcp(shared: &Shared, participant: &Participant, env: &[(String, String)]) -> Option<McpServer> {
    (participant.driver != Driver::Native).then(|| McpServer {
        name: "coditect".to_owned(),
        argv: vec![shared.options.executable.display().to_string(), "mcp".to_owned()],
        env: env.to_vec(),
    })
}

impl TurnDriver {
    /// Commits that the turn has begun; false when the task was ended in the meantime.
    async fn announce(
        &self,
        replayed: bool,
        git: Option<GitState>,
        before: Option<Checkpoint>,
    ) -> Result<bool, Refusal> {
        let (session, participant, task) =
            (self.participant.session, self.participant.id, self.order.task.id);
        let started_at = self.shared.now();
        let run = Run { id: self.run, session, participant, pid: self.handle.pid(), started_at };
        let turn = Turn {
            id: self.turn,
            session,
            task,
            participant,
            run: self.run,
            attempt: self.order.attempt,
            started_at,
            git,
        };
        let detail = self.told(None);
        let status = StatusChange { session, participant, status: ParticipantStatus::Starting, detail };
        let kept = before.clone();
        let committed = self
            .shared
            .commit(Actor::System, None, move |view| {
                let row = view.task(task)?.ok_or_else(|| Refusal::not_found("task", task))?;
                if row.state.is_terminal() {
                    return Ok(Vec::new());
                }
                let mut events = vec![Event::RunStarted(run)];
                if row.state == TaskState::Submitted {
                    events.push(Event::TaskStarted(TaskRef { session, task }));
                }
                let turn_id = turn.id;
                events.extend(kept.map(Event::CheckpointCreated));
                events.push(Event::TurnStarted(turn));
                if replayed {
                    let reason = "the session it was forked from has gone on meanwhile".to_owned();
                    events.push(Event::ParticipantReplayed(Replay {
                        session,
                        participant,
                        turn: turn_id,
                        reason,
                    }));
                }
                events.push(Event::ParticipantStatusChanged(status));
                Ok(events)
            })
            .await;
        if let (Some(before), Some(repo)) = (before, &self.repo) {
            point::settle(&self.shared, &repo.path, &before, &committed).await;
        }
        match committed {
            Ok(receipt) if !receipt.records.is_empty() => {
                tracing::info!(%session, %task, turn = %self.turn, run = %self.run, "a turn has begun");
                self.show();
                Ok(true)
            }
            not_begun => {
                self.handle.stop();
                self.handle.exited().await;
                self.give_back(false).await;
                self.bury().await;
                not_begun.map(|_| false)
            }
        }
    }

    /// Lets those who watch see it, with nothing said yet.
    fn show(&self) {
        self.shared.live.begin(LiveTurn {
            session: self.participant.session,
            turn: self.turn,
            task: self.order.task.id,
            participant: self.participant.id,
            text: String::new(),
            thinking: String::new(),
        });
    }
}

fn scene(shared: &Shared, order: &Order) -> Result<Scene, Refusal> {
    shared.store.read_or_refuse(|view| {
        let row = view
            .participant(order.participant)?
            .ok_or_else(|| Refusal::not_found("participant", order.participant))?;
        let session = view
            .session(row.participant.session)?
            .ok_or_else(|| Refusal::not_found("session", row.participant.session))?
            .session;
        let repo = match session.repo {
            None => None,
            Some(id) => Some(view.repo(id)?.ok_or_else(|| Refusal::not_found("repo", id))?),
        };
        let inherited = fork::inherited(view, &session, &row.participant)?;
        let (participant, vendor_session) = (row.participant, row.vendor_session);
        Ok(Scene { session, participant, repo, vendor_session, inherited })
    })
}

/// The agent's endpoint by the configuration of now, so that a mended key helps the next turn.
pub(crate) fn endpoint(shared: &Shared, participant: &Participant) -> Result<Endpoint, Refusal> {
    if let Some(refusal) = shared.outdated.get() {
        return Err(refusal.clone());
    }
    let snapshot = shared.config.snapshot();
    let agent = snapshot.config.agents.get(&participant.agent);
    let agent = agent.ok_or_else(|| not_configured(&participant.agent))?;
    let key = agent
        .key(&|name| shared.env(name))
        .ok_or_else(|| missing_key(participant.agent.as_str(), &agent.api_key_env, agent.vendor))?;
    Ok(Endpoint { vendor: agent.vendor, base_url: agent.base_url.clone(), api_key: key })
}

/// Refuses work of which a budget leaves nothing.
pub(crate) fn budget(shared: &Shared, task: &Task, seat: &Participant) -> Result<(), Refusal> {
    let snapshot = shared.config.snapshot();
    let account = account(shared, task, seat);
    let used_up = shared.store.read(|view| budget::used_up(view, &snapshot.config.budgets, &account))?;
    used_up.map_or(Ok(()), Err)
}

/// Vendors that take no calls now, and why.
pub(crate) fn paused(shared: &Shared) -> Result<BTreeMap<Vendor, Refusal>, Refusal> {
    let now = shared.now();
    let pauses = shared.store.read(|view| view.vendor_pauses())?;
    let open = pauses.into_iter().filter(|pause| pause.until > now);
    Ok(open.map(|pause| (pause.vendor, is_paused(&pause))).collect())
}

fn is_paused(pause: &VendorPause) -> Refusal {
    let vendor = pause.vendor.as_str();
    let message = format!("{vendor} takes no more calls until {}: {}", pause.until, pause.reason);
    Refusal::new(RefusalKind::Unavailable, VENDOR_PAUSED, message)
        .hint(format!("it goes on by itself then; `coditect agent resume {vendor}` tries before"))
}

pub(super) fn account(shared: &Shared, task: &Task, seat: &Participant) -> Account {
    Account { session: task.session, task: task.id, agent: seat.agent.clone(), day: shared.now().day() }
}

/// What somebody has to give the daemon before the agent can work; until then its tasks wait.
pub(super) fn is_to_be_waited_for(refusal: &Refusal) -> bool {
    [NOT_CONFIGURED, MISSING_KEY, OTHER_VERSION, VENDOR_PAUSED, budget::EXCEEDED]
        .contains(&refusal.code.as_ref())
}

pub(crate) fn not_configured(agent: &AgentName) -> Refusal {
    let message = format!("the agent `{agent}` is not configured any more");
    Refusal::new(RefusalKind::Unavailable, NOT_CONFIGURED, message)
        .hint("add it to config.json and run `coditect daemon restart`")
}

pub(crate) fn missing_key(agent: &str, variable: &str, vendor: Vendor) -> Refusal {
    Refusal::new(
        RefusalKind::Unavailable,
        MISSING_KEY,
        format!("the agent `{agent}` has no key: {variable} is not set"),
    )
    .hint(format!(
        "set {variable} to your {} key and run `coditect daemon restart`, or leave `{agent}` out",
        vendor.as_str()
    ))
}

fn prepare(scratch: &std::path::Path, worktree: &std::path::Path, adopted: bool) -> Result<(), Refusal> {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(scratch).map_err(Refusal::internal)?;
    if !adopted {
        builder.create(worktree).map_err(Refusal::internal)?;
    }
    Ok(())
}

fn environment(
    shared: &Shared,
    order: &Order,
    scene: &Scene,
    registration: RegistrationId,
    token: &std::path::Path,
) -> Vec<(String, String)> {
    let mut env: Vec<(String, String)> =
        agent::ENV_ALLOWED.iter().filter_map(|name| Some(((*name).to_owned(), shared.env(name)?))).collect();
    for (name, value) in [
        ("CODITECT_AGENT", scene.participant.agent.to_string()),
        ("CODITECT_SESSION", scene.session.id.to_string()),
        ("CODITECT_REGISTRATION", registration.to_string()),
        ("CODITECT_TASK", order.task.id.to_string()),
        ("CODITECT_ATTEMPT", order.attempt.to_string()),
        ("CODITECT_TOKEN_FILE", token.display().to_string()),
        ("CODITECT_DATA_ROOT", shared.options.data_root.path().display().to_string()),
    ] {
        env.push((name.to_owned(), value));
    }
    env
}

async fn register(
    shared: &Arc<Shared>,
    scene: &Scene,
    registration: RegistrationId,
    liveness: PathBuf,
) -> Result<(), Refusal> {
    let new = NewRegistration {
        id: Some(registration),
        agent: scene.participant.agent.to_string(),
        vendor: scene.participant.vendor.as_str().to_owned(),
        model: Some(scene.participant.model.clone()),
        session: Some(scene.session.id),
        worktree: scene.repo.as_ref().map(|repo| repo.path.clone()),
        liveness: Liveness::LockFile(liveness),
    };
    let details = bus::Details {
        repo: scene.repo.as_ref().map(|repo| repo.slug.to_string()),
        ..bus::Details::default()
    };
    let announce = move |shared: &Shared| {
        shared.bus.register(new)?;
        shared.bus.describe(registration, &details)
    };
    shared.blocking(move |shared| announce(shared).map_err(|error: bus::BusError| error.refusal())).await
}

/// Whether turns of this kind get a worktree to write to.
pub(super) const fn writes(kind: TaskKind) -> bool {
    kind.may_edit()
}
