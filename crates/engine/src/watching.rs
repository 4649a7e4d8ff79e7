//! Who watches: whether anybody is there who could answer.

use crate::Engine;
use crate::engine::Shared;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A page or a follower that is connected; dropped when it is gone.
#[derive(Debug)]
pub struct Watching {
    count: Arc<AtomicU32>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Engine {
    /// Somebody follows what happens from now on, until what is returned is dropped.
    pub fn watching(&self) -> Watching {
        let count = Arc::clone(&self.shared.watching);
        count.fetch_add(1, Ordering::AcqRel);
        Watching { count }
    }
}

impl Shared {
    pub(crate) fn is_watched(&self) -> bool {
        self.watching.load(Ordering::Acquire) > 0 || self.config.snapshot().config.permissions.watched
    }
}
