//! The mediation between a driver and the daemon: one turn, from `Ready` to `Leave`, the same for all vendors.
//!
//! Invariant: whatever the driver does, the turn's end is said once, and no later than the grace after a cancel or the deadline.

use super::deadline::Deadline;
use super::place::Place;
use super::uplink::Uplink;
use super::{Commands, Driver, DriverError, Steering, Step, context_files, plan, preamble};
use crate::run::wire::{Begin, Reply, Request, RunCommand, RunEvent, Start};
use model::{Block, Refusal, Role, TaskKind, TurnOutcome, Usage};
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;
use tokio::net::unix::pipe;
use tokio::time::{Instant, sleep_until};

/// How long an interrupted agent may take to come to its end. Shorter than what the daemon gives us.
const INTERRUPT_GRACE: Duration = Duration::from_secs(3);
/// Id of our own request to take a plan; drivers count from 1.
const PLAN_REQUEST: u64 = u64::MAX;
/// How often an agent is asked for a plan that can be read.
const PLAN_ATTEMPTS: u32 = 3;

/// Takes the one turn this process is for, says how it ended, and waits to be let go.
pub(super) async fn take<D: Driver>(start: Start, place: Place, commands: Commands, stdout: pipe::Sender) {
    let (uplink, outbox) = Uplink::new(commands);
    let deadline = Deadline::after(Duration::from_millis(start.deadline_ms));
    let mediation = Mediation {
        uplink,
        place,
        deadline,
        seconds: start.deadline_ms.div_ceil(1000),
        questions: HashSet::new(),
        early: Vec::new(),
        queued: BTreeMap::new(),
        iterations: 0,
        usage: Usage::default(),
        spoken: false,
        dismissed: false,
    };
    tokio::join!(mediation.take::<D>(start), outbox.speak(stdout));
}

struct Mediation {
    uplink: Uplink,
    place: Place,
    deadline: Deadline,
    /// What the deadline is, for people.
    seconds: u64,
    /// Requests that wait for a person.
    questions: HashSet<u64>,
    /// Words that came before the turn could take them.
    early: Vec<(u64, String)>,
    /// Words that the vendor's program has and has not taken up.
    queued: BTreeMap<u64, String>,
    iterations: u32,
    usage: Usage,
    /// The agent has said or done something.
    spoken: bool,
    dismissed: bool,
}

/// Why a turn stopped before it was open.
enum Unopened {
    Over(TurnOutcome),
    Failed(DriverError),
}

impl Mediation {
    async fn take<D: Driver>(mut self, mut start: Start) {
        self.say(&RunEvent::Ready).await;
        if !D::TOLD {
            start.system = context_files::before(&start.system, &self.place, &D::reads(&start, &self.place));
        }
        let (outcome, driver) = self.conversation::<D>(start).await;
        self.unheard().await;
        let (iterations, usage) = (self.iterations, self.usage);
        self.say(&RunEvent::Ended { outcome, iterations, usage }).await;
        let stopping = async {
            if let Some(driver) = driver {
                driver.stop().await;
            }
        };
        tokio::join!(stopping, self.dismissed());
    }

    /// Opens the conversation and holds it; once more from its beginning when the vendor has lost its own.
    async fn conversation<D: Driver>(&mut self, mut start: Start) -> (TurnOutcome, Option<D>) {
        loop {
            let mut driver = match self.open::<D>(&start).await {
                Ok(driver) => driver,
                Err(Unopened::Over(outcome)) => return (outcome, None),
                Err(Unopened::Failed(error)) => {
                    if self.begin_anew(&error, &mut start).await {
                        continue;
                    }
                    return (error.outcome(), None);
                }
            };
            match self.converse(&start, &mut driver).await {
                Ok(outcome) => return (outcome, Some(driver)),
                Err(error) => {
                    if !self.begin_anew(&error, &mut start).await {
                        return (error.outcome(), Some(driver));
                    }
                    driver.stop().await;
                }
            }
        }
    }

    async fn open<D: Driver>(&mut self, start: &Start) -> Result<D, Unopened> {
        let opening = D::open(start, &self.place);
        tokio::pin!(opening);
        loop {
            tokio::select! {
                biased;
                command = self.uplink.hear() => match command {
                    RunCommand::Cancel => return Err(Unopened::Over(TurnOutcome::Canceled)),
                    RunCommand::Leave => self.dismissed = true,
                    RunCommand::Steer { id, text } => self.early.push((id, text)),
                    RunCommand::Start(_) | RunCommand::Reply { .. } => {}
                },
                () = self.deadline.passed() => return Err(Unopened::Over(overdue(self.seconds))),
                opened = &mut opening => return opened.map_err(Unopened::Failed),
            }
        }
    }

    /// Whether the turn is to begin once more without the vendor's own session, which is gone. Says so.
    async fn begin_anew(&mut self, error: &DriverError, start: &mut Start) -> bool {
        let DriverError::SessionGone { about, session } = error else { return false };
        if self.spoken || start.begin == Begin::New {
            return false;
        }
        let forks = matches!(start.begin, Begin::Fork { .. });
        start.begin = Begin::New;
        // The program that had these is gone.
        self.early.extend(std::mem::take(&mut self.queued));
        let gone = format!("the session `{session}` of {} is gone", about.name);
        let text = format!("{gone}; a new one was begun and given the last messages of this conversation");
        if forks {
            self.say(&RunEvent::Replayed { reason: gone }).await;
        }
        let blocks = vec![Block::Text { text }];
        self.say(&RunEvent::Message { role: Role::System, blocks, usage: None, latency_ms: None }).await;
        true
    }

    async fn converse<D: Driver>(
        &mut self,
        start: &Start,
        driver: &mut D,
    ) -> Result<TurnOutcome, DriverError> {
        let by_text = start.kind == TaskKind::Propose && !D::PROPOSES;
        let mut prompt = if D::REMEMBERS { start.prompt.clone() } else { preamble::prompt(start) };
        if by_text {
            prompt.push_str(plan::WANTED);
        }
        let mut attempt = 0;
        loop {
            driver.prompt(&prompt).await?;
            for (id, text) in std::mem::take(&mut self.early) {
                self.steer(driver, id, &text).await?;
            }
            let outcome = self.turn(driver).await?;
            let TurnOutcome::Completed { summary } = &outcome else { return Ok(outcome) };
            if !by_text {
                return Ok(outcome);
            }
            attempt += 1;
            let why = match self.propose(summary).await {
                Ok(None) => return Ok(outcome),
                Ok(Some(over)) => return Ok(over),
                Err(why) => why,
            };
            if attempt == PLAN_ATTEMPTS {
                return Ok(failed("plan_invalid", &format!("no plan after {PLAN_ATTEMPTS} attempts: {why}")));
            }
            prompt = format!("{}\n{}", plan::again(&why), plan::WANTED);
        }
    }

    /// Listens to the driver and to the daemon until the driver says the end.
    async fn turn<D: Driver>(&mut self, driver: &mut D) -> Result<TurnOutcome, DriverError> {
        let mut verdict: Option<(TurnOutcome, Instant)> = None;
        loop {
            let over = verdict.as_ref().map_or_else(Instant::now, |(_, at)| *at);
            let decided = tokio::select! {
                biased;
                command = self.uplink.hear() => match self.obey(driver, command).await {
                    Ok(decided) => decided,
                    Err(error) => return verdict.map_or(Err(error), |(outcome, _)| Ok(outcome)),
                },
                () = self.deadline.passed(), if verdict.is_none() => Some(overdue(self.seconds)),
                () = sleep_until(over), if verdict.is_some() => {
                    return Ok(verdict.map_or(TurnOutcome::Canceled, |(outcome, _)| outcome));
                }
                step = driver.next() => match (step, verdict.take()) {
                    (Ok(Step::Say(event)), before) => {
                        verdict = before;
                        self.pass_on(driver, &event).await?
                    }
                    (Ok(Step::Withdrawn(id)), before) => {
                        verdict = before;
                        self.settle(id);
                        None
                    }
                    (Ok(Step::TakenUp(id)), before) => {
                        verdict = before;
                        self.taken_up(id).await;
                        None
                    }
                    (Ok(Step::Ended(_)) | Err(_), Some((outcome, _))) => return Ok(outcome),
                    (Ok(Step::Ended(outcome)), None) => return Ok(outcome),
                    (Err(error), None) => return Err(error),
                },
            };
            if let Some(outcome) = decided
                && verdict.is_none()
            {
                verdict = Some((outcome, Instant::now() + INTERRUPT_GRACE));
                // One that cannot even be interrupted is at its end.
                if driver.interrupt().await.is_err() {
                    return Ok(verdict.map_or(TurnOutcome::Canceled, |(outcome, _)| outcome));
                }
            }
        }
    }

    /// Does what the daemon says; gives the turn's outcome when that is its end.
    async fn obey<D: Driver>(
        &mut self,
        driver: &mut D,
        command: RunCommand,
    ) -> Result<Option<TurnOutcome>, DriverError> {
        match command {
            RunCommand::Cancel => return Ok(Some(TurnOutcome::Canceled)),
            RunCommand::Reply { id, result } => {
                self.settle(id);
                driver.reply(id, result).await?;
            }
            RunCommand::Steer { id, text } => self.steer(driver, id, &text).await?,
            RunCommand::Leave => self.dismissed = true,
            RunCommand::Start(_) => {}
        }
        Ok(None)
    }

    async fn steer<D: Driver>(&mut self, driver: &mut D, id: u64, text: &str) -> Result<(), DriverError> {
        let taken = match driver.steer(id, text).await? {
            Steering::Taken => true,
            Steering::Refused => false,
            Steering::Queued => {
                self.queued.insert(id, text.to_owned());
                return Ok(());
            }
        };
        self.say(&RunEvent::Steered { id, taken }).await;
        Ok(())
    }

    async fn taken_up(&mut self, id: u64) {
        if self.queued.remove(&id).is_some() {
            self.say(&RunEvent::Steered { id, taken: true }).await;
        }
    }

    /// With the turn's end nobody hears any more what was not taken up; the daemon is told, so that it is not lost.
    async fn unheard(&mut self) {
        let early = std::mem::take(&mut self.early).into_iter().map(|(id, _)| id);
        let queued = std::mem::take(&mut self.queued).into_keys();
        for id in early.chain(queued).collect::<Vec<_>>() {
            self.say(&RunEvent::Steered { id, taken: false }).await;
        }
    }

    /// Tells the daemon; gives the turn's outcome when it cannot be told.
    async fn pass_on<D: Driver>(
        &mut self,
        driver: &mut D,
        event: &RunEvent,
    ) -> Result<Option<TurnOutcome>, DriverError> {
        match event {
            RunEvent::ModelCalled { .. } => self.iterations += 1,
            RunEvent::ModelAnswered { usage, .. } => self.usage += *usage,
            RunEvent::Message { .. } => self.spoken = true,
            RunEvent::Request { id, request: Request::Ask { .. } | Request::Permit { .. } } => {
                self.questions.insert(*id);
                self.deadline.pause();
            }
            _ => {}
        }
        let Err(too_long) = self.uplink.say(event).await else { return Ok(None) };
        let RunEvent::Request { id, .. } = event else {
            return Ok(Some(failed("message_too_long", &too_long.to_string())));
        };
        self.settle(*id);
        driver.reply(*id, Err(Refusal::invalid("too_long", too_long.to_string()))).await?;
        Ok(None)
    }

    /// Nobody is asked this any more: the clock goes on when it stood for that.
    fn settle(&mut self, id: u64) {
        if self.questions.remove(&id) && self.questions.is_empty() {
            self.deadline.resume();
        }
    }

    /// Hands in the plan that is in the agent's words. None when it was taken, an outcome when the turn ended meanwhile, or why
    /// it was not taken.
    async fn propose(&mut self, words: &str) -> Result<Option<TurnOutcome>, String> {
        let tasks = plan::read(words)?;
        self.say(&RunEvent::Request { id: PLAN_REQUEST, request: Request::Propose { tasks } }).await;
        loop {
            let command = tokio::select! {
                command = self.uplink.hear() => command,
                () = self.deadline.passed() => return Ok(Some(overdue(self.seconds))),
            };
            match command {
                RunCommand::Cancel => return Ok(Some(TurnOutcome::Canceled)),
                RunCommand::Reply { id: PLAN_REQUEST, result: Ok(Reply::Accepted) } => return Ok(None),
                RunCommand::Reply { id: PLAN_REQUEST, result } => {
                    return Err(result.map_or_else(|refusal| refusal.message, |_| "an odd answer".to_owned()));
                }
                RunCommand::Steer { id, text } => self.early.push((id, text)),
                RunCommand::Leave => self.dismissed = true,
                RunCommand::Start(_) | RunCommand::Reply { .. } => {}
            }
        }
    }

    /// For what is always short enough.
    async fn say(&self, event: &RunEvent) {
        let _ = self.uplink.say(event).await;
    }

    /// Waits until the daemon has heard the end. A daemon that is gone never says so; the guard ends
    /// us then.
    async fn dismissed(&mut self) {
        while !self.dismissed {
            match self.uplink.hear().await {
                RunCommand::Leave => self.dismissed = true,
                // Nobody takes them any more; the daemon is told, so that they are not lost.
                RunCommand::Steer { id, .. } => self.say(&RunEvent::Steered { id, taken: false }).await,
                RunCommand::Start(_) | RunCommand::Reply { .. } | RunCommand::Cancel => {}
            }
        }
    }
}

fn failed(code: &str, message: &str) -> TurnOutcome {
    TurnOutcome::Failed { code: code.to_owned(), message: message.to_owned() }
}

fn overdue(seconds: u64) -> TurnOutcome {
    failed(
        "deadline",
        &format!(
            "the turn took longer than {seconds} s; ask for less at once, or raise limits.turn_deadline_seconds"
        ),
    )
}
