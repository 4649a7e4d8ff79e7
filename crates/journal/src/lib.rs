//! The append-only log of events: the truth everything else is a projection of.
//!
//! One [`Journal`] writes; any number of [`Reader`]s read. A record exists for readers once
//! [`Journal::sync`] has returned: **nobody sees what a power cut could still take back.** The records
//! of one [`Journal::write`] stand or fall together, also when the tail is torn. The format on disk
//! is described in `docs/decisions/0003-journal-format.md`.

pub mod archive;
mod blob;
mod catalog;
mod chained;
mod disk;
mod epochs;
mod error;
mod hex;
mod journal;
mod line;
mod mark;
mod reader;
mod record;
mod repair;
mod reserve;
mod scribe;
mod sealed;
mod sealer;
mod segment;
mod shelf;
mod survey;
mod tail;
mod transfer;
mod verify;
mod walk;

pub use blob::{BLOB_MAX, Blobs};
pub use chained::{CHAINED_LINE_MAX, Chain, ChainError, Chained};
pub use error::JournalError;
pub use journal::{Journal, Opened, Options};
pub use reader::{JournalStats, PAGE_BYTES_MAX, PAGE_MAX, ReadPage, Reader, Replay};
pub use record::{Draft, IdempotencyKey, KEY_MAX, PAYLOAD_MAX, Position, REQUEST_HASH_MAX, Record};
pub use shelf::{NamedBlob, Scribe, Shelf, Shelved, Written};
pub use transfer::{ExportReport, RestoreReport, restore};
pub use verify::{PROBLEMS_MAX, Problem, VerifyReport};
