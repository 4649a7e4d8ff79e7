//! Replay: snapshots made again on another parent.

use crate::{GitError, Oid, Repository};

/// One commit of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    pub from: Oid,
    /// None when everything it changed is already on the new parent.
    pub to: Option<Oid>,
}

impl Repository {
    /// Makes each snapshot again, in order, on top of `onto`: same message, author and time, and the
    /// same content at the paths it changed. Refused with [`GitError::ReplayConflict`] when one of these
    /// paths is neither as before nor as after the snapshot there.
    pub fn replay(&self, commits: &[Oid], onto: Option<&Oid>) -> Result<Vec<Replayed>, GitError> {
        let _ = (commits, onto);
        todo!()
    }
}
