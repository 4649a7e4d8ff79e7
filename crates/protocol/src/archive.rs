//! Session archives on the wire: what was read in, and where it came from.

use crate::event::cursor_text;
use crate::operation::{
    Access::User,
    Answer,
    Method::{Get, Post},
    Operation,
};
use model::{Cursor, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What of a session is exported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct SessionExportQuery {
    /// All it comes from and all that came out of it, too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub family: bool,
}

/// Body of `POST /sessions/import`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSessionImport {
    /// Absolute path of an archive. The daemon reads it itself.
    pub path: String,
}

/// Where a session was led that was read in from an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionSource {
    pub workspace: String,
    /// The hash of the archive's last line: no other archive has it.
    pub archive: String,
    #[schema(value_type = String, format = DateTime)]
    pub exported_at: Timestamp,
    /// The last event there that the archive could know of.
    #[serde(with = "cursor_text")]
    #[schema(value_type = String)]
    pub through: Cursor,
}

impl From<model::SessionSource> for SessionSource {
    fn from(source: model::SessionSource) -> Self {
        let model::SessionSource { workspace, archive, exported_at, through } = source;
        Self { workspace, archive, exported_at, through }
    }
}

/// What came of reading an archive in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionImport {
    #[schema(value_type = String)]
    pub session: SessionId,
    /// All that were in the archive.
    #[schema(value_type = Vec<String>)]
    pub sessions: Vec<SessionId>,
    pub source: SessionSource,
    /// What the archive holds.
    pub lines: u64,
    pub events: u64,
    pub blobs: u64,
    /// Events read in now; 0 when all of it was here already.
    pub read: u64,
}

/// What can be done with session archives.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "archives",
            "export_session",
            Get,
            "/sessions/{id}/export",
            User,
            "Writes a session with everything as lines of JSON, each with the hash of all before it.",
        )
        .query::<SessionExportQuery>()
        .answers(200, Answer::JsonLines),
        Operation::new(
            "archives",
            "import_session",
            Post,
            "/sessions/import",
            User,
            "Reads a session archive in. What was read of it before is not read again; nothing is written over.",
        )
        .body::<NewSessionImport>()
        .creates::<SessionImport>(),
    ]
}
