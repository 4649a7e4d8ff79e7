//! Tasks: look up, cancel, answer.

use crate::actor::Mail;
use crate::message::clean_text;
use crate::session::visible;
use crate::{Call, Engine, TargetView, TaskView, TurnView};
use model::{
    Answer, Event, OnFailed, ParticipantStatus, Refusal, SessionId, StatusChange, TaskEnd, TaskId, TaskState,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use store::{TaskRow, TurnRow, View};

/// Why a task or a plan ended that the user did not want any more.
pub(crate) const CANCELED: &str = "canceled by the user";
/// Longest answer to a question, in bytes.
pub(crate) const ANSWER_MAX: usize = 64 * 1024;

/// Most tasks in one page.
const PAGE_MAX: usize = 200;

#[derive(Debug, Clone)]
pub struct TaskPage {
    /// Oldest first.
    pub tasks: Vec<TaskView>,
    /// Older ones exist before this one.
    pub earlier: Option<TaskId>,
}

impl Engine {
    /// A page of the tasks of a session: the newest ones before `before`, oldest of them first.
    pub fn tasks(
        &self,
        session: SessionId,
        before: Option<TaskId>,
        limit: usize,
    ) -> Result<TaskPage, Refusal> {
        let limit = if limit == 0 { PAGE_MAX } else { limit.min(PAGE_MAX) };
        self.shared.store.read_or_refuse(|view| {
            visible(view, session)?;
            page(view, view.tasks_page(session, before, limit + 1)?, limit)
        })
    }

    /// A page of the tasks of all sessions in one of these states: the newest ones before `before`, oldest of them first.
    pub fn tasks_by_state(
        &self,
        states: &[TaskState],
        before: Option<TaskId>,
        limit: usize,
    ) -> Result<TaskPage, Refusal> {
        let limit = if limit == 0 { PAGE_MAX } else { limit.min(PAGE_MAX) };
        self.shared
            .store
            .read_or_refuse(|view| page(view, view.tasks_by_state(states, before, limit + 1)?, limit))
    }

    pub fn task(&self, task: TaskId) -> Result<TaskView, Refusal> {
        self.shared.store.read_or_refuse(|view| {
            let row = view.task(task)?.ok_or_else(|| Refusal::not_found("task", task))?;
            if view.session(row.task.session)?.is_none() {
                return Err(Refusal::not_found("task", task));
            }
            task_view(view, row)
        })
    }

    /// Ends a task: at once when it waits, through its turns when it runs. It is the emergency brake: everybody may pull it, whoever has
    /// the session's input.
    pub async fn cancel_task(&self, call: &Call, task: TaskId) -> Result<TaskView, Refusal> {
        call.only_user()?;
        let session = self.task(task)?.task.session;
        let command = move |view: &View<'_>| {
            let row = view.task(task)?.ok_or_else(|| Refusal::not_found("task", task))?;
            match row.state {
                TaskState::Canceled => Ok(Vec::new()),
                state if state.is_terminal() => {
                    Err(Refusal::conflict("task_ended", format!("the task is {} already", state.as_str())))
                }
                _ => canceled(view, &[row], CANCELED),
            }
        };
        let (shared, actor, key) = (Arc::clone(&self.shared), call.actor(), call.key.clone());
        let canceling = async move {
            shared.commit(actor, key, command).await?;
            shared.tell(session, Mail::Cancel(task)).await;
            Ok(())
        };
        self.shared.to_its_end(canceling).await?;
        self.task(task)
    }

    /// Answers the question a task waits on; its turn goes on.
    pub async fn answer_task(&self, call: &Call, task: TaskId, answer: String) -> Result<TaskView, Refusal> {
        call.only_user()?;
        let answer = clean_text(&answer);
        if answer.trim().is_empty() || answer.len() > ANSWER_MAX {
            return Err(Refusal::invalid("answer_length", format!("an answer has 1 to {ANSWER_MAX} bytes")));
        }
        let session = self.task(task)?.task.session;
        let text = answer.clone();
        let may_type = self.input_check(call, session);
        let command = move |view: &View<'_>| {
            may_type()?;
            let row = view.task(task)?.ok_or_else(|| Refusal::not_found("task", task))?;
            let question = row.question.ok_or_else(|| {
                Refusal::conflict(
                    "no_question",
                    format!("the task is {} and asks nothing", row.state.as_str()),
                )
            })?;
            Ok(vec![Event::TaskInputAnswered(Answer { session, task, turn: question.turn, answer: text })])
        };
        let (shared, actor, key) = (Arc::clone(&self.shared), call.actor(), call.key.clone());
        let answering = async move {
            let receipt = shared.commit(actor, key, command).await?;
            let turn = receipt.records.iter().find_map(|record| match &record.event {
                Event::TaskInputAnswered(answer) => Some(answer.turn),
                _ => None,
            });
            if let Some(turn) = turn.filter(|_| !receipt.replayed) {
                shared.tell(session, Mail::Answer { task, turn, answer }).await;
            }
            Ok(())
        };
        self.shared.to_its_end(answering).await?;
        self.task(task)
    }
}

/// A page of these, of which one more was asked for than fits.
fn page(view: &View<'_>, mut rows: Vec<TaskRow>, limit: usize) -> Result<TaskPage, Refusal> {
    let more = rows.len() > limit;
    if more {
        rows.remove(0);
    }
    let earlier = rows.first().filter(|_| more).map(|row| row.task.id);
    let tasks = rows.into_iter().map(|row| task_view(view, row)).collect::<Result<_, _>>()?;
    Ok(TaskPage { tasks, earlier })
}

/// What waits for a task that will not be completed, directly or through others, ends with it.
pub(crate) fn canceled_dependents(view: &View<'_>, task: TaskId) -> Result<Vec<Event>, Refusal> {
    let (mut events, mut seen, mut next) = (Vec::new(), BTreeSet::from([task]), vec![task]);
    while let Some(ended) = next.pop() {
        for row in view.dependents(ended)?.into_iter().filter(ends_with_it) {
            let (id, session) = (row.task.id, row.task.session);
            if seen.insert(id) {
                next.push(id);
                let text = "a task it depends on was not completed".to_owned();
                let code = Some("dependency_failed".to_owned());
                events.push(Event::TaskCanceled(TaskEnd { session, task: id, text, code }));
            }
        }
    }
    Ok(events)
}

/// Whether a task ends when one that it waits for is not completed.
fn ends_with_it(row: &TaskRow) -> bool {
    row.task.terms.on_failed == OnFailed::Cancel
}

/// Ends these tasks, and what waits for them.
pub(crate) fn canceled(view: &View<'_>, rows: &[TaskRow], text: &str) -> Result<Vec<Event>, Refusal> {
    let (mut events, mut seen) = (Vec::new(), BTreeSet::new());
    for row in rows.iter().filter(|row| !row.state.is_terminal()) {
        let (session, task) = (row.task.session, row.task.id);
        seen.insert(task);
        events.push(Event::TaskCanceled(TaskEnd { session, task, text: text.to_owned(), code: None }));
        events.extend(unpaused(view, row)?);
    }
    for row in rows {
        for event in canceled_dependents(view, row.task.id)? {
            if matches!(&event, Event::TaskCanceled(end) if seen.insert(end.task)) {
                events.push(event);
            }
        }
    }
    Ok(events)
}

/// Who waited to begin with the task waits no more; with other tasks it is said again.
fn unpaused(view: &View<'_>, row: &TaskRow) -> Result<Vec<Event>, Refusal> {
    let mut events = Vec::new();
    for participant in row.task.targets.iter().copied() {
        let status = view.participant_status(participant)?;
        if status.is_some_and(|known| known.status == ParticipantStatus::Paused) {
            let (session, status) = (row.task.session, ParticipantStatus::Idle);
            events.push(Event::ParticipantStatusChanged(StatusChange {
                session,
                participant,
                status,
                detail: None,
            }));
        }
    }
    Ok(events)
}

pub(crate) fn task_view(view: &View<'_>, row: TaskRow) -> Result<TaskView, Refusal> {
    let id = row.task.id;
    let mut targets = Vec::new();
    for target in view.task_targets(id)? {
        let participant = view
            .participant(target.participant)?
            .ok_or_else(|| Refusal::not_found("participant", target.participant))?;
        targets.push(TargetView {
            participant: target.participant,
            agent: participant.participant.agent,
            state: target.state,
            attempt: target.attempt,
        });
    }
    let turns = view.turns(id)?.into_iter().map(|row| turn_view(view, row)).collect::<Result<Vec<_>, _>>()?;
    let git_start = turns.iter().find_map(|turn| turn.turn.git.clone());
    let git_end = turns.iter().rev().find_map(|turn| turn.git_end.clone());
    Ok(TaskView {
        messages: view.message_range(id)?,
        git_start,
        git_end,
        code: row.code,
        not_before: row.not_before.filter(|_| row.state == TaskState::Submitted),
        claim: row.claim,
        short_id: id.short(),
        state: row.state,
        attempt: row.attempt,
        text: row.text,
        question: row.question,
        targets,
        files: view.file_changes(id)?.into_iter().map(|row| row.change).collect(),
        rank: row.rank,
        usage: turns.iter().map(|turn| turn.usage).sum(),
        turns,
        updated_at: row.updated_at,
        task: row.task,
    })
}

fn turn_view(view: &View<'_>, row: TurnRow) -> Result<TurnView, Refusal> {
    let TurnRow { turn, outcome, ended_at, usage, iterations, git_end } = row;
    // The turn's own figure comes with its end.
    let usage = if ended_at.is_none() { view.turn_usage(turn.id)? } else { usage };
    Ok(TurnView { turn, outcome, ended_at, usage, iterations, git_end })
}
