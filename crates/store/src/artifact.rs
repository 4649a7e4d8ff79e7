//! Artifacts.

use crate::sql::{Row, params};
use crate::statement::statements;
use crate::view::limit;
use crate::{StoreError, View, column};
use model::{Artifact, ArtifactId, SessionId};

/// An artifact and its place in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactRow {
    pub artifact: Artifact,
    /// The number of the event that made it.
    pub seq: u64,
}

statements! { QUERIES in Sessions {
    ARTIFACT = "SELECT data, seq FROM artifacts WHERE artifact_id = ?1 AND listed = 1";
    ARTIFACTS = "SELECT data, seq FROM artifacts WHERE listed = 1 AND seq < ?1 ORDER BY seq DESC LIMIT ?2";
    ARTIFACTS_OF_SESSION = "SELECT data, seq FROM artifacts WHERE session_id = ?1 AND listed = 1 AND seq < ?2
        ORDER BY seq DESC LIMIT ?3";
    ARTIFACTS_OF_CONTENT = "SELECT data, seq FROM artifacts WHERE content_hash = ?1 AND listed = 1
        ORDER BY seq DESC LIMIT ?2";
} }

/// Artifacts of one content that are looked at for one that is the same in all.
const ALIKE_MAX: usize = 100;

impl View<'_> {
    /// None for one that was removed.
    pub fn artifact(&self, id: ArtifactId) -> Result<Option<ArtifactRow>, StoreError> {
        self.row(&ARTIFACT, [id.to_string()], read)
    }

    /// The newest ones before a number, newest first; of one session when it is given.
    pub fn artifacts(
        &self,
        session: Option<SessionId>,
        before: Option<u64>,
        most: usize,
    ) -> Result<Vec<ArtifactRow>, StoreError> {
        let before = before.map_or(i64::MAX, u64::cast_signed);
        match session {
            None => self.rows(&ARTIFACTS, params![before, limit(most)], read),
            Some(session) => {
                self.rows(&ARTIFACTS_OF_SESSION, params![session.to_string(), before, limit(most)], read)
            }
        }
    }

    /// The newest ones that hold the same.
    pub fn artifacts_of_content(&self, hash: &str) -> Result<Vec<ArtifactRow>, StoreError> {
        self.rows(&ARTIFACTS_OF_CONTENT, params![hash, limit(ALIKE_MAX)], read)
    }
}

fn read(row: &Row<'_>) -> Result<ArtifactRow, StoreError> {
    Ok(ArtifactRow { artifact: column::json(row, "data")?, seq: column::unsigned(row, "seq")? })
}
