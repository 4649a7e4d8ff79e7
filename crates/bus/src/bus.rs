//! The bus itself: an open messaging.db and the folder of its runtime files.

use crate::database::{self, Role};
use crate::doorbell::{Bell, Doorbell};
use crate::error::BusError;
use crate::fence::{High, Identity};
use crate::slot::{Checkout, Slot};
use crate::system;
use crate::write::try_flock;
use model::{Clock, Entropy};
use rusqlite::Connection;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};

/// Longest time a write waits for other writers before it gives up with [`BusError::Busy`].
pub const WRITE_WAIT_MAX: Duration = Duration::from_secs(5);
/// Connections that read at the same time in one process.
const READERS_MAX: usize = 4;

/// A handle on the bus of one workspace. Clones share connections; any thread may use it.
#[derive(Clone)]
pub struct Bus {
    pub(crate) inner: Arc<Inner>,
}

/// What tests set and everybody else leaves alone.
#[derive(Debug, Clone)]
pub struct Options {
    /// Names the boot; none asks the system.
    pub boot: Option<String>,
    /// See [`WRITE_WAIT_MAX`].
    pub write_wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { boot: None, write_wait: WRITE_WAIT_MAX }
    }
}

pub(crate) struct Inner {
    pub(crate) dir: PathBuf,
    pub(crate) path: PathBuf,
    runtime: PathBuf,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) boot: String,
    pub(crate) write_wait: Duration,
    pub(crate) high: High,
    pub(crate) dice: Arc<AtomicU64>,
    /// A thread of this process stands in line at `wlock`.
    pub(crate) lining_up: Arc<AtomicBool>,
    writers: Slot,
    readers: Slot,
}

impl Bus {
    /// Opens (or creates) messaging.db in `dir`; runtime files go to `dir/rt`. The folder must be on a local file system.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Result<Self, BusError> {
        Self::open_with(dir, clock, entropy, Options::default())
    }

    pub fn open_with(
        dir: &Path,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        options: Options,
    ) -> Result<Self, BusError> {
        let runtime = dir.join("rt");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&runtime)
            .map_err(BusError::io(format!("making {}", runtime.display())))?;
        refuse_remote(dir)?;
        let boot = match options.boot {
            Some(boot) => boot,
            None => system::boot_id().map_err(BusError::io("reading the boot id"))?,
        };
        let mut seed = [0u8; 8];
        entropy.fill(&mut seed);
        let inner = Inner {
            dir: dir.to_owned(),
            path: dir.join("messaging.db"),
            runtime,
            clock,
            entropy,
            boot,
            write_wait: options.write_wait,
            high: High::open(dir)?,
            dice: Arc::new(AtomicU64::new(u64::from_le_bytes(seed))),
            lining_up: Arc::new(AtomicBool::new(false)),
            writers: Slot::new(1),
            readers: Slot::new(READERS_MAX),
        };
        drop(inner.writer()?);
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Names the present life of this messaging.db. It changes when the file is made anew or put back
    /// from a copy, and with every boot; ids of notices and outbox rows mean nothing across generations.
    pub fn generation(&self) -> Result<String, BusError> {
        self.inner.read(generation)
    }

    /// Listens at a bell. One listener per bell; two take each other's rings.
    pub fn doorbell(&self, bell: Bell) -> Result<Doorbell, BusError> {
        Doorbell::listen(&self.inner.bell(&bell.file_name()))
    }
}

pub(crate) fn generation(conn: &Connection) -> Result<String, BusError> {
    conn.prepare_cached("SELECT birth, epoch FROM bus_state WHERE id = 1")?
        .query_row([], |row| Ok(name_generation(&row.get::<_, String>(0)?, row.get(1)?)))
        .map_err(BusError::from)
}

pub(crate) fn name_generation(birth: &str, epoch: i64) -> String {
    format!("{birth}-{epoch}")
}

impl Inner {
    pub(crate) fn writer(&self) -> Result<Checkout<'_>, BusError> {
        self.lend(&self.writers, Role::Writer)
    }

    pub(crate) fn reader(&self) -> Result<Checkout<'_>, BusError> {
        self.lend(&self.readers, Role::Reader)
    }

    /// A connection whose file was replaced or deleted under us is dropped: writing on in a file without a
    /// name would be a second bus that nobody else sees.
    fn lend<'a>(&'a self, slot: &'a Slot, role: Role) -> Result<Checkout<'a>, BusError> {
        let mut checkout = slot.take(self.write_wait)?;
        let present = Identity::of(&self.path)?;
        if checkout.database.as_ref().is_none_or(|open| Some(open.identity) != present) {
            checkout.database = None;
            checkout.database = Some(database::open(self, role)?);
        }
        Ok(checkout)
    }

    pub(crate) fn bell(&self, name: &str) -> PathBuf {
        self.runtime.join(name)
    }

    /// A file to lock in the runtime folder.
    pub(crate) fn runtime_file(&self, name: &str) -> Result<File, BusError> {
        let path = self.runtime.join(name);
        File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(BusError::io(format!("opening {}", path.display())))
    }

    /// One process at a time creates, migrates or raises the fence.
    pub(crate) fn opening(&self) -> Result<File, BusError> {
        let file = self.runtime_file("opening")?;
        let deadline = Instant::now() + self.write_wait;
        while !try_flock(&file)? {
            if Instant::now() >= deadline {
                return Err(BusError::Busy(self.write_wait));
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(file)
    }
}

/// SQLite's locks and shared memory do not work on these.
fn refuse_remote(dir: &Path) -> Result<(), BusError> {
    let stat = rustix::fs::statfs(dir)
        .map_err(|error| BusError::io(format!("looking at {}", dir.display()))(error.into()))?;
    // The field's type differs between machines; the numbers are 32 bits wide on all of them.
    match remote_kind(stat.f_type as u32) {
        Some(kind) => Err(BusError::RemoteFileSystem { path: dir.to_owned(), kind }),
        None => Ok(()),
    }
}

fn remote_kind(magic: u32) -> Option<&'static str> {
    match magic {
        0x6969 => Some("NFS"),
        0x517b | 0xfe53_4d42 | 0xff53_4d42 => Some("SMB"),
        0x0102_1997 => Some("9p"),
        0x6573_5546 => Some("FUSE"),
        0x00c3_6400 => Some("Ceph"),
        0x5346_414f => Some("AFS"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remote_file_systems_are_told_from_local_ones() {
        for (magic, kind) in
            [(0x6969, Some("NFS")), (0x6573_5546, Some("FUSE")), (0xef53, None), (0x0102_1994, None)]
        {
            assert_eq!(remote_kind(magic), kind);
        }
    }
}
