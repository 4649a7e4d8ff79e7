//! Repositories, and those that are being cloned.

use super::{at, seq};
use crate::sql::{Connection, params};
use crate::statement::{run, statements};
use crate::{StoreError, column};
use journal::Record;
use model::{CloneFailure, CloneStart, CloneStep, Event, Repo, RepoRemoved};

statements! { STATEMENTS in Sessions {
    INSERT_REPO = "INSERT INTO repos (repo_id, short_id, slug, path, seq, created_at, updated_at, data)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (repo_id) DO NOTHING";
    UPDATE_REPO = "UPDATE repos SET slug = ?2, path = ?3, updated_at = ?4, data = ?5 WHERE repo_id = ?1";
    DELETE_REPO = "DELETE FROM repos WHERE repo_id = ?1";
    INSERT_CLONE = "INSERT INTO clones (repo_id, slug, seq, data) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (repo_id) DO NOTHING";
    UPDATE_CLONE = "UPDATE clones SET step = ?2 WHERE repo_id = ?1";
    DELETE_CLONE = "DELETE FROM clones WHERE repo_id = ?1";
} }

/// The events of repositories; others mean nothing here.
pub(super) fn apply(db: &Connection, record: &Record) -> Result<(), StoreError> {
    match &record.event {
        Event::RepoAdded(repo) => added(db, record, repo),
        Event::RepoChanged(repo) => changed(db, record, repo),
        Event::RepoRemoved(repo) => removed(db, repo),
        Event::RepoCloneStarted(start) => clone_started(db, record, start),
        Event::RepoCloneProgressed(step) => clone_progressed(db, step),
        Event::RepoCloneFailed(failure) => clone_failed(db, failure),
        _ => Ok(()),
    }
}

fn added(db: &Connection, record: &Record, repo: &Repo) -> Result<(), StoreError> {
    run(
        db,
        &INSERT_REPO,
        params![
            repo.id.to_string(),
            repo.id.short(),
            repo.slug,
            repo.path,
            seq(record),
            repo.added_at.as_millis(),
            at(record),
            column::to_json(repo)?
        ],
    )?;
    run(db, &DELETE_CLONE, [repo.id.to_string()])?;
    Ok(())
}

fn clone_started(db: &Connection, record: &Record, start: &CloneStart) -> Result<(), StoreError> {
    let row = params![start.repo.to_string(), start.slug, seq(record), column::to_json(start)?];
    run(db, &INSERT_CLONE, row)?;
    Ok(())
}

fn clone_progressed(db: &Connection, step: &CloneStep) -> Result<(), StoreError> {
    run(db, &UPDATE_CLONE, params![step.repo.to_string(), column::to_json(step)?])?;
    Ok(())
}

fn clone_failed(db: &Connection, failure: &CloneFailure) -> Result<(), StoreError> {
    run(db, &DELETE_CLONE, [failure.repo.to_string()])?;
    Ok(())
}

fn changed(db: &Connection, record: &Record, repo: &Repo) -> Result<(), StoreError> {
    let row = params![repo.id.to_string(), repo.slug, repo.path, at(record), column::to_json(repo)?];
    run(db, &UPDATE_REPO, row)?;
    Ok(())
}

/// Sessions keep the id of a repository that is gone.
fn removed(db: &Connection, removed: &RepoRemoved) -> Result<(), StoreError> {
    run(db, &DELETE_REPO, [removed.repo.to_string()])?;
    Ok(())
}
