//! Sessions and participants.

use super::{at, board, optional, seq};
use crate::sql::{Connection, params};
use crate::statement::{row, run, statements};
use crate::{StoreError, column};
use journal::Record;
use model::{
    Event, Opening, Participant, ParticipantStatus, Replay, Session, SessionArchived, SessionId, SessionKind,
    SessionRemoved, SessionRenamed, SessionTags, StatusChange,
};

// SessionState::of in SQL: the same rule, without reading every task.
macro_rules! derived {
    () => {
        "CASE WHEN EXISTS (SELECT 1 FROM tasks WHERE session_id = ?1 AND open = 1) THEN 'running'
            ELSE coalesce((SELECT CASE WHEN state IN ('failed', 'rejected') THEN 'failed' ELSE 'completed' END
                FROM tasks WHERE session_id = ?1 ORDER BY seq DESC LIMIT 1), 'idle')
            END"
    };
}

statements! { STATEMENTS in Sessions {
    INSERT_SESSION = concat!("INSERT INTO sessions (session_id, short_id, workspace_id, status, title, repo_id, board_id,
            parent_session_id, forked_from_session_id, seq, created_at, updated_at, data, kind, named_by, listed,
            source_id, asker_session_id, sort_title, callback)
        VALUES (?1, ?2, ?3, ", derived!(), ", ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?4)
        ON CONFLICT (session_id) DO NOTHING");
    RENAME_SESSION = "UPDATE sessions SET title = ?2, sort_title = ?3, named_by = ?4 WHERE session_id = ?1";
    ARCHIVE_SESSION = "UPDATE sessions SET archived_at = coalesce(archived_at, ?2), listed = 1
        WHERE session_id = ?1 AND listed IS NOT NULL";
    UNARCHIVE_SESSION = "UPDATE sessions SET archived_at = NULL, listed = 0
        WHERE session_id = ?1 AND listed IS NOT NULL";
    REMOVE_SESSION = "UPDATE sessions SET removed_at = coalesce(removed_at, ?2), listed = NULL, callback = NULL
        WHERE session_id = ?1";
    REMOVE_TASKS = "UPDATE tasks SET listed = NULL WHERE session_id = ?1";
    SET_TAGS = "UPDATE sessions SET tags = ?2 WHERE session_id = ?1";
    NUMBER_OF_SESSION = "SELECT seq FROM sessions WHERE session_id = ?1";
    DELETE_TAGS = "DELETE FROM session_tags WHERE session_id = ?1";
    INSERT_TAG = "INSERT INTO session_tags (session_id, tag, seq) VALUES (?1, ?2, ?3)
        ON CONFLICT (session_id, tag) DO NOTHING";
    TOUCH_SESSION = "UPDATE sessions SET updated_at = ?2 WHERE session_id = ?1";
    LEAD_SESSION = "UPDATE sessions SET agent = coalesce(agent, ?2), updated_at = ?3 WHERE session_id = ?1";
    DERIVE_STATUS = concat!("UPDATE sessions SET status = ", derived!(), " WHERE session_id = ?1");
    INSERT_PARTICIPANT = "INSERT INTO participants (participant_id, short_id, session_id, agent, status, status_since,
            live, seq, joined_at, data, history)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (participant_id) DO NOTHING";
    REPLAY_PARTICIPANT = "UPDATE participants SET history = 'replay' WHERE participant_id = ?1";
    OPEN_PARTICIPANT = "UPDATE participants SET vendor_session = ?2, vendor_version = ?3 WHERE participant_id = ?1";
    SET_STATUS = "UPDATE participants SET status = ?2, detail = ?3, status_since = ?4, live = ?5
        WHERE participant_id = ?1";
} }

pub(super) fn created(db: &Connection, record: &Record, session: &Session) -> Result<(), StoreError> {
    let hidden = session.lineage.kind == SessionKind::Aside;
    run(
        db,
        &INSERT_SESSION,
        params![
            session.id.to_string(),
            session.id.short(),
            session.workspace,
            session.lineage.callback.as_ref().map(column::to_json).transpose()?,
            session.title,
            optional(session.repo),
            optional(session.board),
            optional(session.parent),
            optional(session.forked_from),
            seq(record),
            session.created_at.as_millis(),
            at(record),
            column::to_short_json(session)?,
            session.lineage.kind.as_str(),
            session.named_by.as_str(),
            (!hidden).then_some(0),
            if hidden { None } else { optional(session.forked_from.or(session.parent)) },
            optional(session.lineage.asker),
            sorted_as(&session.title)
        ],
    )?;
    Ok(())
}

/// How a title is compared with others.
fn sorted_as(title: &str) -> String {
    title.to_lowercase()
}

pub(super) fn renamed(db: &Connection, renamed: &SessionRenamed) -> Result<(), StoreError> {
    let SessionRenamed { session, title, by } = renamed;
    run(db, &RENAME_SESSION, params![session.to_string(), title, sorted_as(title), by.as_str()])?;
    Ok(())
}

pub(super) fn tagged(db: &Connection, tagged: &SessionTags) -> Result<(), StoreError> {
    let session = tagged.session.to_string();
    let number = row(db, &NUMBER_OF_SESSION, [&session], |row| row.get::<_, i64>("seq"))?;
    let Some(number) = number else { return Ok(()) };
    run(db, &SET_TAGS, params![session, column::to_json(&tagged.tags)?])?;
    run(db, &DELETE_TAGS, [&session])?;
    for tag in &tagged.tags {
        run(db, &INSERT_TAG, params![session, tag, number])?;
    }
    Ok(())
}

pub(super) fn unarchived(db: &Connection, unarchived: &SessionArchived) -> Result<(), StoreError> {
    run(db, &UNARCHIVE_SESSION, [unarchived.session.to_string()])?;
    Ok(())
}

pub(super) fn removed(db: &Connection, record: &Record, removed: &SessionRemoved) -> Result<(), StoreError> {
    let session = removed.session.to_string();
    run(db, &REMOVE_SESSION, params![session, at(record)])?;
    run(db, &REMOVE_TASKS, [&session])?;
    run(db, &DELETE_TAGS, [&session])?;
    board::subject_gone(db, &session)
}

pub(super) fn replayed(db: &Connection, replay: &Replay) -> Result<(), StoreError> {
    run(db, &REPLAY_PARTICIPANT, [replay.participant.to_string()])?;
    Ok(())
}

pub(super) fn archived(
    db: &Connection,
    record: &Record,
    archived: &SessionArchived,
) -> Result<(), StoreError> {
    run(db, &ARCHIVE_SESSION, params![archived.session.to_string(), at(record)])?;
    Ok(())
}

pub(super) fn joined(db: &Connection, record: &Record, joined: &Participant) -> Result<(), StoreError> {
    let status = ParticipantStatus::Idle;
    run(
        db,
        &INSERT_PARTICIPANT,
        params![
            joined.id.to_string(),
            joined.id.short(),
            joined.session.to_string(),
            joined.agent.as_str(),
            status.as_str(),
            at(record),
            status.is_live(),
            seq(record),
            joined.joined_at.as_millis(),
            column::to_json(joined)?,
            joined.history.map(|by| by.as_str())
        ],
    )?;
    run(db, &LEAD_SESSION, params![joined.session.to_string(), joined.agent.as_str(), at(record)])?;
    Ok(())
}

pub(super) fn opened(db: &Connection, opening: &Opening) -> Result<(), StoreError> {
    if !opening.goes_on {
        return Ok(());
    }
    run(
        db,
        &OPEN_PARTICIPANT,
        params![opening.participant.to_string(), opening.vendor_session, opening.version],
    )?;
    Ok(())
}

pub(super) fn status_changed(
    db: &Connection,
    record: &Record,
    change: &StatusChange,
) -> Result<(), StoreError> {
    run(
        db,
        &SET_STATUS,
        params![
            change.participant.to_string(),
            change.status.as_str(),
            change.detail,
            at(record),
            change.status.is_live()
        ],
    )?;
    Ok(())
}

/// Derives the session's state again after one of its tasks has changed.
pub(super) fn derive_status(db: &Connection, session: SessionId) -> Result<(), StoreError> {
    run(db, &DERIVE_STATUS, [session.to_string()])?;
    Ok(())
}

/// Whatever happened in a session was activity.
pub(super) fn touched(db: &Connection, record: &Record) -> Result<(), StoreError> {
    // These two say when themselves.
    if matches!(record.event, Event::SessionCreated(_) | Event::ParticipantJoined(_)) {
        return Ok(());
    }
    if let Some(session) = record.session {
        run(db, &TOUCH_SESSION, params![session.to_string(), at(record)])?;
    }
    Ok(())
}
