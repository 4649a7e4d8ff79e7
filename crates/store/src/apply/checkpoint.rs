//! Checkpoints, changed files and refused edits.

use super::{at, epoch, optional, seq};
use crate::sql::{Connection, params};
use crate::statement::{run, statements};
use crate::{StoreError, column};
use journal::Record;
use model::{
    Checkpoint, CheckpointBundle, CheckpointRemoval, FileChange, RefusedEdit, RestoreEnd, RestoreStart,
};

statements! { STATEMENTS in Sessions {
    INSERT_CHECKPOINT = "INSERT INTO checkpoints (checkpoint_id, short_id, session_id, plan_id, repo_id, git_ref,
            git_commit, seq, created_at, data, kind, name, worktree)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) ON CONFLICT (checkpoint_id) DO UPDATE SET removed = NULL";
    REMOVE_CHECKPOINT = "UPDATE checkpoints SET removed = ?2 WHERE checkpoint_id = ?1";
    OPEN_RESTORE = "INSERT INTO restores_open (before_id, seq, data) VALUES (?1, ?2, ?3)
        ON CONFLICT (before_id) DO NOTHING";
    CLOSE_RESTORE = "DELETE FROM restores_open WHERE before_id = ?1";
    INSERT_BUNDLE = "INSERT INTO checkpoint_bundles (seq, repo_id, data) VALUES (?1, ?2, ?3)";
    BUNDLE_CHECKPOINT = "UPDATE checkpoints SET bundle_seq = ?2 WHERE checkpoint_id = ?1";
    INSERT_FILE_CHANGE = "INSERT INTO file_changes (seq, epoch, session_id, task_id, plan_id, path, token, changed_at,
            data)
        VALUES (?1, ?2, ?3, ?4, (SELECT plan_id FROM tasks WHERE task_id = ?4), ?5, ?6, ?7, ?8)";
    INSERT_REFUSED_EDIT = "INSERT INTO refused_edits (seq, session_id, task_id, path, code, refused_at, data)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
} }

pub(super) fn created(db: &Connection, record: &Record, checkpoint: &Checkpoint) -> Result<(), StoreError> {
    run(
        db,
        &INSERT_CHECKPOINT,
        params![
            checkpoint.id.to_string(),
            checkpoint.id.short(),
            checkpoint.session.to_string(),
            optional(checkpoint.plan),
            checkpoint.repo.to_string(),
            checkpoint.git_ref,
            checkpoint.commit,
            seq(record),
            checkpoint.created_at.as_millis(),
            column::to_json(checkpoint)?,
            checkpoint.kind.as_str(),
            checkpoint.name,
            checkpoint.point.as_ref().map(|point| point.worktree.as_str())
        ],
    )?;
    Ok(())
}

pub(super) fn removed(db: &Connection, removal: &CheckpointRemoval) -> Result<(), StoreError> {
    run(db, &REMOVE_CHECKPOINT, params![removal.checkpoint.to_string(), removal.reason])?;
    Ok(())
}

pub(super) fn restore_started(
    db: &Connection,
    record: &Record,
    start: &RestoreStart,
) -> Result<(), StoreError> {
    run(db, &OPEN_RESTORE, params![start.before.to_string(), seq(record), column::to_json(start)?])?;
    Ok(())
}

pub(super) fn restored(db: &Connection, end: &RestoreEnd) -> Result<(), StoreError> {
    run(db, &CLOSE_RESTORE, [end.before.to_string()])?;
    Ok(())
}

pub(super) fn bundled(db: &Connection, record: &Record, bundle: &CheckpointBundle) -> Result<(), StoreError> {
    run(db, &INSERT_BUNDLE, params![seq(record), bundle.repo.to_string(), column::to_json(bundle)?])?;
    for checkpoint in &bundle.checkpoints {
        run(db, &BUNDLE_CHECKPOINT, params![checkpoint.to_string(), seq(record)])?;
    }
    Ok(())
}

pub(super) fn file_modified(db: &Connection, record: &Record, change: &FileChange) -> Result<(), StoreError> {
    run(
        db,
        &INSERT_FILE_CHANGE,
        params![
            seq(record),
            epoch(record),
            change.session.to_string(),
            change.task.to_string(),
            change.path.as_str(),
            change.token.cast_signed(),
            at(record),
            column::to_json(change)?
        ],
    )?;
    Ok(())
}

pub(super) fn edit_refused(
    db: &Connection,
    record: &Record,
    refused: &RefusedEdit,
) -> Result<(), StoreError> {
    run(
        db,
        &INSERT_REFUSED_EDIT,
        params![
            seq(record),
            refused.session.to_string(),
            refused.task.to_string(),
            refused.claim.path.as_str(),
            refused.code,
            at(record),
            column::to_json(refused)?
        ],
    )?;
    Ok(())
}
