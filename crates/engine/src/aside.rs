//! Reads of the store, off the threads that serve.
//!
//! A read of SQLite or of the journal takes as long as the disk does, and waits while a rebuild swaps the databases. The
//! daemon has few serving threads: handlers, streams and actors that read on them would hold up everybody's health
//! check, locks and deadlines.
//!
//! Invariant: whoever reads waits alone; what else was to run on his thread goes on on another.

use model::Refusal;
use std::ops::Deref;
use store::{Store, StoreError, View};
use tokio::runtime::{Handle, RuntimeFlavor};

/// Runs blocking work where it is, and lets another thread serve meanwhile. A runtime of one thread has nobody to
/// hand over to; there, as outside of any runtime, it is a plain call.
pub(crate) fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current() {
        Ok(runtime) if runtime.runtime_flavor() == RuntimeFlavor::MultiThread => {
            tokio::task::block_in_place(work)
        }
        _ => work(),
    }
}

/// The store, whose reads go aside; all else is [`Store`]'s own.
pub(crate) struct PatientStore(pub(crate) Store);

impl PatientStore {
    /// As [`Store::read`].
    pub(crate) fn read<T>(&self, read: impl Fn(&View<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        aside(|| self.0.read(read))
    }

    /// As [`Store::read_or_refuse`].
    pub(crate) fn read_or_refuse<T>(
        &self,
        read: impl Fn(&View<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        aside(|| self.0.read_or_refuse(read))
    }
}

impl Deref for PatientStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.0
    }
}
