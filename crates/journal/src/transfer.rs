//! Export and restore of a whole journal as one self-checking file.
//!
//! An archive is one zstd stream of entries, each a line of JSON that names how many bytes follow:
//! `journal` (what is to come), `lines` (whole lines of records), `blob`, and `end` with the hash of
//! everything before it. **A restore puts nothing in place before all of it was verified.**

mod export;
mod restore;

pub use export::ExportReport;
pub use restore::{RestoreReport, restore};

use crate::epochs::Epoch;
use crate::hex;
use serde::{Deserialize, Serialize};

/// Version of the archive; a higher one is refused.
const ARCHIVE_FORMAT: u32 = 1;
/// An entry of lines is closed when it holds this many bytes.
const LINES_BYTES: usize = 1024 * 1024;
/// Longest line that describes an entry, in bytes.
const ENTRY_MAX: u64 = 16 * 1024 * 1024;

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case", deny_unknown_fields)]
enum Entry {
    Journal(Contents),
    Lines {
        bytes: u64,
    },
    Blob {
        #[serde(with = "hex::hash")]
        hash: [u8; 32],
        bytes: u64,
    },
    End {
        #[serde(with = "hex::hash")]
        hash: [u8; 32],
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Contents {
    format: u32,
    records: u64,
    blobs: u64,
    /// The lines and blobs are no more than this many bytes: a restore needs so much room and never
    /// unpacks more.
    bytes: u64,
    epoch: u64,
    #[serde(with = "hex::hash")]
    head: [u8; 32],
    epochs: Vec<Epoch>,
}
