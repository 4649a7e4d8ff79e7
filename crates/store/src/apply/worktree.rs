//! Worktrees and their scripts.

use super::{at, seq};
use crate::sql::{Connection, params};
use crate::statement::{run, statements};
use crate::worktree::{LIVE, TRASHED};
use crate::{StoreError, column};
use journal::Record;
use model::{
    Event, ScriptEnd, ScriptStart, TrashedWorktree, Worktree, WorktreeAssignment, WorktreePurged,
    WorktreeRestored,
};

statements! { STATEMENTS in Sessions {
    UPSERT_WORKTREE = "INSERT INTO worktrees
            (worktree_id, short_id, repo_id, name, path, state, port_base, seq, created_at, updated_at, data, trash)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
        ON CONFLICT (worktree_id) DO UPDATE SET state = excluded.state, updated_at = excluded.updated_at,
            data = excluded.data, trash = excluded.trash";
    RESTORE_WORKTREE = "UPDATE worktrees SET state = ?2, port_base = ?3, updated_at = ?4, trash = NULL
        WHERE worktree_id = ?1";
    DELETE_WORKTREE = "DELETE FROM worktrees WHERE worktree_id = ?1";
    ASSIGN_WORKTREE = "INSERT INTO worktree_sessions (session_id, worktree_id) VALUES (?1, ?2)
        ON CONFLICT (session_id) DO UPDATE SET worktree_id = excluded.worktree_id";
    UNASSIGN_WORKTREE = "DELETE FROM worktree_sessions WHERE session_id = ?1";
    DELETE_SCRIPTS = "DELETE FROM worktree_scripts WHERE worktree_id = ?1";
    START_SCRIPT = "INSERT INTO worktree_scripts (worktree_id, script, hash, started_at) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (worktree_id, script) DO UPDATE SET hash = excluded.hash, started_at = excluded.started_at,
            ended_at = NULL, data = NULL";
    END_SCRIPT = "INSERT INTO worktree_scripts (worktree_id, script, hash, started_at, ended_at, data)
        VALUES (?1, ?2, ?3, ?4, ?4, ?5)
        ON CONFLICT (worktree_id, script) DO UPDATE SET hash = excluded.hash, ended_at = excluded.ended_at,
            data = excluded.data";
} }

/// The events of worktrees; others mean nothing here.
pub(super) fn apply(db: &Connection, record: &Record) -> Result<(), StoreError> {
    match &record.event {
        Event::WorktreeCreated(worktree) => created(db, record, worktree),
        Event::WorktreeAssigned(assignment) => assigned(db, assignment),
        Event::WorktreeTrashed(worktree) => trashed(db, record, worktree),
        Event::WorktreeRestored(worktree) => restored(db, record, worktree),
        Event::WorktreePurged(worktree) => purged(db, worktree),
        Event::WorktreeScriptStarted(start) => script_started(db, record, start),
        Event::WorktreeScriptEnded(end) => script_ended(db, record, end),
        _ => Ok(()),
    }
}

fn created(db: &Connection, record: &Record, worktree: &Worktree) -> Result<(), StoreError> {
    put(db, record, worktree, None)
}

fn trashed(db: &Connection, record: &Record, trashed: &TrashedWorktree) -> Result<(), StoreError> {
    put(db, record, &trashed.worktree, Some(trashed))?;
    super::board::subject_gone(db, &trashed.worktree.id.to_string())
}

fn put(
    db: &Connection,
    record: &Record,
    worktree: &Worktree,
    trash: Option<&TrashedWorktree>,
) -> Result<(), StoreError> {
    let row = params![
        worktree.id.to_string(),
        worktree.id.short(),
        worktree.repo.to_string(),
        worktree.name,
        worktree.path,
        if trash.is_some() { TRASHED } else { LIVE },
        worktree.port_base,
        seq(record),
        worktree.created_at.as_millis(),
        at(record),
        column::to_json(worktree)?,
        trash.map(column::to_json).transpose()?
    ];
    run(db, &UPSERT_WORKTREE, row)?;
    Ok(())
}

fn restored(db: &Connection, record: &Record, back: &WorktreeRestored) -> Result<(), StoreError> {
    run(db, &RESTORE_WORKTREE, params![back.worktree.to_string(), LIVE, back.port_base, at(record)])?;
    Ok(())
}

fn purged(db: &Connection, purged: &WorktreePurged) -> Result<(), StoreError> {
    run(db, &DELETE_WORKTREE, [purged.worktree.to_string()])?;
    run(db, &DELETE_SCRIPTS, [purged.worktree.to_string()])?;
    super::board::subject_gone(db, &purged.worktree.to_string())
}

fn assigned(db: &Connection, assignment: &WorktreeAssignment) -> Result<(), StoreError> {
    let session = assignment.session.to_string();
    match assignment.worktree {
        Some(worktree) => run(db, &ASSIGN_WORKTREE, [session, worktree.to_string()])?,
        None => run(db, &UNASSIGN_WORKTREE, [session])?,
    };
    Ok(())
}

fn script_started(db: &Connection, record: &Record, start: &ScriptStart) -> Result<(), StoreError> {
    let row = params![start.worktree.to_string(), start.script.as_str(), start.hash, at(record)];
    run(db, &START_SCRIPT, row)?;
    Ok(())
}

/// One that was not run was not started either.
fn script_ended(db: &Connection, record: &Record, end: &ScriptEnd) -> Result<(), StoreError> {
    let row =
        params![end.worktree.to_string(), end.script.as_str(), end.hash, at(record), column::to_json(end)?];
    run(db, &END_SCRIPT, row)?;
    Ok(())
}
