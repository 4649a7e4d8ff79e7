//! The bus itself: an open messaging.db and the folder of its runtime files.

use crate::doorbell::{Bell, Doorbell};
use crate::error::BusError;
use model::{Clock, Entropy};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A handle on the bus of one workspace. Clones share connections; any thread may use it.
#[derive(Clone)]
pub struct Bus {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Bus {
    /// Opens (or creates) messaging.db in `dir`; runtime files go to `dir/rt`.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Result<Self, BusError> {
        Ok(Self { inner: Arc::new(Inner { dir: dir.to_owned(), clock, entropy }) })
    }

    /// Names this messaging.db; a new one when it was made anew. Cursors mean nothing across generations.
    pub fn generation(&self) -> String {
        let _ = (&self.inner.clock, &self.inner.entropy);
        todo!()
    }

    /// Listens at a bell. One listener per bell.
    pub fn doorbell(&self, bell: Bell) -> Result<Doorbell, BusError> {
        Doorbell::listen(self.inner.dir.join("rt").join(bell.file_name()))
    }
}
