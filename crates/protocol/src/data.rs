//! Maintenance of the data on the wire.

use crate::operation::{Access::User, Method::Post, Operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Outcome of a maintenance command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DataReport {
    pub ok: bool,
    pub events: u64,
    pub segments: u64,
    pub blobs: u64,
    pub bytes: u64,
    /// Where the result is, when there is a file.
    pub path: Option<String>,
    /// One sentence per problem found.
    pub problems: Vec<String>,
    pub elapsed_ms: u64,
}

/// Body of `POST /data/export`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NewExport {
    /// Absolute path of a file that does not exist yet; without it, one in the workspace's backups.
    pub to: Option<String>,
}

/// What can be done with the data as a whole.
pub(crate) fn operations() -> Vec<Operation> {
    let op = |id, path, summary| Operation::new("data", id, Post, path, User, summary);
    vec![
        op("verify_data", "/data/verify", "Checks journal and databases against each other.")
            .returns::<DataReport>(),
        op("rebuild_data", "/data/rebuild", "Makes the databases anew from the journal.")
            .returns::<DataReport>(),
        op("export_data", "/data/export", "Writes the whole journal into one file that checks itself.")
            .body::<NewExport>()
            .returns::<DataReport>(),
    ]
}
