//! One actor per session: the only one who starts its turns and moves its plans on.
//!
//! It reads what is to be done from the store and keeps in memory only what is alive: which
//! participant is in a turn, and how to reach that turn. So a restart is a start.

use crate::assign;
use crate::budget;
use crate::callback;
use crate::engine::Shared;
use crate::plan;
use crate::steer::Taken;
use crate::title;
use crate::turn::{self, Order, TurnMail, detail, start};
use model::{
    Actor, Event, Participant, ParticipantId, ParticipantStatus, PlanId, Refusal, SessionId, StatusChange,
    Task, TaskId, TaskState, Vendor,
};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::{ParticipantRow, TaskRow};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Mail that may wait for one session's actor.
const MAILBOX: usize = 256;
/// Mail that may wait for one turn: an answer, a cancel.
/// All answers that one turn can wait for fit at once.
const TURN_MAILBOX: usize = 2 * model::PERMISSIONS_OPEN_MAX;

/// Longest pause between two looks at the day, while somebody waits for the next one.
const LOOK_AT_THE_DAY: Duration = Duration::from_secs(15 * 60);

/// What is told to a session's actor.
#[derive(Debug)]
pub(crate) enum Mail {
    /// Something new may be ready.
    Look,
    Cancel(TaskId),
    /// Words for those who work on the task.
    Steer {
        task: TaskId,
        text: String,
        taken: Taken,
    },
    Answer {
        task: TaskId,
        turn: model::TurnId,
        answer: String,
    },
    /// What a turn asked for was decided.
    Permitted {
        task: TaskId,
        turn: model::TurnId,
        permission: model::PermissionId,
        allowed: bool,
        reason: String,
    },
    TurnOver(ParticipantId),
    /// The plan has ended by order: what it still does is to end, too.
    CancelPlan(PlanId),
    PlanMoved {
        plan: PlanId,
        failed: bool,
    },
}

/// The mailboxes of the sessions that have been active since the start.
#[derive(Default)]
pub(crate) struct Actors {
    mailboxes: Mutex<HashMap<SessionId, mpsc::Sender<Mail>>>,
}

impl Shared {
    /// Tells a session's actor, and wakes it up if it was not there.
    pub(crate) async fn tell(self: &Arc<Self>, session: SessionId, mail: Mail) {
        let mailbox = self.mailbox(session);
        if mailbox.send(mail).await.is_err() && !self.stopping.is_cancelled() {
            tracing::error!(%session, "the session's actor is gone");
        }
    }

    fn mailbox(self: &Arc<Self>, session: SessionId) -> mpsc::Sender<Mail> {
        let mut mailboxes = self.actors.mailboxes.lock().unwrap_or_else(PoisonError::into_inner);
        mailboxes
            .entry(session)
            .or_insert_with(|| {
                let (sender, mail) = mpsc::channel(MAILBOX);
                let actor = SessionActor {
                    shared: Arc::clone(self),
                    session,
                    mail,
                    me: sender.clone(),
                    turns: HashMap::new(),
                    moving: HashMap::new(),
                    failures: HashMap::new(),
                    waits_for_day: false,
                    titled: false,
                };
                self.tasks.spawn(actor.run());
                sender
            })
            .clone()
    }
}

/// Why work that is ready does not begin, by session: for those who ask what is wrong.
#[derive(Default)]
pub(crate) struct Held {
    reasons: Mutex<BTreeMap<SessionId, Vec<Refusal>>>,
}

impl Held {
    fn set(&self, session: SessionId, reasons: Vec<Refusal>) {
        let mut held = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        if reasons.is_empty() {
            held.remove(&session);
        } else {
            held.insert(session, reasons);
        }
    }

    /// One for each participant that is held up.
    pub(crate) fn reasons(&self) -> Vec<Refusal> {
        let held = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        held.values().flatten().cloned().collect()
    }
}

struct SessionActor {
    shared: Arc<Shared>,
    session: SessionId,
    mail: mpsc::Receiver<Mail>,
    me: mpsc::Sender<Mail>,
    /// Participants in a turn. One participant works on one task at a time.
    turns: HashMap<ParticipantId, (TaskId, mpsc::Sender<TurnMail>)>,
    moving: HashMap<PlanId, Moving>,
    /// How often in a row a plan's step has failed.
    failures: HashMap<PlanId, u32>,
    /// Somebody waits for the next day's budget.
    waits_for_day: bool,
    /// A title was thought of, or is being.
    titled: bool,
}

/// A plan with a step under way.
struct Moving {
    /// Something happened meanwhile that the plan must look at.
    missed: bool,
    cancel: CancellationToken,
}

impl SessionActor {
    async fn run(mut self) {
        let mut news = true;
        // A daemon that stops begins nothing more.
        while !self.shared.stopping.is_cancelled() {
            if let Err(error) = self.look(news).await {
                tracing::error!(session = %self.session, %error, "cannot see what is to be done");
            }
            let next_day = self.until_next_day();
            let mail = tokio::select! {
                () = self.shared.stopping.cancelled() => return,
                mail = self.mail.recv() => mail,
                () = tokio::time::sleep(next_day), if self.waits_for_day => Some(Mail::Look),
            };
            news = true;
            match mail {
                None => return,
                Some(Mail::Look) => {}
                Some(Mail::TurnOver(participant)) => {
                    self.turns.remove(&participant);
                    if let Err(refusal) = self.think_of_a_title() {
                        tracing::warn!(session = %self.session, %refusal, "nobody knows whether it wants a title");
                    }
                }
                Some(Mail::PlanMoved { plan, failed }) => news = self.plan_moved(plan, failed),
                Some(Mail::CancelPlan(plan)) => {
                    if let Some(moving) = self.moving.get(&plan) {
                        moving.cancel.cancel();
                    }
                }
                Some(Mail::Steer { task, text, taken }) => {
                    self.tell_turns(task, |_| TurnMail::Steer { text: text.clone(), taken: taken.clone() });
                }
                Some(Mail::Cancel(task)) => self.tell_turns(task, |_| TurnMail::Cancel),
                Some(Mail::Answer { task, turn, answer }) => {
                    self.tell_turns(task, |_| TurnMail::Answer { turn, answer: answer.clone() });
                }
                Some(Mail::Permitted { task, turn, permission, allowed, reason }) => {
                    let reason = || reason.clone();
                    self.tell_turns(task, |_| TurnMail::Permitted {
                        turn,
                        permission,
                        allowed,
                        reason: reason(),
                    });
                }
            }
        }
    }

    fn tell_turns(&self, task: TaskId, mail: impl Fn(ParticipantId) -> TurnMail) {
        for (participant, (_, turn)) in self.turns.iter().filter(|(_, (working_on, _))| *working_on == task) {
            if turn.try_send(mail(*participant)).is_err() {
                tracing::warn!(%task, %participant, "the turn takes no more mail");
            }
        }
    }

    async fn look(&mut self, news: bool) -> Result<(), Refusal> {
        if news {
            self.look_at_plans()?;
        }
        callback::announce(&self.shared, self.session)?;
        callback::deliver(&self.shared, self.session).await?;
        self.look_at_tasks().await
    }

    /// Once in the actor's life, when a turn is over that says what the session is about, and in nobody's way.
    fn think_of_a_title(&mut self) -> Result<(), Refusal> {
        if self.titled {
            return Ok(());
        }
        let time = title::time(&self.shared, self.session)?;
        self.titled = !matches!(time, title::Time::Later);
        if let title::Time::Now(first) = time {
            let (shared, session) = (Arc::clone(&self.shared), self.session);
            self.shared.tasks.spawn(async move { title::by_model(&shared, session, &first).await });
        }
        Ok(())
    }

    fn look_at_plans(&mut self) -> Result<(), Refusal> {
        let session = self.session;
        let plans = self.shared.store.read(|view| view.open_plans())?;
        for row in plans.into_iter().filter(|row| row.plan.session == session) {
            self.move_plan(row.plan.id);
        }
        Ok(())
    }

    /// Starts what can start. What was acknowledged and lacks only its agent's key or configuration waits.
    async fn look_at_tasks(&mut self) -> Result<(), Refusal> {
        let session = self.session;
        let now = self.shared.now();
        let paused = start::paused(&self.shared)?;
        let nobody = self.assign(&paused).await?;
        let (ready, seats) = self.shared.store.read(|view| {
            let mut ready = Vec::new();
            let again = |row: &TaskRow| row.not_before.is_none_or(|at| at <= now);
            for task in view.ready_tasks(session)?.into_iter().filter(again) {
                let targets = view.task_targets(task.task.id)?;
                ready.push((task, targets));
            }
            Ok((ready, view.participants(session)?))
        })?;
        let mut held = BTreeMap::new();
        for (row, targets) in ready {
            for target in targets.into_iter().filter(|target| target.state == TaskState::Submitted) {
                let participant = target.participant;
                let Some(seat) = seats.iter().find(|seat| seat.participant.id == participant) else {
                    continue;
                };
                if self.turns.contains_key(&participant) {
                    continue;
                }
                if let Err(refusal) = self.may_begin(&row.task, &seat.participant, &paused) {
                    held.entry(participant).or_insert(refusal);
                    continue;
                }
                let (task, attempt, vendor) = (row.task.clone(), target.attempt, seat.participant.vendor);
                self.start_turn(Order { task, participant, attempt, vendor });
            }
        }
        self.waits_for_day = held.values().any(|refusal| refusal.code == budget::EXCEEDED);
        let changes = self.holding(&seats, &held);
        self.shared.held.set(session, held.into_values().chain(nobody).collect());
        if !changes.is_empty() {
            self.shared.record(Actor::System, changes).await?;
        }
        Ok(())
    }

    fn may_begin(
        &self,
        task: &Task,
        seat: &Participant,
        paused: &BTreeMap<Vendor, Refusal>,
    ) -> Result<(), Refusal> {
        start::endpoint(&self.shared, seat)?;
        start::budget(&self.shared, task, seat)?;
        paused.get(&seat.vendor).map_or(Ok(()), |refusal| Err(refusal.clone()))
    }

    /// Finds somebody for the tasks that name nobody; why there is none for the others.
    async fn assign(&self, paused: &BTreeMap<Vendor, Refusal>) -> Result<Vec<Refusal>, Refusal> {
        let session = self.session;
        let (events, nobody) = self.shared.store.read_or_refuse(|view| {
            let seats = view.participants(session)?;
            assign::assignments(&self.shared, view, session, &seats, paused)
        })?;
        if !events.is_empty() {
            self.shared.record(Actor::System, events).await?;
        }
        Ok(nobody)
    }

    /// What is to be said of those who wait for their key, and of those who do not wait any more.
    fn holding(&self, seats: &[ParticipantRow], held: &BTreeMap<ParticipantId, Refusal>) -> Vec<Event> {
        let idle = seats.iter().filter(|seat| !self.turns.contains_key(&seat.participant.id));
        let change = |seat: &ParticipantRow| {
            let said = (seat.status, seat.detail.clone());
            let due = match held.get(&seat.participant.id) {
                Some(refusal) => (ParticipantStatus::Paused, Some(detail::short(&refusal.message))),
                None if seat.status == ParticipantStatus::Paused => (ParticipantStatus::Idle, None),
                None => return None,
            };
            let (session, participant) = (self.session, seat.participant.id);
            let (status, detail) = due.clone();
            let change = StatusChange { session, participant, status, detail };
            (due != said).then_some(Event::ParticipantStatusChanged(change))
        };
        idle.filter_map(change).collect()
    }

    /// How long a budget of the day may still stand in the way. The clock may be set meanwhile, so it is looked at now and then.
    fn until_next_day(&self) -> Duration {
        let now = self.shared.now();
        let millis = now.next_day().as_millis().saturating_sub(now.as_millis());
        Duration::from_millis(u64::try_from(millis).unwrap_or(0)).min(LOOK_AT_THE_DAY)
    }

    fn start_turn(&mut self, order: Order) {
        let (mail, inbox) = mpsc::channel(TURN_MAILBOX);
        let participant = order.participant;
        self.turns.insert(participant, (order.task.id, mail));
        let (shared, me) = (Arc::clone(&self.shared), self.me.clone());
        self.shared.tasks.spawn(async move {
            turn::take(&shared, order, inbox).await;
            // The actor is gone only when the engine stops.
            let _ = me.send(Mail::TurnOver(participant)).await;
        });
    }

    fn move_plan(&mut self, plan: PlanId) {
        if let Some(moving) = self.moving.get_mut(&plan) {
            moving.missed = true;
            return;
        }
        let cancel = self.shared.stopping.child_token();
        self.moving.insert(plan, Moving { missed: false, cancel: cancel.clone() });
        let failed_before = self.failures.get(&plan).copied().unwrap_or(0);
        let (shared, me) = (Arc::clone(&self.shared), self.me.clone());
        self.shared.tasks.spawn(async move {
            let failed = plan::step::go(&shared, plan, failed_before, &cancel).await;
            let _ = me.send(Mail::PlanMoved { plan, failed }).await;
        });
    }

    /// Whether the plan is to be looked at again.
    fn plan_moved(&mut self, plan: PlanId, failed: bool) -> bool {
        if failed {
            *self.failures.entry(plan).or_insert(0) += 1;
        } else {
            self.failures.remove(&plan);
        }
        self.moving.remove(&plan).is_some_and(|moving| moving.missed) || failed
    }
}
