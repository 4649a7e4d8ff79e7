//! The end of a turn: what it changed is kept as a checkpoint, what it held is given back, and what
//! becomes of its task is decided.

use super::again::{Again, again};
use super::{Order, TurnDriver, detail, limited, standing, start};
use crate::checkpoint::{self, point, point::Look};
use crate::engine::Shared;
use crate::permission;
use crate::task::canceled_dependents;
use agent::{RunCommand, RunExitStatus};
use model::{
    Actor, Checkpoint, Event, ParticipantStatus, Refusal, Resubmission, RunExit, StatusChange, Task, TaskEnd,
    TaskRef, TaskState, Timestamp, Turn, TurnEnd, TurnOutcome, Usage, VendorPause,
};
use std::sync::Arc;
use std::time::Duration;
use store::View;

/// Code of a failure of the run itself: the task gets another attempt, up to the limit.
pub(crate) const CRASHED: &str = "crashed";
/// Codes of failures that are the daemon's: the task gets another attempt, however often.
pub(super) const INTERRUPTED: [&str; 2] = ["daemon_restarted", "daemon_stopped"];

/// How long a run that was let go may take to exit.
const LEAVE_GRACE: Duration = Duration::from_secs(2);

impl TurnDriver {
    /// Commits how the turn ended, then frees what it held. In this order, so that nobody edits a
    /// file before its checkpoint was taken. A run that has ended its turn (`exit` is none) lives until then
    /// and is let go; of a dead one others may take the locks at any moment.
    pub(super) async fn finish(mut self, exit: Option<RunExitStatus>) -> Result<(), Refusal> {
        self.lock_requests.end(&self.shared, self.registration).await;
        if self.calls.have_written()
            && let Err(error) = self.look_for_strays().await
        {
            tracing::warn!(%error, "what a shell changed at the end was not recorded");
        }
        if let Some(sight) = &self.sight {
            sight.left(self.registration);
        }
        self.thin_what_is_known().await;
        if let Err(error) = self.keep_records().await {
            tracing::warn!(%error, "what the vendor's program said last was not kept");
        }
        if let Err(error) = self.reckon().await {
            tracing::warn!(%error, "what the turn cost beyond the vendor's word was not recorded");
        }
        let (outcome, iterations, usage) = self.outcome(exit.unwrap_or_default());
        let (outcome, checkpoint) = match self.checkpoint(&outcome).await {
            Ok(checkpoint) => (outcome, checkpoint),
            Err(refusal) => (super::failed("checkpoint_failed", &refusal.message), None),
        };
        let after = self.kept_after().await;
        let kept_after = after.clone();
        self.shared.failures.note(self.agent(), &outcome);
        let git = standing::of(&self.shared, self.repo.as_ref(), after.standing).await;
        let now = self.shared.now();
        let pause = limited::pause(self.limited.take(), &outcome, self.participant.vendor, now);
        let ending = Ending {
            now,
            pause,
            task: self.order.task.clone(),
            end: TurnEnd {
                session: self.participant.session,
                task: self.order.task.id,
                turn: self.turn,
                participant: self.participant.id,
                outcome,
                usage,
                iterations,
                git: git.map(|standing| standing.state),
            },
            exit: exit.map(|exit| self.run_exit(exit)),
            checkpoint,
            after: after.kept,
            max_attempts: self.shared.config.snapshot().config.limits.max_attempts,
        };
        let committed = self.shared.conclude(self.actor(), move |view| ending.clone().events(view)).await;
        if let Some(repo) = &self.repo {
            if let Some(after) = kept_after {
                point::settle(&self.shared, &repo.path, &after, &committed).await;
            }
            // What it did is a commit now.
            self.shared.edited(repo.path.as_ref(), None, None);
        }
        self.give_back(exit.is_some()).await;
        let left = match exit {
            Some(_) => Ok(()),
            None => self.leave().await,
        };
        // An end that could not be written is found by the next start, and what it needs for that.
        if committed.is_ok() && left.is_ok() {
            self.bury().await;
        }
        committed.map(drop).and(left)
    }

    async fn checkpoint(&self, outcome: &TurnOutcome) -> Result<Option<Checkpoint>, Refusal> {
        match (outcome, &self.repo) {
            (TurnOutcome::Completed { .. }, Some(repo))
                if self.lent && start::writes(self.order.task.kind) =>
            {
                checkpoint::of_own_worktree(&self.shared, repo, &self.order.task, self.agent()).await
            }
            (TurnOutcome::Completed { .. }, Some(repo)) if start::writes(self.order.task.kind) => {
                checkpoint::of_task(&self.shared, repo, &self.order.task, self.agent()).await
            }
            _ => Ok(None),
        }
    }

    /// The files as they are after a turn that could edit, however it ended.
    async fn kept_after(&self) -> Look {
        match self.repo.as_ref().filter(|_| start::writes(self.order.task.kind)) {
            Some(repo) => {
                point::after_turn(&self.shared, repo, &self.order.task, self.turn, self.agent()).await
            }
            None => Look::default(),
        }
    }

    /// Lets the run go, and makes it go when it does not; records its exit.
    async fn leave(&self) -> Result<(), Refusal> {
        let asked = self.handle.send(RunCommand::Leave);
        let left = tokio::time::timeout(LEAVE_GRACE, self.handle.exited()).await;
        let exit = match (asked, left) {
            (Ok(()), Ok(exit)) => exit,
            _ => {
                self.handle.stop();
                self.handle.exited().await
            }
        };
        let exited = vec![Event::RunExited(self.run_exit(exit))];
        self.shared.conclude(self.actor(), move |_| Ok(exited.clone())).await.map(drop)
    }

    fn run_exit(&self, exit: RunExitStatus) -> RunExit {
        RunExit {
            run: self.run,
            session: self.participant.session,
            participant: self.participant.id,
            code: exit.code,
            signal: exit.signal,
            reason: self.exit_reason(),
        }
    }

    fn outcome(&mut self, exit: RunExitStatus) -> (TurnOutcome, u32, Usage) {
        let (said, iterations, usage) = match self.ended.take() {
            Some((outcome, iterations, usage)) => (Some(outcome), iterations, usage),
            None => (None, 0, self.used),
        };
        // The answers say where their figures are from; the run's own sum does not.
        let usage =
            if self.used.is_empty() { crate::cost::marked(&self.participant, usage) } else { self.used };
        let outcome = self.verdict.clone().or(said).unwrap_or_else(|| {
            let how = match (exit.signal, exit.code) {
                (Some(signal), _) => format!("the run was killed by signal {signal}"),
                (None, Some(code)) => format!("the run exited with {code} before its turn was over"),
                (None, None) => "the run was gone".to_owned(),
            };
            super::failed(CRASHED, &format!("{how}; submit the task again, and see the daemon's log"))
        });
        self.verdict = Some(outcome.clone());
        (outcome, iterations, usage)
    }

    /// Why the process ended, for the run's own record.
    fn exit_reason(&self) -> String {
        match &self.verdict {
            Some(TurnOutcome::Completed { .. }) | None => "finished".to_owned(),
            Some(TurnOutcome::Canceled) => "canceled".to_owned(),
            Some(TurnOutcome::Failed { code, .. }) => match code.as_str() {
                "deadline" | CRASHED | "daemon_stopped" => code.clone(),
                _ => "finished".to_owned(),
            },
        }
    }

    /// Ends the registration. Locks of a run that died are left for the bus to hand over, so that
    /// whoever waits is told from whom it took them.
    pub(super) async fn give_back(&self, dead: bool) {
        let registration = self.registration;
        let given = self.shared.blocking(move |shared| {
            if dead {
                shared.bus.reap().map_err(|error| error.refusal())?;
            }
            shared.bus.end(registration, "finished").map_err(|error| error.refusal())
        });
        if let Err(error) = given.await {
            tracing::debug!(%error, "the run's registration was gone already");
        }
    }

    /// Removes what only a living run has.
    pub(super) async fn bury(&self) {
        self.shared.credentials.revoke(self.run);
        self.shared.live.end(self.turn);
        let scratch = self.shared.workspace.runs().join(self.run.to_string());
        if let Err(error) = tokio::fs::remove_dir_all(&scratch).await {
            tracing::warn!(%error, "a run's own folder stays behind");
        }
    }
}

/// All that is known when a turn is over.
#[derive(Clone)]
pub(crate) struct Ending {
    pub(crate) task: Task,
    pub(crate) end: TurnEnd,
    /// None while the run has not exited yet.
    pub(crate) exit: Option<RunExit>,
    pub(crate) checkpoint: Option<Checkpoint>,
    /// All files as they are now.
    pub(crate) after: Option<Checkpoint>,
    pub(crate) max_attempts: u32,
    pub(crate) now: Timestamp,
    /// The vendor takes no more calls for a while, as it says.
    pub(crate) pause: Option<VendorPause>,
}

impl Ending {
    /// The events of a turn's end, by the state of the task at that moment.
    pub(crate) fn events(self, view: &View<'_>) -> Result<Vec<Event>, Refusal> {
        let (status, detail) = match &self.end.outcome {
            TurnOutcome::Failed { message, .. } => (ParticipantStatus::Failed, Some(detail::short(message))),
            TurnOutcome::Completed { .. } | TurnOutcome::Canceled => (ParticipantStatus::Idle, None),
        };
        let status =
            StatusChange { session: self.end.session, participant: self.end.participant, status, detail };
        let decided = self.task_event(view)?;
        let unanswered = view.open_permissions_of_turn(self.end.turn)?;
        let dependents = match &decided {
            Some(Event::TaskFailed(_) | Event::TaskCanceled(_)) => canceled_dependents(view, self.task.id)?,
            _ => Vec::new(),
        };
        let mut events: Vec<Event> = self.exit.map(Event::RunExited).into_iter().collect();
        events.extend(self.pause.map(Event::VendorPaused));
        events.extend(self.checkpoint.map(Event::CheckpointCreated));
        events.extend(self.after.map(Event::CheckpointCreated));
        // Nothing is open that nobody waits for.
        events.extend(permission::over(unanswered, "turn_ended", "the turn that asked is over"));
        events.push(Event::TurnEnded(self.end));
        events.extend(decided);
        events.extend(dependents);
        events.push(Event::ParticipantStatusChanged(status));
        Ok(events)
    }

    /// What becomes of the task. It is decided by the last of its targets.
    fn task_event(&self, view: &View<'_>) -> Result<Option<Event>, Refusal> {
        let (task, session) = (self.task.id, self.end.session);
        let Some(row) = view.task(task)?.filter(|row| !row.state.is_terminal()) else { return Ok(None) };
        let others =
            view.task_targets(task)?.into_iter().filter(|target| target.participant != self.end.participant);
        let mut failures = Vec::new();
        for other in others {
            if !other.state.is_terminal() {
                return Ok(None);
            }
            if other.state != TaskState::Completed {
                let ended = other.turn.map(|turn| view.turn(turn)).transpose()?.flatten();
                failures.extend(ended.and_then(|turn| turn.outcome));
            }
        }
        if !matches!(self.end.outcome, TurnOutcome::Completed { .. }) {
            failures.push(self.end.outcome.clone());
        }
        let attempt = row.attempt + 1;
        Ok(Some(match worst(&failures) {
            None => {
                let text = match &self.end.outcome {
                    TurnOutcome::Completed { summary } => summary.clone(),
                    _ => String::new(),
                };
                Event::TaskCompleted(TaskEnd { session, task, text, code: None })
            }
            Some(TurnOutcome::Failed { code, message }) => match again(view, self, &row, code)? {
                Again::At(not_before) => {
                    let reason = message.clone();
                    Event::TaskResubmitted(Resubmission { session, task, attempt, reason, not_before })
                }
                Again::No => {
                    let (text, code) = (message.clone(), Some(code.clone()));
                    Event::TaskFailed(TaskEnd { session, task, text, code })
                }
            },
            Some(_) => {
                Event::TaskCanceled(TaskEnd { session, task, text: "canceled".to_owned(), code: None })
            }
        }))
    }
}

/// A failure that was somebody's decision weighs more than a crash, which weighs more than a cancel.
fn worst(failures: &[TurnOutcome]) -> Option<&TurnOutcome> {
    failures.iter().max_by_key(|failure| match failure {
        TurnOutcome::Failed { code, .. } if INTERRUPTED.contains(&code.as_str()) => 1,
        TurnOutcome::Failed { code, .. } if code == CRASHED => 2,
        TurnOutcome::Failed { .. } => 3,
        _ => 0,
    })
}

/// The turn could not even begin: it is over at once, for the reason given, which says what to do.
/// What becomes of its task is decided as at the end of any other turn.
pub(super) async fn not_started(
    shared: &Arc<Shared>,
    order: &Order,
    refusal: &Refusal,
) -> Result<(), Refusal> {
    let (task, session, participant) = (order.task.id, order.task.session, order.participant);
    let message = match &refusal.hint {
        Some(hint) => format!("{}; {hint}", refusal.message),
        None => refusal.message.clone(),
    };
    let (id, run, started_at) = (shared.new_id(), shared.new_id(), shared.now());
    let turn = Turn { id, session, task, participant, run, attempt: order.attempt, started_at, git: None };
    let ending = Ending {
        task: order.task.clone(),
        end: TurnEnd {
            session,
            task,
            turn: id,
            participant,
            outcome: super::failed(refusal.code.as_ref(), &message),
            usage: Usage::default(),
            iterations: 0,
            git: None,
        },
        now: started_at,
        pause: None,
        exit: None,
        checkpoint: None,
        after: None,
        max_attempts: shared.config.snapshot().config.limits.max_attempts,
    };
    let failed = shared.conclude(Actor::System, move |view| {
        let Some(row) = view.task(task)?.filter(|row| !row.state.is_terminal()) else {
            return Ok(Vec::new());
        };
        let mut events = Vec::new();
        if row.state == TaskState::Submitted {
            events.push(Event::TaskStarted(TaskRef { session, task }));
        }
        events.push(Event::TurnStarted(turn.clone()));
        events.extend(ending.clone().events(view)?);
        Ok(events)
    });
    failed.await.map(drop)
}
