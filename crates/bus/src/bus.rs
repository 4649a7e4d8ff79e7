//! The bus itself: an open messaging.db and the folder of its runtime files.

use crate::database::{self, Database, Role};
use crate::doorbell::{self, Bell, Doorbell, SAFETY_POLL, Unheard};
use crate::error::BusError;
use crate::fence::{Fence, High, Identity};
use crate::mapping::Mapping;
use crate::pool::{Checkout, Pool};
use crate::registry;
use crate::slot::{self, Seat, SlotFault, Slots};
use crate::system;
use crate::write::{nanos, try_flock};
use model::{Clock, Entropy, RegistrationId};
use rusqlite::Connection;
use std::collections::HashMap;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
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

/// What a deployment or a test sets and everybody else leaves alone.
#[derive(Debug, Clone)]
pub struct Options {
    /// Names the boot; none asks the system.
    pub boot: Option<String>,
    /// See [`WRITE_WAIT_MAX`].
    pub write_wait: Duration,
    /// How long a receiver trusts its bell; see [`SAFETY_POLL`].
    pub safety_poll: Duration,
    /// False: FIFOs alone, as where memory cannot be shared.
    pub slots: bool,
    /// Whose files these have to be; none is the effective user.
    pub uid: Option<u32>,
    /// The kind of file system (`statfs`' number); none asks the system.
    pub file_system: Option<u32>,
    /// Whether file names are told apart by case alone being different; none asks the worktree's file system.
    pub folds_case: Option<bool>,
    /// Most pages (4 KiB) messaging.db may have; beyond it a write fails with [`BusError::Full`]. None: no bound
    /// but the disk.
    pub pages_max: Option<u32>,
    /// For a process that lives for one question. It reads on the connection it writes on, since a second one reads the
    /// schema once more; and when it ends and finds so many frames in the WAL (see [`BRIEF_FRAMES`](crate::BRIEF_FRAMES))
    /// it empties it, since the next one reads it from its beginning.
    pub brief: Option<i64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            boot: None,
            write_wait: WRITE_WAIT_MAX,
            safety_poll: SAFETY_POLL,
            slots: true,
            uid: None,
            file_system: None,
            folds_case: None,
            pages_max: None,
            brief: None,
        }
    }
}

/// What a process remembers about a registration it acts for.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) seat: Seat,
    /// For one that lives by lease.
    pub(crate) lease_ns: Option<i64>,
}

/// Somebody to be rung.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    pub(crate) id: RegistrationId,
    /// Out of range when it has none.
    pub(crate) slot: u32,
    pub(crate) tag: u64,
}

/// Everybody registered, as of a version of the registry.
type Members = (u32, Arc<Vec<Member>>);

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
    pub(crate) slots: Arc<Slots>,
    /// The daemon's FIFO.
    pub(crate) unheard: Unheard,
    pub(crate) safety_poll: Duration,
    pub(crate) pages_max: Option<u32>,
    pub(crate) brief: Option<i64>,
    pub(crate) folding: Option<bool>,
    pub(crate) foldings: Mutex<HashMap<String, bool>>,
    /// What this process has mapped, as it was when the bus was opened.
    pub(crate) maps: String,
    known: Mutex<HashMap<RegistrationId, Known>>,
    members: Mutex<Option<Members>>,
    writers: Pool<Database>,
    /// For writes that must survive a power cut.
    synced: Pool<Database>,
    /// The janitor's own.
    house: Pool<Database>,
    readers: Pool<Database>,
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
        if let Err(error) = DirBuilder::new().recursive(true).mode(0o700).create(&runtime) {
            return Err(refused(error, &runtime, "making"));
        }
        refuse_remote(dir, options.file_system)?;
        let uid = options.uid.unwrap_or_else(|| rustix::process::geteuid().as_raw());
        refuse_foreign(&dir.join("messaging.db"), uid)?;
        let boot = match options.boot {
            Some(boot) => boot,
            None => system::boot_id().map_err(BusError::io("reading the boot id"))?,
        };
        let mut seed = [0u8; 8];
        entropy.fill(&mut seed);
        let slots = Arc::new(Slots::open(&runtime, &boot, uid, !options.slots)?);
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
            slots,
            unheard: Unheard::new(),
            safety_poll: options.safety_poll,
            pages_max: options.pages_max,
            brief: options.brief,
            folding: options.folds_case,
            foldings: Mutex::default(),
            maps: std::fs::read_to_string("/proc/self/maps").unwrap_or_default(),
            known: Mutex::default(),
            members: Mutex::default(),
            writers: Pool::new(1),
            synced: Pool::new(1),
            house: Pool::new(1),
            readers: Pool::new(READERS_MAX),
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
        let seat = match bell {
            Bell::Daemon => Some(self.inner.slots.seat(0, slot::DAEMON)),
            Bell::Registration(id) => self.inner.known(id)?.map(|known| known.seat),
        };
        Doorbell::listen_in(&self.inner.bell(&bell.file_name()), seat)
    }

    /// Rings the daemon's bell with nothing to be heard, so that whoever listens there sees what else has changed.
    pub fn wake_daemon(&self) {
        self.inner.call_daemon(self.inner.slots.mapping().as_deref());
    }

    /// Why sessions of this process have no slots in shared memory; none when they have. Without them bells are
    /// FIFOs and heartbeats are rows.
    pub fn slot_fault(&self) -> Option<SlotFault> {
        self.inner.slots.fault()
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
    pub(crate) fn writer(&self) -> Result<Checkout<'_, Database>, BusError> {
        self.lend(&self.writers, Role::Writer)
    }

    pub(crate) fn synced(&self) -> Result<Checkout<'_, Database>, BusError> {
        self.lend(&self.synced, Role::Synced)
    }

    pub(crate) fn house(&self, role: Role) -> Result<Checkout<'_, Database>, BusError> {
        self.lend(&self.house, role)
    }

    pub(crate) fn reader(&self) -> Result<Checkout<'_, Database>, BusError> {
        // In the middle of a write there is no idle one.
        if self.brief.is_some() && self.writers.has_idle() {
            return self.lend(&self.writers, Role::Writer);
        }
        self.lend(&self.readers, Role::Reader)
    }

    /// A connection for a look that need not find anything: when it comes back empty, whoever looks asks again by
    /// [`Self::reader`]. It may be on a file that has lost its name, of which what it finds is true all the same.
    pub(crate) fn glancing(&self) -> Result<Option<Checkout<'_, Database>>, BusError> {
        let checkout = self.readers.take(self.write_wait)?;
        Ok(checkout.lent.is_some().then_some(checkout))
    }

    /// A connection whose file was replaced or deleted under us is dropped: writing on in a file without a
    /// name would be a second bus that nobody else sees.
    fn lend<'a>(&'a self, pool: &'a Pool<Database>, role: Role) -> Result<Checkout<'a, Database>, BusError> {
        let mut checkout = pool.take(self.write_wait)?;
        let present = Identity::of(&self.path)?;
        if checkout.lent.as_ref().is_none_or(|open| Some(open.identity) != present) {
            checkout.lent = None;
            checkout.lent = Some(database::open(self, role)?);
        }
        Ok(checkout)
    }

    /// Where a living registration sits and how it lives; remembered, since neither changes while it lives.
    pub(crate) fn known(&self, id: RegistrationId) -> Result<Option<Known>, BusError> {
        if let Some(known) = self.remembered().get(&id)
            && known.seat.occupied().is_some()
        {
            return Ok(Some(known.clone()));
        }
        let found = self.read(|conn| registry::entry(conn, id))?;
        let known = found.filter(registry::Entry::is_present).and_then(|entry| {
            let lease_ns = entry.lease().map(nanos);
            entry.seat(self).map(|seat| Known { seat, lease_ns })
        });
        match &known {
            Some(known) => self.remembered().insert(id, known.clone()),
            None => self.remembered().remove(&id),
        };
        Ok(known)
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, HashMap<RegistrationId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everybody registered; read again when somebody came or went.
    pub(crate) fn members(
        &self,
        conn: &Connection,
        mapping: Option<&Mapping>,
    ) -> Result<Arc<Vec<Member>>, BusError> {
        let version = mapping.map(|mapping| mapping.table().header.registry.load(Ordering::SeqCst));
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(version), Some((of, known))) = (version, &*members)
            && *of == version
        {
            return Ok(Arc::clone(known));
        }
        let fresh = Arc::new(registry::members(conn)?);
        *members = version.map(|version| (version, Arc::clone(&fresh)));
        Ok(fresh)
    }

    /// The name of a bell that nobody else has.
    pub(crate) fn one_bell(&self, prefix: &str) -> String {
        let mut random = [0u8; 16];
        self.entropy.fill(&mut random);
        format!("{prefix}{:032x}.bell", u128::from_le_bytes(random))
    }

    /// Rings every bell whose name begins so. Those nobody hears any more go.
    pub(crate) fn ring_all(&self, prefix: &str) {
        let Ok(files) = std::fs::read_dir(&self.runtime) else { return };
        for file in files.flatten() {
            let is_one = file.file_name().to_str().is_some_and(|name| name.starts_with(prefix));
            if is_one && !doorbell::ring(&file.path()) {
                let _ = rustix::fs::unlink(file.path());
            }
        }
    }

    /// Rings the daemon, when there may be one. One with a slot is seen there; only one that cannot map the slots
    /// listens at its FIFO alone, and a FIFO that was just found without a listener need not be tried again at once.
    pub(crate) fn call_daemon(&self, mapping: Option<&Mapping>) {
        let slot = slot::find(mapping, 0, slot::DAEMON);
        if mapping.is_some() && slot.is_none() && self.unheard.is_recent() {
            return;
        }
        slot::ring(slot, || {
            if !doorbell::ring(&self.bell(&Bell::Daemon.file_name())) {
                self.unheard.note();
            }
        });
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
            .map_err(|error| refused(error, &path, "opening"))
    }

    /// One process at a time creates, migrates or raises the fence. Nothing can be said without a bus, so whoever makes it is
    /// waited for by the hasty, too: up to [`WRITE_WAIT_MAX`].
    pub(crate) fn opening(&self) -> Result<File, BusError> {
        let file = self.runtime_file("opening")?;
        let begun = Instant::now();
        let mut deadline = begun + self.write_wait;
        while !try_flock(&file)? {
            let now = Instant::now();
            if !Fence::is_there(&self.dir) {
                deadline = deadline.max((now + self.write_wait).min(begun + WRITE_WAIT_MAX));
            }
            if now >= deadline {
                return Err(BusError::Busy(self.write_wait));
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(file)
    }
}

/// SQLite's locks and shared memory do not work on these.
fn refuse_remote(dir: &Path, given: Option<u32>) -> Result<(), BusError> {
    let magic = match given {
        Some(magic) => magic,
        None => {
            let stat = rustix::fs::statfs(dir)
                .map_err(|error| BusError::io(format!("looking at {}", dir.display()))(error.into()))?;
            // The field's type differs between machines; the numbers are 32 bits wide on all of them.
            stat.f_type as u32
        }
    };
    match remote_kind(magic) {
        Some(kind) => Err(BusError::RemoteFileSystem { path: dir.to_owned(), kind }),
        None => Ok(()),
    }
}

/// Rows of another user's sessions would be trusted, and files made by root could not be written by them again.
fn refuse_foreign(path: &Path, uid: u32) -> Result<(), BusError> {
    match rustix::fs::statat(rustix::fs::CWD, path, rustix::fs::AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if stat.st_uid != uid => {
            Err(BusError::ForeignOwner { path: path.to_owned(), uid: stat.st_uid })
        }
        _ => Ok(()),
    }
}

/// A folder that may not be written is told from other faults.
pub(crate) fn refused(error: std::io::Error, path: &Path, doing: &str) -> BusError {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    match error.kind() {
        PermissionDenied | ReadOnlyFilesystem => BusError::ReadOnly(path.to_owned()),
        _ => BusError::io(format!("{doing} {}", path.display()))(error),
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
