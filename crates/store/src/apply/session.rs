//! Sessions and participants.

use super::{at, optional, seq};
use crate::sql::{Connection, params};
use crate::statement::{run, statements};
use crate::{StoreError, column};
use journal::Record;
use model::{
    Opening, Participant, ParticipantStatus, Session, SessionArchived, SessionId, SessionRenamed,
    SessionState, StatusChange,
};

statements! { STATEMENTS in Sessions {
    INSERT_SESSION = "INSERT INTO sessions (session_id, short_id, workspace_id, status, title, repo_id, board_id,
            parent_session_id, forked_from_session_id, seq, created_at, updated_at, data)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) ON CONFLICT (session_id) DO NOTHING";
    RENAME_SESSION = "UPDATE sessions SET title = ?2 WHERE session_id = ?1";
    ARCHIVE_SESSION = "UPDATE sessions SET archived_at = coalesce(archived_at, ?2) WHERE session_id = ?1";
    TOUCH_SESSION = "UPDATE sessions SET updated_at = ?2 WHERE session_id = ?1";
    LEAD_SESSION = "UPDATE sessions SET agent = coalesce(agent, ?2) WHERE session_id = ?1";
    // SessionState::of in SQL: the same rule, without reading every task.
    DERIVE_STATUS = "UPDATE sessions SET status = CASE
            WHEN EXISTS (SELECT 1 FROM tasks WHERE session_id = ?1 AND open = 1) THEN 'running'
            ELSE coalesce((SELECT CASE WHEN state IN ('failed', 'rejected') THEN 'failed' ELSE 'completed' END
                FROM tasks WHERE session_id = ?1 ORDER BY seq DESC LIMIT 1), 'idle')
            END
        WHERE session_id = ?1";
    INSERT_PARTICIPANT = "INSERT INTO participants (participant_id, short_id, session_id, agent, status, status_since,
            live, seq, joined_at, data)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (participant_id) DO NOTHING";
    OPEN_PARTICIPANT = "UPDATE participants SET vendor_session = ?2, vendor_version = ?3 WHERE participant_id = ?1";
    SET_STATUS = "UPDATE participants SET status = ?2, detail = ?3, status_since = ?4, live = ?5
        WHERE participant_id = ?1";
} }

pub(super) fn created(db: &Connection, record: &Record, session: &Session) -> Result<(), StoreError> {
    run(
        db,
        &INSERT_SESSION,
        params![
            session.id.to_string(),
            session.id.short(),
            session.workspace,
            SessionState::Idle.as_str(),
            session.title,
            optional(session.repo),
            optional(session.board),
            optional(session.parent),
            optional(session.forked_from),
            seq(record),
            session.created_at.as_millis(),
            at(record),
            column::to_json(session)?
        ],
    )?;
    derive_status(db, session.id)
}

pub(super) fn renamed(db: &Connection, renamed: &SessionRenamed) -> Result<(), StoreError> {
    run(db, &RENAME_SESSION, params![renamed.session.to_string(), renamed.title])?;
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
            column::to_json(joined)?
        ],
    )?;
    run(db, &LEAD_SESSION, params![joined.session.to_string(), joined.agent.as_str()])?;
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
    if let Some(session) = record.session {
        run(db, &TOUCH_SESSION, params![session.to_string(), at(record)])?;
    }
    Ok(())
}
