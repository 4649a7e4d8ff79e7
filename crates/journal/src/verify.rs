//! Checks a whole journal.

use crate::Position;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    pub records: u64,
    pub segments: u64,
    pub blobs: u64,
    /// The last record read; equals the newest one when nothing is wrong.
    pub head: Position,
    pub problems: Vec<Problem>,
}

/// One thing that is wrong, as a sentence fragment a person reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Problem {
    /// Segment or blob.
    pub place: String,
    /// The record it is about.
    pub seq: Option<u64>,
    pub what: String,
}
