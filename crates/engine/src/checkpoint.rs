//! Checkpoints: restorable points, as they were made.

use crate::Engine;
use model::{Checkpoint, Refusal, SessionId};

impl Engine {
    pub fn checkpoints(&self, session: SessionId) -> Result<Vec<Checkpoint>, Refusal> {
        todo!()
    }
}
