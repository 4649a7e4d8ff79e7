//! What becomes due without anybody asking: deadlines, further attempts, leases of claimed tasks, ends of vendors' pauses, and tasks
//! whose dependencies end in other sessions.
//!
//! One task of the engine sleeps until the next of these times, which it finds by an index; so a thousand tasks that wait cost
//! nothing. What it does follows from the store alone, and is done again by the next start if a daemon dies over it.

use crate::actor::Mail;
use crate::engine::Shared;
use crate::recovery;
use crate::task::canceled_dependents;
use journal::Record;
use model::{Actor, Event, Refusal, Resubmission, SessionId, TaskEnd, TaskId, TaskState, Timestamp};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::View;
use tokio::sync::Notify;

/// Code of a task that was not done in its time.
pub(crate) const DEADLINE: &str = "deadline";
/// Due things that are done in one look.
const AT_ONCE: usize = 256;
/// Longest sleep: the clock may be set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(15 * 60);
/// Before a look that failed, or that left something, is taken again.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// What happened since the last look.
#[derive(Default)]
pub(crate) struct Dues {
    rung: Notify,
    ended: Mutex<BTreeSet<TaskId>>,
}

impl Dues {
    /// Something was committed; when it concerns what is due, it is looked at.
    pub(crate) fn hear(&self, records: &[Record]) {
        let mut concerned = false;
        for record in records {
            match &record.event {
                Event::TaskCompleted(end)
                | Event::TaskFailed(end)
                | Event::TaskCanceled(end)
                | Event::TaskRejected(end) => {
                    self.ended.lock().unwrap_or_else(PoisonError::into_inner).insert(end.task);
                    concerned = true;
                }
                Event::TaskSubmitted(task) => concerned |= task.terms.deadline.is_some(),
                Event::TaskResubmitted(again) => concerned |= again.not_before.is_some(),
                Event::TaskChanged(_)
                | Event::TaskClaimed(_)
                | Event::TaskClaimRenewed(_)
                | Event::VendorPaused(_) => concerned = true,
                _ => {}
            }
        }
        if concerned {
            self.rung.notify_one();
        }
    }

    fn ended(&self) -> BTreeSet<TaskId> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Those who waited for these were told.
    fn done(&self, told: &BTreeSet<TaskId>) {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).retain(|task| !told.contains(task));
    }
}

/// Does what is due as long as the engine runs.
pub(crate) async fn keep(shared: Arc<Shared>) {
    let mut since = shared.now();
    loop {
        let now = shared.now();
        let pause = match look(&shared, since, now).await {
            Ok(next) => {
                since = now;
                next.map_or(LONGEST_SLEEP, |next| until(now, next).min(LONGEST_SLEEP))
            }
            Err(error) => {
                tracing::error!(%error, "what is due was not done");
                AFTER_FAILURE
            }
        };
        tokio::select! {
            () = shared.stopping.cancelled() => return,
            () = shared.dues.rung.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// A millisecond more, so that the time has come when the sleep is over. What is due still after it was done is looked at again, but
/// not at once.
fn until(now: Timestamp, next: Timestamp) -> Duration {
    if next <= now {
        return AFTER_FAILURE;
    }
    let millis = next.as_millis().saturating_sub(now.as_millis()).max(0).saturating_add(1);
    Duration::from_millis(millis.unsigned_abs())
}

/// Does what has become due since then; says when the next is.
async fn look(shared: &Arc<Shared>, since: Timestamp, now: Timestamp) -> Result<Option<Timestamp>, Refusal> {
    let ended = shared.dues.ended();
    for session in waiting_for(shared, &ended)? {
        shared.tell(session, Mail::Look).await;
    }
    shared.dues.done(&ended);
    let (late, lost, again, pauses) = shared.store.read(|view| {
        let again = view.tasks_again(since, now, usize::MAX)?;
        Ok((view.late_tasks(now, AT_ONCE)?, view.lost_claims(now, AT_ONCE)?, again, view.vendor_pauses()?))
    })?;
    for (task, session) in &late {
        shared.conclude(Actor::System, overdue(*task, now)).await?;
        shared.tell(*session, Mail::Cancel(*task)).await;
    }
    for (task, session) in &lost {
        shared.conclude(Actor::System, given_up(*task, now)).await?;
        shared.tell(*session, Mail::Look).await;
    }
    for session in again.into_iter().map(|(_, session)| session).collect::<BTreeSet<_>>() {
        shared.tell(session, Mail::Look).await;
    }
    if pauses.iter().any(|pause| pause.until > since && pause.until <= now) {
        recovery::resume(shared).await?;
    }
    let next = shared.store.read(|view| {
        let times = [view.next_deadline()?, view.next_lost_claim()?, view.next_again(now)?];
        let pauses = pauses.iter().map(|pause| pause.until).filter(|until| *until > now);
        Ok(times.into_iter().flatten().chain(pauses).min())
    })?;
    Ok(next)
}

/// Sessions in which something waited for tasks that have ended.
fn waiting_for(shared: &Shared, ended: &BTreeSet<TaskId>) -> Result<BTreeSet<SessionId>, Refusal> {
    shared.store.read_or_refuse(|view| {
        let mut sessions = BTreeSet::new();
        for task in ended {
            sessions.extend(view.dependents(*task)?.into_iter().map(|row| row.task.session));
        }
        Ok(sessions)
    })
}

fn overdue(
    task: TaskId,
    now: Timestamp,
) -> impl Fn(&View<'_>) -> Result<Vec<Event>, Refusal> + Clone + Send + 'static {
    move |view| {
        let Some(row) = view.task(task)?.filter(|row| !row.state.is_terminal()) else {
            return Ok(Vec::new());
        };
        let Some(deadline) = row.task.terms.deadline.filter(|deadline| *deadline <= now) else {
            return Ok(Vec::new());
        };
        let session = row.task.session;
        let stood = match row.state {
            TaskState::Submitted => "while it waited",
            TaskState::InputRequired => "while it asked something",
            _ => "while it was worked on",
        };
        let text = format!("its deadline, {deadline}, passed {stood}");
        let mut events =
            vec![Event::TaskFailed(TaskEnd { session, task, text, code: Some(DEADLINE.to_owned()) })];
        events.extend(canceled_dependents(view, task)?);
        Ok(events)
    }
}

fn given_up(
    task: TaskId,
    now: Timestamp,
) -> impl Fn(&View<'_>) -> Result<Vec<Event>, Refusal> + Clone + Send + 'static {
    move |view| {
        let Some(row) = view.task(task)? else { return Ok(Vec::new()) };
        let Some(claim) = row.claim.filter(|claim| claim.expires_at <= now) else { return Ok(Vec::new()) };
        let reason = format!("{} did not renew its claim", claim.holder);
        let (session, attempt) = (row.task.session, row.attempt + 1);
        Ok(vec![Event::TaskResubmitted(Resubmission { session, task, attempt, reason, not_before: None })])
    }
}
