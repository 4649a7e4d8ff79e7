//! The clock and the dice, as interfaces. The one implementation that asks the operating system is
//! `bus::system`; tests use `testkit::ManualClock`.

use crate::Timestamp;
use std::time::Duration;

/// Tells the time. Two readings exist because they answer two questions.
pub trait Clock: Send + Sync {
    /// Wall time, for people and for ordering across machines. It can jump.
    fn now(&self) -> Timestamp;

    /// Time since boot including suspend. It never goes back within one boot: leases and deadlines
    /// are measured on it.
    fn uptime(&self) -> Duration;
}

/// Source of unpredictable bytes, for ids, salts and tokens.
pub trait Entropy: Send + Sync {
    /// Fills the whole buffer.
    fn fill(&self, buffer: &mut [u8]);
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }

    fn uptime(&self) -> Duration {
        (**self).uptime()
    }
}

impl<E: Entropy + ?Sized> Entropy for std::sync::Arc<E> {
    fn fill(&self, buffer: &mut [u8]) {
        (**self).fill(buffer);
    }
}
