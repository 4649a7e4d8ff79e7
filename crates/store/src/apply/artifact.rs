//! Artifacts.

use super::{optional, seq};
use crate::sql::{Connection, params};
use crate::statement::{run, statements};
use crate::{StoreError, column};
use journal::Record;
use model::{Artifact, ArtifactRemoved};

statements! { STATEMENTS in Sessions {
    INSERT_ARTIFACT = "INSERT INTO artifacts (artifact_id, session_id, agent_id, artifact_type, file_path, content_hash,
            created_at, git_commit_ref, short_id, listed, seq, data)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1, ?10, ?11) ON CONFLICT (artifact_id) DO NOTHING";
    // An event of one session takes nothing away from another.
    REMOVE_ARTIFACT = "UPDATE artifacts SET listed = NULL WHERE artifact_id = ?1 AND coalesce(session_id, '') = ?2";
} }

pub(super) fn created(db: &Connection, record: &Record, artifact: &Artifact) -> Result<(), StoreError> {
    run(
        db,
        &INSERT_ARTIFACT,
        params![
            artifact.id.to_string(),
            optional(artifact.session),
            artifact.agent.as_ref().map(ToString::to_string),
            artifact.kind.as_str(),
            artifact.path.as_ref().map_or(artifact.name.as_str(), |path| path.as_str()),
            artifact.hash,
            artifact.created_at.as_millis(),
            artifact.commit,
            artifact.id.short(),
            seq(record),
            column::to_json(artifact)?
        ],
    )?;
    Ok(())
}

pub(super) fn removed(db: &Connection, removed: &ArtifactRemoved) -> Result<(), StoreError> {
    let session = optional(removed.session).unwrap_or_default();
    run(db, &REMOVE_ARTIFACT, [removed.artifact.to_string(), session])?;
    Ok(())
}
