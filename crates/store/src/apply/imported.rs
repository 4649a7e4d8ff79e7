//! What happened elsewhere before and was read in: history, and nothing that is still to be done.
//!
//! Invariant: **an imported record sets nothing going.** Its tasks are never open, its turns never run, its participants never
//! live; it gives no permission, holds no lock, calls nobody back, names no ref of a repository, and what it cost was paid for
//! elsewhere. What it says beyond that is in the journal, from where it is exported again.

use super::{at, model_call, seq, session};
use crate::sql::{Connection, params};
use crate::statement::{Database, run, statements};
use crate::{StoreError, column};
use journal::Record;
use model::{Event, ParticipantId, SessionId, SessionImport, TaskId, TurnId};

/// What is said of a task that was under way when its session was exported.
const UNFINISHED: &str = "it was under way when the session was exported";

statements! { STATEMENTS in Sessions {
    SETTLE_SESSION = "UPDATE sessions SET callback = NULL WHERE session_id = ?1";
    SETTLE_TASK = "UPDATE tasks SET open = 0 WHERE task_id = ?1";
    SETTLE_TURN = "UPDATE turns SET running = 0 WHERE turn_id = ?1";
    SETTLE_PARTICIPANT = "UPDATE participants SET live = 0 WHERE participant_id = ?1";
    UPSERT_IMPORT = "INSERT INTO session_imports (session_id, archive, lines, whole, seq, data)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (session_id) DO UPDATE SET archive = excluded.archive, lines = excluded.lines,
            whole = excluded.whole, seq = excluded.seq, data = excluded.data";
    MARK_SESSION = "UPDATE sessions SET imported = ?2 WHERE session_id = ?1";
    END_TARGETS = "UPDATE task_targets SET state = 'canceled', question = NULL, asked_seq = NULL
        WHERE state NOT IN ('completed', 'failed', 'canceled', 'rejected')
            AND task_id IN (SELECT task_id FROM tasks WHERE session_id = ?1)";
    END_TURNS = "UPDATE turns SET state = 'canceled', outcome = '{\"state\":\"canceled\"}', ended_at = ?2
        WHERE ended_at IS NULL AND task_id IN (SELECT task_id FROM tasks WHERE session_id = ?1)";
    END_TASKS = "UPDATE tasks SET state = 'canceled', text = ?2
        WHERE session_id = ?1 AND state NOT IN ('completed', 'failed', 'canceled', 'rejected')";
    END_PARTICIPANTS = "UPDATE participants SET status = 'done', detail = 'imported' WHERE session_id = ?1";
} }

pub(super) fn apply(database: Database, db: &Connection, record: &Record) -> Result<(), StoreError> {
    match database {
        Database::Sessions => {
            to_sessions(db, record)?;
            session::touched(db, record)
        }
        Database::Messages => match &record.event {
            Event::ParticipantJoined(_)
            | Event::MessageAppended(_)
            | Event::ModelCalled(_)
            | Event::ModelAnswered(_) => super::to_messages(db, record),
            _ => Ok(()),
        },
    }
}

fn to_sessions(db: &Connection, record: &Record) -> Result<(), StoreError> {
    match &record.event {
        Event::SessionCreated(session) => {
            super::to_sessions(db, record)?;
            settle_session(db, session.id)
        }
        Event::ParticipantJoined(one) => {
            super::to_sessions(db, record)?;
            settle_participant(db, one.id)
        }
        Event::ParticipantStatusChanged(change) => {
            super::to_sessions(db, record)?;
            settle_participant(db, change.participant)
        }
        Event::TaskSubmitted(task) => settled_task(db, record, task.session, task.id),
        Event::TaskStarted(started) => settled_task(db, record, started.session, started.task),
        Event::TaskInputRequested(asked) => settled_task(db, record, asked.session, asked.task),
        Event::TaskInputAnswered(answer) => settled_task(db, record, answer.session, answer.task),
        Event::TaskCompleted(end)
        | Event::TaskFailed(end)
        | Event::TaskCanceled(end)
        | Event::TaskRejected(end) => settled_task(db, record, end.session, end.task),
        Event::TaskResubmitted(again) => settled_task(db, record, again.session, again.task),
        Event::TurnStarted(turn) => {
            super::to_sessions(db, record)?;
            settle_turn(db, turn.id)
        }
        Event::TurnEnded(end) => {
            super::to_sessions(db, record)?;
            // A question of the turn is over with it, which takes its task a step on.
            settle_task(db, end.session, end.task)
        }
        Event::ModelAnswered(answer) => model_call::add_usage(db, answer.session, &answer.usage),
        Event::TranscriptImported(import) => model_call::add_usage(db, import.session, &import.usage),
        Event::SessionRenamed(_)
        | Event::SessionTagged(_)
        | Event::SessionArchived(_)
        | Event::SessionUnarchived(_)
        | Event::SessionRemoved(_)
        | Event::ParticipantReplayed(_)
        | Event::ArtifactCreated(_)
        | Event::ArtifactRemoved(_)
        | Event::FileModified(_)
        | Event::EditRefused(_) => super::to_sessions(db, record),
        _ => Ok(()),
    }
}

fn settle_session(db: &Connection, session: SessionId) -> Result<(), StoreError> {
    run(db, &SETTLE_SESSION, [session.to_string()])?;
    Ok(())
}

fn settle_participant(db: &Connection, participant: ParticipantId) -> Result<(), StoreError> {
    run(db, &SETTLE_PARTICIPANT, [participant.to_string()])?;
    Ok(())
}

fn settle_turn(db: &Connection, turn: TurnId) -> Result<(), StoreError> {
    run(db, &SETTLE_TURN, [turn.to_string()])?;
    Ok(())
}

fn settled_task(
    db: &Connection,
    record: &Record,
    session: SessionId,
    task: TaskId,
) -> Result<(), StoreError> {
    super::to_sessions(db, record)?;
    settle_task(db, session, task)
}

fn settle_task(db: &Connection, session: SessionId, task: TaskId) -> Result<(), StoreError> {
    run(db, &SETTLE_TASK, [task.to_string()])?;
    session::derive_status(db, session)
}

/// A piece of an archive was read in. With the last one, what had no end there has one here.
pub(super) fn read_in(db: &Connection, record: &Record, import: &SessionImport) -> Result<(), StoreError> {
    run(
        db,
        &UPSERT_IMPORT,
        params![
            import.session.to_string(),
            import.source.archive,
            column::figure(import.lines),
            import.whole,
            seq(record),
            column::to_json(import)?
        ],
    )?;
    let source = column::to_json(&import.source)?;
    for session in &import.sessions {
        run(db, &MARK_SESSION, params![session.to_string(), source])?;
        if import.whole {
            end(db, record, *session)?;
        }
    }
    Ok(())
}

fn end(db: &Connection, record: &Record, session: SessionId) -> Result<(), StoreError> {
    let id = session.to_string();
    run(db, &END_TARGETS, [&id])?;
    run(db, &END_TURNS, params![id, at(record)])?;
    run(db, &END_TASKS, params![id, UNFINISHED])?;
    run(db, &END_PARTICIPANTS, [&id])?;
    session::derive_status(db, session)
}
