//! A turn from start to end: the run is launched, listened to, served and buried.
//!
//! Invariant: a started turn ends in the journal, whatever happens to the run: it says so itself,
//! it dies, its time is over, or the next start of the daemon says it.

mod again;
mod apart;
mod calls;
pub(crate) mod detail;
pub(crate) mod finish;
mod limited;
mod lock_requests;
mod permit;
mod serve;
mod spend;
pub(crate) mod standing;
pub(crate) mod start;
mod vendor;

use crate::engine::Shared;
use crate::places::Seeker;
use crate::steer::Taken;
use crate::strays::Sight;
use agent::{RunEvent, RunHandle, TextKind};
use bus::BusError;
use calls::Look;
use lock_requests::LockRequests;
use model::{
    Actor, AgentName, Cursor, Event, Message, MessageDraft, ModelCall, Participant, ParticipantStatus,
    Refusal, RegistrationId, Repo, RepoPath, Role, RunId, StatusChange, Task, TurnId, TurnOutcome, Usage,
};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How often text that is being written is kept: what a crash may lose of it.
const DRAFT_EVERY: Duration = Duration::from_secs(1);
/// What the run gets on top of its own deadline before it is ended from outside.
const DEADLINE_GRACE: Duration = Duration::from_secs(10);
/// How long a canceled run may take to say goodbye.
const CANCEL_GRACE: Duration = Duration::from_secs(5);
/// Before a turn is tried again for which there was no room.
const START_PAUSE: Duration = Duration::from_secs(1);
/// The tool that can change files without asking.
const SHELL: &str = "bash";
/// Leases are renewed this many times within their life.
const RENEWALS_PER_TTL: u32 = 3;

/// What a turn is to do.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) task: Task,
    pub(crate) participant: model::ParticipantId,
    pub(crate) attempt: u32,
    pub(crate) vendor: model::Vendor,
}

impl Order {
    fn seeker(&self) -> Seeker {
        Seeker { priority: self.task.priority, vendor: self.vendor, session: self.task.session }
    }
}

/// What is told to a turn that runs.
#[derive(Debug, Clone)]
pub(crate) enum TurnMail {
    Cancel,
    /// Words for the agent; it says through `taken` that it has them.
    Steer {
        text: String,
        taken: Taken,
    },
    Answer {
        turn: TurnId,
        answer: String,
    },
    Permitted {
        turn: TurnId,
        permission: model::PermissionId,
        allowed: bool,
        reason: String,
    },
}

/// A turn that runs.
struct TurnDriver {
    shared: Arc<Shared>,
    order: Order,
    participant: Participant,
    repo: Option<Repo>,
    turn: TurnId,
    run: RunId,
    registration: RegistrationId,
    handle: RunHandle,
    status: (ParticipantStatus, Option<String>),
    /// Fencing tokens of the locks the run holds.
    tokens: HashMap<RepoPath, u64>,
    lock_requests: LockRequests,
    /// The question that waits for the user.
    question: Option<OpenQuestion>,
    /// What somebody has to allow.
    permits: permit::Permits,
    /// Since when the turn waits for a person; its own time stands still then.
    still_since: Option<Instant>,
    deadline: Instant,
    drafted: (usize, usize),
    /// By path, what was in the files that the vendor's program may change; none when there was no file.
    bases: HashMap<RepoPath, Option<String>>,
    records: vendor::Records,
    /// Words that the agent was given and has not taken yet.
    steering: HashMap<u64, Taken>,
    /// When the run last said anything.
    heard: Instant,
    /// What the run said at its end.
    ended: Option<(TurnOutcome, u32, Usage)>,
    /// What we decided before it could say anything.
    verdict: Option<TurnOutcome>,
    used: Usage,
    /// Reckoned cost of which the vendor has not spoken yet.
    ahead: u64,
    /// It has gone beyond a budget, and may be over anyway.
    overspent: Option<spend::Overspent>,
    /// On the worktree it may edit.
    sight: Option<Sight>,
    /// It works in a worktree of its own, where everything is its work.
    lent: bool,
    /// So that nobody takes it away meanwhile.
    _claim: Option<crate::worktree::Claim>,
    /// Why the sandbox it was to have is none.
    unsandboxed: Option<String>,
    /// Those that may change files.
    calls: calls::Calls,
    /// Its vendor takes no more calls for a while.
    limited: Option<limited::Limited>,
}

#[derive(Debug, Clone, Copy)]
struct OpenQuestion {
    /// The run's own number of its request.
    request: u64,
    since: Instant,
    /// Where it is in the journal: its answer is behind that.
    asked: Cursor,
}

/// Takes a turn and ends it. Failures on the way are the turn's outcome, not this function's.
pub(crate) async fn take(shared: &Arc<Shared>, order: Order, inbox: mpsc::Receiver<TurnMail>) {
    let _place = tokio::select! {
        () = shared.stopping.cancelled() => return,
        place = shared.places.take(order.seeker()) => place,
    };
    let outcome = match start::start(shared, &order).await {
        Ok(Some(driver)) => driver.drive(inbox).await,
        Ok(None) => Ok(()),
        // There may be room or time later; the task waits for it.
        Err(refusal) if refusal.passes() => {
            tracing::warn!(task = %order.task.id, %refusal, "a turn cannot begin now");
            tokio::time::sleep(START_PAUSE).await;
            Ok(())
        }
        // The session's actor says that the participant waits, and for what.
        Err(refusal) if start::is_to_be_waited_for(&refusal) => Ok(()),
        Err(refusal) => finish::not_started(shared, &order, &refusal).await,
    };
    if let Err(error) = outcome {
        // A store that has stopped, or has no room while we stop; the next start ends the turn.
        tracing::error!(task = %order.task.id, %error, "the turn's end could not be committed");
    }
}

impl TurnDriver {
    async fn drive(mut self, mut inbox: mpsc::Receiver<TurnMail>) -> Result<(), Refusal> {
        let listened = self.listen(&mut inbox).await;
        if let Err(error) = &listened {
            self.handle.stop();
            self.verdict.get_or_insert(TurnOutcome::Failed {
                code: error.code.to_string(),
                message: error.message.clone(),
            });
        }
        self.handle.events.close();
        let lives = listened.is_ok() && self.ended.is_some();
        let exit = if lives { None } else { Some(self.handle.exited().await) };
        self.finish(exit).await
    }

    /// Serves the run until it has ended its turn or is gone.
    async fn listen(&mut self, inbox: &mut mpsc::Receiver<TurnMail>) -> Result<(), Refusal> {
        let limits = self.shared.config.snapshot().config.limits.clone();
        let ttl = Duration::from_secs(limits.lock_ttl_seconds);
        let mut drafts = tokio::time::interval(DRAFT_EVERY);
        // Often enough, too, that a run which only thinks is not suspect.
        let mut renewals = tokio::time::interval((ttl / RENEWALS_PER_TTL).min(bus::SUSPECT_AFTER / 2));
        let stopping = self.shared.stopping.clone();
        let stall = Duration::from_secs(limits.stall_seconds);
        loop {
            let answer_limit = Duration::from_secs(limits.answer_deadline_seconds);
            let deadline = self.question.map_or(self.deadline, |open| open.since + answer_limit);
            let stands_still = self.question.is_none() && !self.permits.is_empty();
            let permit_deadline = self.permits.oldest().unwrap_or(deadline) + answer_limit;
            let spends_until = self.spends_until();
            tokio::select! {
                event = self.handle.events.recv() => match event {
                    None | Some(RunEvent::Exited(_)) => return Ok(()),
                    Some(event) => {
                        self.heard = Instant::now();
                        self.hear(event).await?;
                        if self.ended.is_some() {
                            return Ok(());
                        }
                    }
                },
                Some(done) = self.lock_requests.decided() => {
                    // Whoever waited for somebody else was not silent; from here on it is its turn again.
                    self.heard = Instant::now();
                    self.lock_decided(done).await?;
                }
                Some(mail) = inbox.recv() => {
                    self.heard = Instant::now();
                    self.mail(mail).await?;
                }
                _ = drafts.tick() => {
                    self.draft().await?;
                    self.keep_records().await?;
                }
                _ = renewals.tick() => {
                    self.renew(ttl).await?;
                    self.catch_up().await?;
                }
                () = tokio::time::sleep_until(self.heard + stall), if self.may_stall() => {
                    let silent = format!(
                        "the agent said nothing for {} s; submit the task again, or raise limits.stall_seconds",
                        limits.stall_seconds
                    );
                    self.end_as(failed("stalled", &silent));
                }
                () = tokio::time::sleep_until(spends_until.unwrap_or(deadline)), if spends_until.is_some() => {
                    self.stop_spending();
                }
                () = tokio::time::sleep_until(permit_deadline), if !self.permits.is_empty() => {
                    self.permits_overdue(answer_limit).await?;
                }
                () = tokio::time::sleep_until(deadline), if !stands_still => self.time_is_over().await?,
                () = stopping.cancelled(), if self.verdict.is_none() => {
                    self.end_as(failed("daemon_stopped", "the daemon was stopped"));
                }
            }
        }
    }

    /// An answer that was given counts, though nobody has told us.
    async fn time_is_over(&mut self) -> Result<(), Refusal> {
        let asked = self.question.is_some();
        self.catch_up().await?;
        if !asked || self.question.is_some() {
            self.end_as(failed(
                "deadline",
                "the turn's time was over; ask for less at once, or raise limits.turn_deadline_seconds",
            ));
        }
        Ok(())
    }

    /// Silence means something only while the agent waits for nobody.
    fn may_stall(&self) -> bool {
        self.verdict.is_none()
            && self.question.is_none()
            && self.permits.is_empty()
            && self.lock_requests.is_empty()
    }

    async fn hear(&mut self, event: RunEvent) -> Result<(), Refusal> {
        if spend::goes_on(&event) {
            self.stop_spending();
        }
        match event {
            RunEvent::Ready | RunEvent::Exited(_) => Ok(()),
            RunEvent::Status { status, detail } => {
                self.set_status(status, Some(detail).filter(|detail| !detail.is_empty())).await
            }
            RunEvent::Delta { kind, text } => {
                let kind = match kind {
                    TextKind::Text => crate::DeltaKind::Text,
                    TextKind::Thinking => crate::DeltaKind::Thinking,
                };
                self.shared.live.push(self.turn, kind, &text);
                Ok(())
            }
            RunEvent::ModelCalled { prompt_tokens, estimated_cost_micros } => {
                let (vendor, model) = (self.participant.vendor, self.participant.model.clone());
                let (session, turn, run) = (self.participant.session, self.turn, self.run);
                let call =
                    ModelCall { session, turn, run, vendor, model, prompt_tokens, estimated_cost_micros };
                self.record(vec![Event::ModelCalled(call)]).await
            }
            RunEvent::ModelAnswered { usage, latency_ms, retries } => {
                self.model_answered(usage, latency_ms, retries).await
            }
            RunEvent::Message { role, blocks, usage, latency_ms } => {
                self.message(role, blocks, usage, latency_ms).await
            }
            RunEvent::Opened { vendor_session, version } => self.opened(vendor_session, version).await,
            RunEvent::Replayed { reason } => self.replayed(reason).await,
            RunEvent::Wrote { path, diff } => self.wrote(path, diff).await,
            RunEvent::Outlined { steps } => self.outlined(steps).await,
            RunEvent::Record { line } => self.recorded(line).await,
            RunEvent::Steered { id, taken } => {
                self.steered(id, taken);
                Ok(())
            }
            RunEvent::Limited { retry_after_ms, until, reason } => {
                self.limited = Some(limited::Limited { retry_after_ms, until, reason });
                Ok(())
            }
            RunEvent::Request { id, request } => self.serve(id, request).await,
            RunEvent::Ended { outcome, iterations, usage } => {
                self.ended = Some((outcome, iterations, usage));
                Ok(())
            }
            RunEvent::Stderr(line) => {
                tracing::info!(run = %self.run, agent = %self.participant.agent, line, "run wrote to stderr");
                Ok(())
            }
            RunEvent::Malformed(line) => {
                tracing::warn!(run = %self.run, agent = %self.participant.agent, line, "run wrote a malformed line");
                Ok(())
            }
        }
    }

    async fn message(
        &mut self,
        role: Role,
        blocks: Vec<model::Block>,
        usage: Option<Usage>,
        latency_ms: Option<u64>,
    ) -> Result<(), Refusal> {
        let message = Message {
            id: self.shared.new_id(),
            session: self.participant.session,
            task: Some(self.order.task.id),
            turn: Some(self.turn),
            participant: Some(self.participant.id),
            parent: None,
            role,
            blocks,
            usage,
            latency_ms,
            created_at: self.shared.now(),
        };
        let look = self.calls.hear(self.participant.driver, &message);
        if let Some(sight) = &self.sight {
            sight.at_work(self.registration, self.calls.any());
        }
        self.record(vec![Event::MessageAppended(message)]).await?;
        self.shared.live.clear(self.turn);
        self.drafted = (0, 0);
        match look {
            Look::No => {}
            Look::ForStrays => {
                self.calls.have_written();
                self.look_for_strays().await?;
            }
            Look::Quietly => self.account_for_others().await,
        }
        Ok(())
    }

    async fn mail(&mut self, mail: TurnMail) -> Result<(), Refusal> {
        match mail {
            TurnMail::Cancel => self.end_as(TurnOutcome::Canceled),
            TurnMail::Steer { text, taken } => self.steer(text, taken),
            TurnMail::Answer { turn, answer } if turn == self.turn => self.answered(answer).await?,
            TurnMail::Permitted { turn, permission, allowed, reason } if turn == self.turn => {
                self.permitted(permission, allowed, reason).await?;
            }
            TurnMail::Answer { .. } | TurnMail::Permitted { .. } => {}
        }
        Ok(())
    }

    /// The turn is to end like this: politely first, then by force.
    fn end_as(&mut self, outcome: TurnOutcome) {
        if self.verdict.is_some() {
            self.handle.stop();
            self.deadline = Instant::now() + CANCEL_GRACE;
            return;
        }
        self.verdict = Some(outcome);
        self.question = None;
        self.permits.clear();
        self.still_since = None;
        self.deadline = Instant::now() + CANCEL_GRACE;
        if self.handle.send(agent::RunCommand::Cancel).is_err() {
            self.handle.stop();
        }
        let (shared, registration) = (Arc::clone(&self.shared), self.registration);
        self.shared.tasks.spawn_blocking(move || {
            if let Err(error) = shared.bus.cancel_waits(registration) {
                tracing::warn!(%error, "the run's wait for a lock goes on until it dies");
            }
        });
    }

    /// Keeps what has been written so far of the current message.
    async fn draft(&mut self) -> Result<(), Refusal> {
        let Some((text, thinking)) = self.shared.live.so_far(self.turn) else { return Ok(()) };
        let length = (text.len(), thinking.len());
        if length == self.drafted || length == (0, 0) {
            return Ok(());
        }
        let (text_from, text) = added(&text, self.drafted.0);
        let (thinking_from, thinking) = added(&thinking, self.drafted.1);
        let draft = MessageDraft {
            session: self.participant.session,
            turn: self.turn,
            participant: self.participant.id,
            text_from,
            text,
            thinking_from,
            thinking,
        };
        self.record(vec![Event::MessageDrafted(draft)]).await?;
        self.drafted = length;
        Ok(())
    }

    async fn renew(&mut self, ttl: Duration) -> Result<(), Refusal> {
        let (tokens, holder) = (self.tokens.clone(), self.registration);
        let lost = self
            .shared
            .blocking(move |shared| {
                // A model may think for long: the run shows that it lives, though it does nothing on the bus.
                if let Err(error) = shared.bus.heartbeat(holder) {
                    tracing::debug!(%error, "a run's sign of life");
                }
                let gone =
                    |token: &u64| matches!(shared.bus.renew(*token, holder, ttl), Err(BusError::Lost(_)));
                Ok(tokens
                    .into_iter()
                    .filter(|(_, token)| gone(token))
                    .map(|(path, _)| path)
                    .collect::<Vec<_>>())
            })
            .await?;
        for path in lost {
            tracing::warn!(run = %self.run, %path, "a lock was lost while the run lives");
            self.tokens.remove(&path);
        }
        Ok(())
    }

    async fn set_status(&mut self, status: ParticipantStatus, detail: Option<String>) -> Result<(), Refusal> {
        let detail = detail.as_deref().map(detail::short).filter(|detail| !detail.is_empty());
        let detail = self.told(detail);
        if self.status == (status, detail.clone()) {
            return Ok(());
        }
        self.status = (status, detail.clone());
        let change = StatusChange {
            session: self.participant.session,
            participant: self.participant.id,
            status,
            detail,
        };
        self.record(vec![Event::ParticipantStatusChanged(change)]).await?;
        let registration = self.registration;
        // For those who look at the bus; what is true is in the journal.
        let shown = self
            .shared
            .blocking(move |shared| shared.bus.show(registration, status).map_err(|error| error.refusal()));
        if let Err(refusal) = shown.await {
            tracing::debug!(%refusal, "a run's status on the bus");
        }
        Ok(())
    }

    /// The detail of a status, with the word that must not be overlooked.
    fn told(&self, detail: Option<String>) -> Option<String> {
        let Some(reason) = &self.unsandboxed else { return detail };
        let rest = detail.as_deref().unwrap_or(reason);
        Some(detail::short(&format!("UNSANDBOXED: {rest}")))
    }

    async fn record(&self, events: Vec<Event>) -> Result<(), Refusal> {
        self.shared.record(self.actor(), events).await.map(drop)
    }

    fn actor(&self) -> Actor {
        Actor::Agent(self.agent().clone())
    }

    fn agent(&self) -> &AgentName {
        &self.participant.agent
    }
}

/// What was added since the last draft, and where; a text that was begun anew is said whole.
fn added(whole: &str, from: usize) -> (u64, String) {
    match whole.get(from..) {
        Some(added) => (from as u64, added.to_owned()),
        None => (0, whole.to_owned()),
    }
}

fn failed(code: &str, message: &str) -> TurnOutcome {
    TurnOutcome::Failed { code: code.to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::added;

    #[test]
    fn drafts_of_a_text_are_together_as_long_as_the_text() {
        let whole = "ä long answer, ".repeat(1000);
        let (mut kept, mut bytes) = (String::new(), 0);
        for upto in [0, 2, 2, 700, whole.len()] {
            let (from, more) = added(&whole[..upto], kept.len());
            assert_eq!(from, kept.len() as u64);
            kept.push_str(&more);
            bytes += more.len();
        }
        assert_eq!((kept.as_str(), bytes), (whole.as_str(), whole.len()));
        assert_eq!(added("anew", kept.len()), (0, "anew".to_owned()));
        assert_eq!(added("ä", 1), (0, "ä".to_owned()), "never within a character");
    }
}
