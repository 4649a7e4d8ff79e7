//! Bells: a count each, and whoever waits for it to rise. They carry nothing: they say "look".

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// What a bell is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bell {
    /// Something to read, or a registration came or went.
    Notices,
    /// Locks and their queue changed.
    Locks,
}

impl Bell {
    pub(crate) const ALL: [Self; 2] = [Self::Notices, Self::Locks];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Notices => "notices",
            Self::Locks => "locks",
        }
    }
}

/// Counts rings of each bell, and wakes who waits.
#[derive(Debug, Default)]
pub(crate) struct Bells {
    rings: Mutex<[u64; 2]>,
    rung: Condvar,
}

impl Bells {
    /// Ask before looking: a ring after this ends the wait.
    pub(crate) fn count(&self, bell: Bell) -> u64 {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)[bell as usize]
    }

    pub(crate) fn wait(&self, bell: Bell, seen: u64, timeout: Duration) {
        let rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        let quiet = |rings: &mut [u64; 2]| rings[bell as usize] == seen;
        drop(self.rung.wait_timeout_while(rings, timeout, quiet).unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn ring(&self, bell: Bell) {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)[bell as usize] += 1;
        self.rung.notify_all();
    }
}
