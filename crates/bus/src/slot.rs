//! Slots: one per registration, in memory shared by every process on the bus. A slot is where its session is rung,
//! where it shows that it lives and what it does, and how far it has read.
//!
//! Invariant: nothing rests on a slot. Losing the file costs time (rings are missed until the safety poll, heartbeats
//! are as old as the last flushed ones), never a notice or a lock. The file is made whole and renamed into place, it
//! belongs to one boot and one layout, and a file of another user is not touched.

use crate::error::BusError;
use crate::mapping::{LENGTH, Mapping, SLOTS, Slot, Table};
use crate::write::try_flock;
use model::RegistrationId;
use rustix::fs::{CWD, Stat, statat};
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

const MAGIC: u64 = u64::from_ne_bytes(*b"CDBSBELL");
/// Rises when the meaning of a byte changes. Processes of two layouts do not share slots, they use their FIFOs: the
/// file is the newer one's, which is renamed over the older one's.
pub(crate) const LAYOUT: u32 = 2;
/// How long making the file may take somebody else.
const MAKING_MAX: Duration = Duration::from_secs(1);
/// How long a mapped file that stands counts as the one in place without being looked for by its name.
const NAME_TRUSTED: Duration = Duration::from_millis(100);
/// The daemon's tag: no registration has it.
pub(crate) const DAEMON: u64 = 1;

/// How the owner of a slot waits.
pub(crate) const AWAKE: u32 = 0;
/// In the futex.
pub(crate) const PARKED: u32 = 1;
/// At its FIFO.
pub(crate) const WATCHING: u32 = 2;

/// Why there are no slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotFault {
    /// A newer version of the product made the file and may be using it.
    OtherLayout { found: u32 },
    /// They were not asked for.
    Off,
    /// The file cannot be made or mapped.
    Unusable,
}

/// The file of slots, found again whenever it was lost.
#[derive(Debug)]
pub(crate) struct Slots {
    runtime: PathBuf,
    path: PathBuf,
    boot: u64,
    uid: u32,
    off: bool,
    begun: Instant,
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    mapping: Option<Attached>,
    /// A file that was no use; it is not tried again.
    refused: Option<(FileId, SlotFault)>,
}

#[derive(Debug)]
struct Attached {
    id: FileId,
    mapping: Arc<Mapping>,
    /// When it was last found by its name, in ns since `begun`; 0 is never.
    found_ns: AtomicU64,
}

type FileId = (u64, u64);

impl Attached {
    fn is_trusted(&self, now: u64) -> bool {
        let found = self.found_ns.load(Relaxed);
        found > 0 && now.saturating_sub(found) < nanos(NAME_TRUSTED)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1)
}

fn id_of(stat: &Stat) -> FileId {
    (stat.st_dev, stat.st_ino)
}

fn whole(stat: &Stat) -> bool {
    usize::try_from(stat.st_size).unwrap_or(0) >= LENGTH
}

/// A registration's tag: the random tail of its id.
pub(crate) fn tag(id: RegistrationId) -> u64 {
    let text = id.to_string();
    let tail = text.get(text.len().saturating_sub(16)..).unwrap_or_default();
    u64::from_str_radix(tail, 16).unwrap_or(0).max(DAEMON + 1)
}

/// The bit of a channel in a slot's set of channels.
pub(crate) fn channel_bit(channel: &str) -> u64 {
    // FNV-1a: only a filter, so two channels may share a bit.
    let hash = channel
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    1 << ((hash ^ (hash >> 32)) & 63)
}

impl Slots {
    /// Opens or makes the file. A file of another user is an error; one of another layout is left alone.
    pub(crate) fn open(runtime: &Path, boot: &str, uid: u32, off: bool) -> Result<Self, BusError> {
        let slots = Self {
            runtime: runtime.to_owned(),
            path: runtime.join("bell.shm"),
            boot: boot_tag(boot),
            uid,
            off,
            begun: Instant::now(),
            state: RwLock::default(),
        };
        if !off {
            slots.owned()?;
            slots.mapping();
        }
        Ok(slots)
    }

    fn owned(&self) -> Result<(), BusError> {
        for path in [&self.runtime, &self.path] {
            if let Ok(stat) = statat(CWD, path, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
                && stat.st_uid != self.uid
            {
                return Err(BusError::ForeignOwner { path: path.clone(), uid: stat.st_uid });
            }
        }
        Ok(())
    }

    /// Why there are none, when there are none.
    pub(crate) fn fault(&self) -> Option<SlotFault> {
        if self.off {
            return Some(SlotFault::Off);
        }
        if self.mapping().is_some() {
            return None;
        }
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        Some(state.refused.map_or(SlotFault::Unusable, |(_, fault)| fault))
    }

    /// The mapping, when the file in place is the one mapped and whole. Asked before each use: whether it stands every
    /// time, and whether it is still the one under the name every [`NAME_TRUSTED`].
    pub(crate) fn mapping(&self) -> Option<Arc<Mapping>> {
        if self.off {
            return None;
        }
        let now = nanos(self.begun.elapsed());
        {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = &state.mapping
                && known.is_trusted(now)
                && known.mapping.stands()
            {
                return Some(Arc::clone(&known.mapping));
            }
        }
        let stat = statat(CWD, &self.path, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).ok();
        if let Some(stat) = &stat {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            match &state.mapping {
                Some(known) if known.id == id_of(stat) && whole(stat) => {
                    known.found_ns.store(now, Relaxed);
                    return Some(Arc::clone(&known.mapping));
                }
                _ => {}
            }
            if state.refused.is_some_and(|(id, _)| id == id_of(stat)) && whole(stat) {
                return None;
            }
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.mapping = None;
        match self.attach() {
            Ok((id, mapping)) => {
                let mapping = Arc::new(mapping);
                let found_ns = AtomicU64::new(now);
                state.mapping = Some(Attached { id, mapping: Arc::clone(&mapping), found_ns });
                state.refused = None;
                Some(mapping)
            }
            Err((id, fault)) => {
                state.refused = id.map(|id| (id, fault));
                None
            }
        }
    }

    /// Maps the file in place, after making it when it is missing, cut short or of another boot.
    fn attach(&self) -> Result<(FileId, Mapping), (Option<FileId>, SlotFault)> {
        let unusable = |_| (None, SlotFault::Unusable);
        let making = self.making().map_err(unusable)?;
        for _ in 0..2 {
            let stat = statat(CWD, &self.path, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).ok();
            if let Some(stat) = stat.filter(whole) {
                if stat.st_uid != self.uid {
                    return Err((Some(id_of(&stat)), SlotFault::Unusable));
                }
                let mapping =
                    Mapping::open(&self.path).map_err(|_| (Some(id_of(&stat)), SlotFault::Unusable))?;
                match self.judge(mapping.table()) {
                    Verdict::Ours => return Ok((id_of(&stat), mapping)),
                    Verdict::OtherLayout(found) => {
                        return Err((Some(id_of(&stat)), SlotFault::OtherLayout { found }));
                    }
                    Verdict::Stale => {}
                }
            }
            self.make().map_err(unusable)?;
        }
        drop(making);
        Err((None, SlotFault::Unusable))
    }

    fn judge(&self, table: &Table) -> Verdict {
        let header = &table.header;
        if header.magic.load(SeqCst) != MAGIC {
            return Verdict::Stale;
        }
        let layout = header.layout.load(SeqCst);
        if layout > LAYOUT {
            return Verdict::OtherLayout(layout);
        }
        if is_current(table, self.boot) { Verdict::Ours } else { Verdict::Stale }
    }

    /// One process at a time makes the file; two would each rename theirs over the other's.
    fn making(&self) -> Result<File, BusError> {
        let path = self.runtime.join("slots");
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(BusError::io(format!("opening {}", path.display())))?;
        let deadline = Instant::now() + MAKING_MAX;
        while !try_flock(&file)? {
            if Instant::now() >= deadline {
                return Err(BusError::Busy(MAKING_MAX));
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(file)
    }

    fn make(&self) -> Result<(), BusError> {
        let mut bytes = vec![0u8; LENGTH];
        bytes[..8].copy_from_slice(&MAGIC.to_ne_bytes());
        bytes[8..12].copy_from_slice(&LAYOUT.to_ne_bytes());
        bytes[12..16].copy_from_slice(&(SLOTS as u32).to_ne_bytes());
        bytes[16..24].copy_from_slice(&self.boot.to_ne_bytes());
        let place = || -> std::io::Result<()> {
            let fresh = self.runtime.join("bell.shm.new");
            let mut file =
                File::options().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
            file.write_all(&bytes)?;
            std::fs::rename(&fresh, &self.path)
        };
        place().map_err(BusError::io("making bell.shm"))
    }

    /// A place in the table; it is looked up again at each use.
    pub(crate) fn seat(self: &Arc<Self>, index: u32, tag: u64) -> Seat {
        self.seat_with(index, tag, Plate::default())
    }

    /// The same for whoever may take it: then this stands on it.
    pub(crate) fn seat_with(self: &Arc<Self>, index: u32, tag: u64, plate: Plate) -> Seat {
        Seat { slots: Arc::clone(self), index: index as usize, tag, plate }
    }

    /// Somebody came or went.
    pub(crate) fn registry_changed(&self) {
        if let Some(mapping) = self.mapping() {
            mapping.table().header.registry.fetch_add(1, SeqCst);
        }
    }

    /// When the janitor last went round, in ns since boot; 0 is never.
    pub(crate) fn janitor_ns(&self) -> u64 {
        self.mapping().map_or(0, |mapping| mapping.table().header.janitor_ns.load(SeqCst))
    }

    pub(crate) fn set_janitor_ns(&self, now: u64) {
        if let Some(mapping) = self.mapping() {
            mapping.table().header.janitor_ns.store(now, SeqCst);
        }
    }
}

enum Verdict {
    Ours,
    OtherLayout(u32),
    /// Nothing of ours, of a boot that is over, or of an older layout.
    Stale,
}

/// What stands on a slot for as long as its owner has it: enough to judge, without messaging.db, where somebody works
/// and whether it is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Plate {
    pub(crate) worktree: u64,
    pub(crate) pid: u32,
    pub(crate) process_start: u64,
    pub(crate) pid_namespace: u64,
    pub(crate) lease_ns: u64,
}

impl Plate {
    fn fix_to(self, slot: &Slot) {
        slot.worktree.store(self.worktree, SeqCst);
        slot.pid.store(self.pid, SeqCst);
        slot.process_start.store(self.process_start, SeqCst);
        slot.pid_namespace.store(self.pid_namespace, SeqCst);
        slot.lease_ns.store(self.lease_ns, SeqCst);
    }

    pub(crate) fn read(slot: &Slot) -> Self {
        Self {
            worktree: slot.worktree.load(SeqCst),
            pid: slot.pid.load(SeqCst),
            process_start: slot.process_start.load(SeqCst),
            pid_namespace: slot.pid_namespace.load(SeqCst),
            lease_ns: slot.lease_ns.load(SeqCst),
        }
    }
}

/// A worktree's tag, from its canonical path.
pub(crate) fn worktree_tag(path: &str) -> u64 {
    first_eight(path).max(1)
}

/// The present boot as the header names it.
pub(crate) fn boot_tag(boot: &str) -> u64 {
    first_eight(boot)
}

fn first_eight(text: &str) -> u64 {
    let hash = blake3::hash(text.as_bytes());
    let mut first = [0u8; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_ne_bytes(first)
}

/// Whether this is a table as this version makes it in this boot.
pub(crate) fn is_current(table: &Table, boot: u64) -> bool {
    let header = &table.header;
    header.magic.load(SeqCst) == MAGIC
        && header.layout.load(SeqCst) == LAYOUT
        && header.slots.load(SeqCst) as usize == SLOTS
        && header.boot.load(SeqCst) == boot
}

/// What became of a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rung {
    /// The receiver is awake and will look: no system call.
    Elided,
    Woken,
    /// It listens at its FIFO, or the slot is not (yet) its own.
    ByFifo,
}

/// Somebody's slot.
#[derive(Debug, Clone)]
pub(crate) struct Seat {
    slots: Arc<Slots>,
    index: usize,
    tag: u64,
    plate: Plate,
}

/// A slot that is there now.
pub(crate) struct Occupied {
    mapping: Arc<Mapping>,
    index: usize,
}

impl std::ops::Deref for Occupied {
    type Target = Slot;

    fn deref(&self) -> &Slot {
        &self.mapping.table().slots[self.index]
    }
}

impl Seat {
    /// The slot, when it bears our tag.
    pub(crate) fn occupied(&self) -> Option<Occupied> {
        let mapping = self.slots.mapping()?;
        (self.index < SLOTS).then_some(())?;
        let occupied = Occupied { mapping, index: self.index };
        (occupied.owner.load(SeqCst) == self.tag).then_some(occupied)
    }

    /// The slot, taken if it is not ours yet. Only whoever acts for the owner may ask, since the table of
    /// registrations has said that the place is its own.
    pub(crate) fn take(&self) -> Option<Occupied> {
        if let Some(occupied) = self.occupied() {
            return Some(occupied);
        }
        let mapping = self.slots.mapping()?;
        (self.index < SLOTS).then_some(())?;
        let slot = &mapping.table().slots[self.index];
        slot.waiting.store(AWAKE, SeqCst);
        slot.heartbeat_ns.store(0, SeqCst);
        slot.flushed_ns.store(0, SeqCst);
        slot.delivered.store(0, SeqCst);
        slot.channels.store(u64::MAX, SeqCst);
        slot.status.store(0, SeqCst);
        self.plate.fix_to(slot);
        slot.owner.store(self.tag, SeqCst);
        mapping.table().header.registry.fetch_add(1, SeqCst);
        Some(Occupied { mapping, index: self.index })
    }

    /// Gives the slot back and wakes who waits there.
    pub(crate) fn leave(&self) {
        if let Some(slot) = self.occupied() {
            slot.owner.store(0, SeqCst);
            slot.bell.fetch_add(1, SeqCst);
            wake(&slot);
        }
    }
}

/// Rings in the slot, or at the FIFO when there is none or its owner listens there.
pub(crate) fn ring(slot: Option<&Slot>, fifo: impl FnOnce()) -> Rung {
    if let Some(slot) = slot {
        slot.bell.fetch_add(1, SeqCst);
        match slot.waiting.load(SeqCst) {
            AWAKE => return Rung::Elided,
            PARKED => {
                wake(slot);
                return Rung::Woken;
            }
            _ => {}
        }
    }
    fifo();
    Rung::ByFifo
}

/// The slot at this place, when it bears the tag; for whoever rings many and has looked at the file once.
pub(crate) fn find(mapping: Option<&Mapping>, index: u32, tag: u64) -> Option<&Slot> {
    let slot = mapping?.table().slots.get(index as usize)?;
    (slot.owner.load(SeqCst) == tag).then_some(slot)
}

#[cfg(target_os = "linux")]
fn wake(slot: &Slot) {
    // Shared between processes, so without FUTEX_PRIVATE.
    let _ = rustix::thread::futex::wake(&slot.bell, rustix::thread::futex::Flags::empty(), i32::MAX as u32);
}

#[cfg(not(target_os = "linux"))]
fn wake(_: &Slot) {}

/// Parks until the bell differs from `seen` or the time is over. The kernel compares and parks in one step, so a ring in
/// between is not lost. Afterwards the slot is to be looked up again before it is touched, and set awake: the file may
/// have been cut short in the meantime.
#[cfg(target_os = "linux")]
pub(crate) fn park(slot: &Slot, seen: u32, limit: &rustix::event::Timespec) {
    slot.waiting.store(PARKED, SeqCst);
    let _ = rustix::thread::futex::wait(&slot.bell, rustix::thread::futex::Flags::empty(), seen, Some(limit));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &Path, boot: &str) -> Arc<Slots> {
        Arc::new(Slots::open(dir, boot, rustix::process::geteuid().as_raw(), false).unwrap())
    }

    fn at(dir: &Path) -> PathBuf {
        dir.join("bell.shm")
    }

    #[test]
    fn two_who_map_the_file_see_one_table() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (open(dir.path(), "one"), open(dir.path(), "one"));
        a.seat(3, 7).take().unwrap().heartbeat_ns.store(42, SeqCst);
        assert_eq!(b.seat(3, 7).occupied().unwrap().heartbeat_ns.load(SeqCst), 42);
        assert!(b.seat(3, 8).occupied().is_none(), "another one's");
        assert_eq!(a.mapping().unwrap().table().header.registry.load(SeqCst), 1);
        a.seat(3, 7).leave();
        assert!(b.seat(3, 7).occupied().is_none());
        assert!(a.seat(SLOTS as u32, 7).take().is_none(), "no such slot");
    }

    #[test]
    fn whoever_is_awake_is_not_woken() {
        let dir = tempfile::tempdir().unwrap();
        let slots = open(dir.path(), "one");
        let seat = slots.seat(1, 7);
        let ring = || super::ring(seat.occupied().as_deref(), || ());
        assert_eq!(ring(), Rung::ByFifo, "nobody sits there");
        let slot = seat.take().unwrap();
        assert_eq!(ring(), Rung::Elided);
        slot.waiting.store(PARKED, SeqCst);
        assert_eq!(ring(), Rung::Woken);
        slot.waiting.store(WATCHING, SeqCst);
        assert_eq!(ring(), Rung::ByFifo);
        assert_eq!(slot.bell.load(SeqCst), 3);
        let mapping = slots.mapping();
        assert!(find(mapping.as_deref(), 1, 7).is_some() && find(mapping.as_deref(), 1, 8).is_none());
    }

    #[test]
    fn a_file_cut_short_or_of_another_boot_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let slots = open(dir.path(), "one");
        slots.seat(1, 7).take().unwrap();
        File::options().write(true).open(at(dir.path())).unwrap().set_len(100).unwrap();
        assert!(slots.seat(1, 7).occupied().is_none(), "and the process lives");
        assert!(slots.seat(1, 7).take().is_some());
        let later = open(dir.path(), "two");
        assert!(later.seat(1, 7).occupied().is_none());
        std::fs::write(at(dir.path()), vec![0xa5; LENGTH]).unwrap();
        assert!(open(dir.path(), "two").seat(1, 7).take().is_some(), "rubbish");
        std::fs::remove_file(at(dir.path())).unwrap();
        assert!(later.seat(1, 7).take().is_some() && at(dir.path()).exists(), "gone");
    }

    #[test]
    fn a_file_that_was_moved_away_is_missed_at_the_next_look_for_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let slots = open(dir.path(), "one");
        slots.seat(1, 7).take().unwrap();
        std::fs::rename(at(dir.path()), dir.path().join("elsewhere")).unwrap();
        // As if the last look had been long ago.
        slots.state.read().unwrap().mapping.as_ref().unwrap().found_ns.store(0, SeqCst);
        assert!(slots.seat(1, 7).occupied().is_none() && at(dir.path()).exists());
        let state = slots.state.read().unwrap();
        let known = state.mapping.as_ref().unwrap();
        let found = known.found_ns.load(SeqCst);
        assert!(known.is_trusted(found + nanos(NAME_TRUSTED) - 1));
        assert!(!known.is_trusted(found + nanos(NAME_TRUSTED)));
    }

    fn with_layout(dir: &Path, layout: u32) -> Vec<u8> {
        let mut bytes = std::fs::read(at(dir)).unwrap();
        bytes[8..12].copy_from_slice(&layout.to_ne_bytes());
        std::fs::write(at(dir), &bytes).unwrap();
        bytes
    }

    #[test]
    fn a_file_of_an_older_layout_gives_way_and_who_has_it_mapped_lives() {
        let dir = tempfile::tempdir().unwrap();
        let old = open(dir.path(), "one");
        old.seat(1, 7).take().unwrap();
        with_layout(dir.path(), LAYOUT - 1);
        let mapped = old.mapping().unwrap();
        let new = open(dir.path(), "one");
        assert_eq!(new.fault(), None);
        assert!(new.seat(1, 7).occupied().is_none(), "nothing is read by another meaning");
        mapped.table().slots[1].heartbeat_ns.store(5, SeqCst);
        assert_eq!(new.mapping().unwrap().table().slots[1].heartbeat_ns.load(SeqCst), 0, "another file");
    }

    #[test]
    fn a_slot_says_where_its_owner_works_and_what_its_life_hangs_on() {
        let dir = tempfile::tempdir().unwrap();
        let slots = open(dir.path(), "one");
        let plate =
            Plate { worktree: worktree_tag("/w"), pid: 7, process_start: 9, pid_namespace: 1, lease_ns: 0 };
        let seat = slots.seat_with(1, 7, plate);
        assert_eq!(Plate::read(&seat.take().unwrap()), plate);
        File::options().write(true).open(at(dir.path())).unwrap().set_len(0).unwrap();
        assert_eq!(Plate::read(&seat.take().unwrap()), plate, "also when the file was lost");
        seat.leave();
        let next = slots.seat(1, 8).take().unwrap();
        assert_eq!(Plate::read(&next), Plate::default(), "nothing of the last owner stays");
        assert_ne!(worktree_tag("/w"), worktree_tag("/w/"));
    }

    #[test]
    fn a_file_of_a_newer_layout_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path(), "one"));
        let bytes = with_layout(dir.path(), 99);
        let slots = open(dir.path(), "one");
        assert_eq!(slots.fault(), Some(SlotFault::OtherLayout { found: 99 }));
        assert!(slots.seat(1, 7).take().is_none());
        assert_eq!(std::fs::read(at(dir.path())).unwrap(), bytes);
    }

    #[test]
    fn a_file_of_another_user_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path(), "one"));
        let stranger = rustix::process::geteuid().as_raw() + 1;
        let refused = Slots::open(dir.path(), "one", stranger, false);
        assert!(matches!(refused, Err(BusError::ForeignOwner { uid, .. }) if uid + 1 == stranger));
    }

    #[test]
    fn a_channel_has_a_bit_of_its_own_mostly() {
        let bits: Vec<u64> =
            ["state", "file_conflict", "task_broadcast", "heartbeat"].map(channel_bit).into();
        assert!(bits.iter().all(|bit| bit.count_ones() == 1));
        assert_eq!(bits.iter().fold(0, |all, bit| all | bit).count_ones(), 4);
    }
}
