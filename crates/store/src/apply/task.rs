//! Tasks and their targets: the fold of the task state machine.
//!
//! The task's own state follows [`TaskState::after`]; a step it does not allow changes nothing, neither on the task nor on
//! its targets, and of a task that has ended nothing changes any more, whatever is still said of it. A target follows its turn, and only the turn of its present attempt. A question belongs to the
//! target that asked, so two agents can wait for answers on one task.

use super::session::derive_status;
use super::{at, callback, optional, seq};
use crate::sql::{Connection, params};
use crate::statement::{row, run, statements, touched};
use crate::{StoreError, column};
use journal::Record;
use model::{
    Answer, ParticipantId, Question, QueueOrder, Resubmission, Task, TaskAssignment, TaskChange, TaskClaim,
    TaskEnd, TaskId, TaskRef, TaskState, TaskStep, Timestamp, Turn, TurnEnd, TurnOutcome,
};

statements! { STATEMENTS in Sessions {
    INSERT_TASK = "INSERT INTO tasks (task_id, short_id, session_id, plan_id, kind, title, state, open, attempt,
            priority, seq, queue_rank, created_at, updated_at, data, deadline, pool, listed)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, 1, ?8, ?9, ?9, ?10, ?11, ?12, ?13, ?14,
            (SELECT CASE WHEN s.removed_at IS NOT NULL THEN NULL WHEN s.kind = 'aside' THEN 0 ELSE 1 END
             FROM sessions s WHERE s.session_id = ?3)) ON CONFLICT (task_id) DO NOTHING";
    INSERT_TARGET = "INSERT INTO task_targets (task_id, position, participant_id, state, attempt)
        VALUES (?1, ?2, ?3, 'submitted', 1) ON CONFLICT (task_id, participant_id) DO NOTHING";
    INSERT_DEPENDENCY = "INSERT INTO task_dependencies (task_id, depends_on) VALUES (?1, ?2)
        ON CONFLICT (task_id, depends_on) DO NOTHING";
    PLACE_TASK = "UPDATE tasks SET priority = ?2, queue_rank = ?3, updated_at = ?4
        WHERE task_id = ?1 AND session_id = ?5 AND open = 1";
    TASK_STATE = "SELECT state FROM tasks WHERE task_id = ?1";
    OPEN_TASK = "SELECT data FROM tasks WHERE task_id = ?1 AND open = 1";
    CHANGE_TASK = "UPDATE tasks SET data = ?2, deadline = ?3, pool = ?4, updated_at = ?5 WHERE task_id = ?1";
    DROP_DEPENDENCIES = "DELETE FROM task_dependencies WHERE task_id = ?1";
    CLAIM_TASK = "UPDATE tasks SET claims = ?2, claim_holder = ?3, claim_expires_at = ?4, updated_at = ?5
        WHERE task_id = ?1 AND open = 1 AND claims < ?2";
    RENEW_CLAIM = "UPDATE tasks SET claim_expires_at = ?3, updated_at = ?4
        WHERE task_id = ?1 AND open = 1 AND claims = ?2 AND claim_holder IS NOT NULL";
    END_CLAIM = "UPDATE tasks SET claim_holder = NULL, claim_expires_at = NULL WHERE task_id = ?1";
    SET_STATE = "UPDATE tasks SET state = ?2, open = ?3, updated_at = ?4 WHERE task_id = ?1";
    SET_END = "UPDATE tasks SET text = ?2, end_code = ?3 WHERE task_id = ?1";
    SET_ANSWER = "UPDATE tasks SET answer = ?2, updated_at = ?3 WHERE task_id = ?1 AND open = 1";
    SET_ATTEMPT = "UPDATE tasks SET attempt = ?2, text = ?3, not_before = ?4 WHERE task_id = ?1";
    END_WAITING_TARGETS = "UPDATE task_targets SET state = ?2 WHERE task_id = ?1 AND state = 'submitted'";
    CLOSE_QUESTIONS = "UPDATE task_targets SET question = NULL, asked_seq = NULL WHERE task_id = ?1";
    OPEN_QUESTION = "SELECT 1 FROM task_targets WHERE task_id = ?1 AND question IS NOT NULL LIMIT 1";
    RESUBMIT_TARGETS = "UPDATE task_targets
        SET state = 'submitted', attempt = ?2, turn_id = NULL, question = NULL, asked_seq = NULL
        WHERE task_id = ?1 AND state <> 'completed'";
    TARGET_ASKS = "UPDATE task_targets SET state = 'input_required', question = ?3, asked_seq = ?4
        WHERE task_id = ?1 AND participant_id = ?2 AND turn_id = ?5 AND state IN ('working', 'input_required')
          AND EXISTS (SELECT 1 FROM tasks t WHERE t.task_id = ?1 AND t.open = 1)";
    TARGET_ANSWERED = "UPDATE task_targets SET state = 'working', question = NULL, asked_seq = NULL
        WHERE task_id = ?1 AND turn_id = ?2 AND state = 'input_required'";
    TARGET_STARTS = "UPDATE task_targets
        SET state = 'working', attempt = ?3, turn_id = ?4, question = NULL, asked_seq = NULL
        WHERE task_id = ?1 AND participant_id = ?2
          AND EXISTS (SELECT 1 FROM tasks t WHERE t.task_id = ?1 AND t.open = 1)";
    TARGET_ENDS = "UPDATE task_targets SET state = ?3, question = NULL, asked_seq = NULL
        WHERE task_id = ?1 AND turn_id = ?2";
} }

pub(super) fn submitted(db: &Connection, record: &Record, task: &Task) -> Result<(), StoreError> {
    let id = task.id.to_string();
    let new = touched(
        db,
        &INSERT_TASK,
        params![
            id,
            task.id.short(),
            task.session.to_string(),
            optional(task.plan),
            task.kind.as_str(),
            task.title,
            TaskState::Submitted.as_str(),
            task.priority,
            seq(record),
            task.created_at.as_millis(),
            at(record),
            column::to_json(task)?,
            task.terms.deadline.map(Timestamp::as_millis),
            i64::from(task.terms.pool)
        ],
    )?;
    if new == 0 {
        return Ok(());
    }
    insert_targets(db, &id, &task.targets)?;
    insert_dependencies(db, &id, &task.depends_on)?;
    derive_status(db, task.session)
}

fn insert_targets(db: &Connection, task: &str, targets: &[ParticipantId]) -> Result<(), StoreError> {
    for (position, target) in (0i64..).zip(targets) {
        run(db, &INSERT_TARGET, params![task, position, target.to_string()])?;
    }
    Ok(())
}

fn insert_dependencies(db: &Connection, task: &str, depends_on: &[TaskId]) -> Result<(), StoreError> {
    for dependency in depends_on {
        run(db, &INSERT_DEPENDENCY, [task, &dependency.to_string()])?;
    }
    Ok(())
}

/// A task that has ended depends on nothing any more, and has no terms to change.
pub(super) fn changed(db: &Connection, record: &Record, change: &TaskChange) -> Result<(), StoreError> {
    let id = change.task.to_string();
    let Some(task) = open_task(db, &id)? else { return Ok(()) };
    let (depends_on, terms) = (change.depends_on.clone(), change.terms.clone());
    rewrite(db, record, &id, &Task { depends_on, terms, ..task })?;
    run(db, &DROP_DEPENDENCIES, [&id])?;
    insert_dependencies(db, &id, &change.depends_on)
}

pub(super) fn assigned(
    db: &Connection,
    record: &Record,
    assignment: &TaskAssignment,
) -> Result<(), StoreError> {
    let id = assignment.task.to_string();
    let Some(task) = open_task(db, &id)?.filter(|task| task.targets.is_empty()) else { return Ok(()) };
    rewrite(db, record, &id, &Task { targets: assignment.participants.clone(), ..task })?;
    insert_targets(db, &id, &assignment.participants)
}

/// A claim with a token that is not the highest yet changes nothing.
pub(super) fn claimed(db: &Connection, record: &Record, claim: &TaskClaim) -> Result<(), StoreError> {
    let (id, until) = (claim.task.to_string(), claim.expires_at.as_millis());
    let row = params![id, column::figure(claim.token), claim.holder, until, at(record)];
    if touched(db, &CLAIM_TASK, row)? > 0 {
        step(db, record, claim.task, TaskStep::Start)?;
        derive_status(db, claim.session)?;
    }
    Ok(())
}

pub(super) fn claim_renewed(db: &Connection, record: &Record, claim: &TaskClaim) -> Result<(), StoreError> {
    let (id, until) = (claim.task.to_string(), claim.expires_at.as_millis());
    run(db, &RENEW_CLAIM, params![id, column::figure(claim.token), until, at(record)]).map(drop)
}

fn open_task(db: &Connection, id: &str) -> Result<Option<Task>, StoreError> {
    row(db, &OPEN_TASK, [id], |row| column::json(row, "data"))
}

fn rewrite(db: &Connection, record: &Record, id: &str, task: &Task) -> Result<(), StoreError> {
    let (deadline, pool) = (task.terms.deadline.map(Timestamp::as_millis), i64::from(task.terms.pool));
    run(db, &CHANGE_TASK, params![id, column::to_json(task)?, deadline, pool, at(record)]).map(drop)
}

pub(super) fn reordered(db: &Connection, record: &Record, order: &QueueOrder) -> Result<(), StoreError> {
    let session = order.session.to_string();
    for place in &order.places {
        let rank = place.rank.cast_signed();
        run(db, &PLACE_TASK, params![place.task.to_string(), place.priority, rank, at(record), session])?;
    }
    Ok(())
}

pub(super) fn started(db: &Connection, record: &Record, started: &TaskRef) -> Result<(), StoreError> {
    if step(db, record, started.task, TaskStep::Start)?.is_some() {
        derive_status(db, started.session)?;
    }
    Ok(())
}

pub(super) fn input_requested(
    db: &Connection,
    record: &Record,
    question: &Question,
) -> Result<(), StoreError> {
    let asked = touched(
        db,
        &TARGET_ASKS,
        params![
            question.task.to_string(),
            question.participant.to_string(),
            column::to_json(question)?,
            seq(record),
            question.turn.to_string()
        ],
    )?;
    if asked > 0 {
        step(db, record, question.task, TaskStep::AskInput)?;
    }
    Ok(())
}

pub(super) fn input_answered(db: &Connection, record: &Record, answer: &Answer) -> Result<(), StoreError> {
    let task = answer.task.to_string();
    if touched(db, &TARGET_ANSWERED, [&task, &answer.turn.to_string()])? > 0 {
        run(db, &SET_ANSWER, params![task, answer.answer, at(record)])?;
        leave_input_required(db, record, answer.task)?;
    }
    Ok(())
}

pub(super) fn completed(db: &Connection, record: &Record, end: &TaskEnd) -> Result<(), StoreError> {
    ended(db, record, end, TaskStep::Complete)
}

pub(super) fn failed(db: &Connection, record: &Record, end: &TaskEnd) -> Result<(), StoreError> {
    ended(db, record, end, TaskStep::Fail)
}

pub(super) fn canceled(db: &Connection, record: &Record, end: &TaskEnd) -> Result<(), StoreError> {
    ended(db, record, end, TaskStep::Cancel)
}

pub(super) fn rejected(db: &Connection, record: &Record, end: &TaskEnd) -> Result<(), StoreError> {
    ended(db, record, end, TaskStep::Reject)
}

pub(super) fn resubmitted(
    db: &Connection,
    record: &Record,
    resubmission: &Resubmission,
) -> Result<(), StoreError> {
    if step(db, record, resubmission.task, TaskStep::Resubmit)?.is_none() {
        return Ok(());
    }
    let task = resubmission.task.to_string();
    let not_before = resubmission.not_before.map(Timestamp::as_millis);
    run(db, &SET_ATTEMPT, params![task, resubmission.attempt, resubmission.reason, not_before])?;
    run(db, &END_CLAIM, [&task])?;
    run(db, &RESUBMIT_TARGETS, params![task, resubmission.attempt])?;
    derive_status(db, resubmission.session)
}

/// The target's side of a turn that starts.
pub(super) fn turn_started(db: &Connection, turn: &Turn) -> Result<(), StoreError> {
    run(
        db,
        &TARGET_STARTS,
        params![turn.task.to_string(), turn.participant.to_string(), turn.attempt, turn.id.to_string()],
    )?;
    Ok(())
}

/// The target's side of a turn that ends. A turn of an earlier attempt is no longer the target's.
pub(super) fn turn_ended(db: &Connection, record: &Record, end: &TurnEnd) -> Result<(), StoreError> {
    let state = match end.outcome {
        TurnOutcome::Completed { .. } => TaskState::Completed,
        TurnOutcome::Failed { .. } => TaskState::Failed,
        TurnOutcome::Canceled => TaskState::Canceled,
    };
    let row = params![end.task.to_string(), end.turn.to_string(), state.as_str()];
    if touched(db, &TARGET_ENDS, row)? > 0 {
        leave_input_required(db, record, end.task)?;
    }
    Ok(())
}

fn ended(db: &Connection, record: &Record, end: &TaskEnd, taken: TaskStep) -> Result<(), StoreError> {
    let Some(state) = step(db, record, end.task, taken)? else {
        return Ok(());
    };
    let task = end.task.to_string();
    run(db, &SET_END, params![task, end.text, end.code])?;
    run(db, &END_CLAIM, [&task])?;
    // Targets that work go on until their turns end; those that still wait will never start.
    run(db, &END_WAITING_TARGETS, [&task, state.as_str()])?;
    run(db, &CLOSE_QUESTIONS, [&task])?;
    derive_status(db, end.session)?;
    callback::ended(db, record, end.session, end.task)
}

/// A task waits for input as long as one of its questions is open.
fn leave_input_required(db: &Connection, record: &Record, task: TaskId) -> Result<(), StoreError> {
    if row(db, &OPEN_QUESTION, [task.to_string()], |_| Ok(()))?.is_none() {
        step(db, record, task, TaskStep::AnswerInput)?;
    }
    Ok(())
}

/// Takes the step and returns the new state, or none when the task is unknown or the step is not allowed.
fn step(
    db: &Connection,
    record: &Record,
    task: TaskId,
    taken: TaskStep,
) -> Result<Option<TaskState>, StoreError> {
    let id = task.to_string();
    let Some(state) = row(db, &TASK_STATE, [&id], |row| column::word::<TaskState>(row, "state"))? else {
        return Ok(None);
    };
    let Ok(next) = state.after(taken) else {
        return Ok(None);
    };
    run(db, &SET_STATE, params![id, next.as_str(), !next.is_terminal(), at(record)])?;
    Ok(Some(next))
}
