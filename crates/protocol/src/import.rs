//! Imports of transcripts on the wire.

use crate::operation::{
    Access::User,
    Method::{Delete, Get, Post},
    Operation,
};
use crate::words;
use model::{Timestamp, Vendor};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Body of `POST /imports`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewImport {
    #[schema(value_type = words::Vendor)]
    pub vendor: Vendor,
    /// Absolute path of a transcript, or of a folder below which all are meant.
    pub path: String,
    /// Go on when all is read, and read what is added, as long as somebody asks for the import twice a minute.
    #[serde(default)]
    pub watch: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImportState {
    Reading,
    /// All is read; what is added is read as it comes.
    Watching,
    Done,
    Canceled,
    Failed,
}

/// Transcripts of a vendor's own program being read into the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Import {
    /// In the order they began; forgotten when the daemon stops.
    pub id: u64,
    #[schema(value_type = words::Vendor)]
    pub vendor: Vendor,
    pub path: String,
    pub watch: bool,
    pub state: ImportState,
    pub files: u64,
    /// Files that were looked at.
    pub files_done: u64,
    pub bytes: u64,
    pub bytes_done: u64,
    /// Sessions that came to be.
    pub sessions: u64,
    pub messages: u64,
    pub lines: u64,
    /// Lines that say nothing of the conversation.
    pub passed: u64,
    /// Lines nobody understood; they are kept as they are.
    pub unknown: u64,
    /// Files with nothing new.
    pub unchanged: u64,
    /// Files that were rewritten or exchanged, and read from their start again.
    pub again: u64,
    /// Files that end in a line still being written.
    pub torn: u64,
    /// Files of sessions that were led from here.
    pub linked: u64,
    /// Files without a conversation.
    pub empty: u64,
    /// Files that could not be read.
    pub failed: u64,
    /// What went wrong, the first fifty.
    pub troubles: Vec<ImportTrouble>,
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportTrouble {
    pub path: String,
    pub message: String,
}

/// What can be done with imports.
pub(crate) fn operations() -> Vec<Operation> {
    let op = |id, method, path, summary| Operation::new("imports", id, method, path, User, summary);
    vec![
        op("start_import", Post, "/imports", "Begins to read transcripts of a vendor's own program.")
            .body::<NewImport>()
            .creates::<Import>(),
        op("get_import", Get, "/imports/{id}", "Shows how far an import is.").returns::<Import>(),
        op("cancel_import", Delete, "/imports/{id}", "Ends an import; what it has read stays.")
            .returns::<Import>(),
    ]
}
