//! artifacts.db.

use crate::StoreError;
use journal::Record;
use model::Event;
use rusqlite::{Connection, params};

pub(super) fn apply(db: &Connection, record: &Record) -> Result<(), StoreError> {
    match &record.event {
        Event::ArtifactCreated(one) => {
            db.prepare_cached(
                "INSERT INTO artifacts (artifact_id, session_id, agent_id, artifact_type, file_path, content_hash,
                    created_at, git_commit_ref)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (artifact_id) DO NOTHING",
            )?
            .execute(params![
                one.id.to_string(),
                one.session.map(|session| session.to_string()),
                one.agent.as_ref().map(ToString::to_string),
                one.kind.as_str(),
                one.path.as_ref().map_or(one.name.as_str(), |path| path.as_str()),
                one.hash,
                one.created_at.as_millis(),
                one.commit
            ])?;
        }
        Event::ArtifactRemoved(gone) => {
            let session = gone.session.map(|session| session.to_string()).unwrap_or_default();
            db.prepare_cached(
                "DELETE FROM artifacts WHERE artifact_id = ?1 AND coalesce(session_id, '') = ?2",
            )?
            .execute([gone.artifact.to_string(), session])?;
        }
        _ => {}
    }
    Ok(())
}
