//! The queue of a session: what waits in it, and in which order.
//!
//! Invariant: only what nobody has begun changes its place. Two who move tasks at once are one after the other, and the second moves what
//! the first has left.

use crate::message::check_priority;
use crate::order::{self, Goal, Place};
use crate::session::visible;
use crate::task::task_view;
use crate::{Call, Engine, TaskView};
use model::{Event, QueueOrder, QueuePlace, Refusal, SessionId, TaskId, TaskState};
use store::{TaskRow, View};

/// Greatest and least priority a task can be given.
pub const PRIORITY_MAX: i32 = 1_000_000;

/// Where a task is to go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TaskMove {
    /// Higher goes first; among equals its place stays.
    pub priority: Option<i32>,
    /// Just before this one, whose priority it takes.
    pub before: Option<TaskId>,
    /// Behind all others, with the priority of the last.
    pub last: bool,
}

impl Engine {
    /// Tasks of the session nobody has begun, in the order in which they will be.
    pub fn queue(&self, session: SessionId) -> Result<Vec<TaskView>, Refusal> {
        self.shared.store.read_or_refuse(|view| {
            visible(view, session)?;
            view.waiting_tasks(session)?.into_iter().map(|row| task_view(view, row)).collect()
        })
    }

    /// Gives a waiting task another place in its session's queue; returns the queue as it is then.
    pub async fn move_task(&self, call: &Call, task: TaskId, to: TaskMove) -> Result<Vec<TaskView>, Refusal> {
        call.only_user()?;
        check(task, &to)?;
        let session = self.task(task)?.task.session;
        let may_type = self.input_check(call, session);
        let command = move |view: &View<'_>| {
            may_type()?;
            let row = view.task(task)?.ok_or_else(|| Refusal::not_found("task", task))?;
            if row.state != TaskState::Submitted {
                let message = format!("the task is {}; only one that waits is moved", row.state.as_str());
                return Err(Refusal::conflict("task_begun", message)
                    .hint("`coditect session queue ID` shows what waits"));
            }
            let places = moved(&view.waiting_tasks(session)?, task, &to)?;
            let order = QueueOrder { session, places };
            Ok((!order.places.is_empty()).then_some(Event::QueueReordered(order)).into_iter().collect())
        };
        self.shared.commit(call.actor(), call.key.clone(), command).await?;
        self.wake(session).await;
        self.queue(session)
    }
}

fn check(task: TaskId, to: &TaskMove) -> Result<(), Refusal> {
    let wishes =
        [to.priority.is_some(), to.before.is_some(), to.last].into_iter().filter(|wish| *wish).count();
    if wishes != 1 {
        return Err(Refusal::invalid("move_unclear", "a task is moved in one way at a time")
            .hint("give one of `priority`, `before` and `last`"));
    }
    check_priority(to.priority.unwrap_or(0))?;
    if to.before == Some(task) {
        return Err(Refusal::invalid("move_unclear", "a task is not moved before itself"));
    }
    Ok(())
}

/// The places that change when the task goes where it is to go.
fn moved(waiting: &[TaskRow], task: TaskId, to: &TaskMove) -> Result<Vec<QueuePlace>, Refusal> {
    let place = |row: &TaskRow| Place { one: row.task.id, priority: row.task.priority, rank: row.rank };
    let before: Vec<Place<TaskId>> = waiting.iter().map(place).collect();
    let absent = |other: TaskId| {
        let message = format!("task {} does not wait in this session", other.short());
        Refusal::conflict("task_not_waiting", message).hint("`coditect session queue ID` shows what waits")
    };
    let changed = order::moved(&before, task, Goal::of(to.priority, to.before), absent)?;
    Ok(changed
        .into_iter()
        .map(|Place { one, priority, rank }| QueuePlace { task: one, priority, rank })
        .collect())
}
