//! Doorbells: a slot and a FIFO per listener, rung after COMMIT. A bell carries no data: it says "look again".
//!
//! Who has a slot parks on its futex, and is not even rung while it is awake; the FIFO is for who has none, for who
//! watches a descriptor, and for systems without futexes.
//!
//! The reader opens its FIFO for reading and writing, so that it never sees an end of file; the
//! ringer opens it non-blocking, and the kernel tells it (`ENXIO`) when nobody listens any more.
//! A lost or stolen ring costs time only: whoever waits looks again every [`SAFETY_POLL`].

use crate::error::BusError;
use crate::slot::{self, Seat};
use model::RegistrationId;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Longest time a listener trusts its bell before it looks for itself; [`crate::Options::safety_poll`] sets another.
pub const SAFETY_POLL: Duration = Duration::from_millis(250);

/// How often a bell that vanishes while it is opened is made again.
const REMADE_MAX: u32 = 3;

/// Whose bell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bell {
    /// The daemon of this workspace: rung for every outbox row.
    Daemon,
    /// A registration: rung for its notices and when it loses a lock.
    Registration(RegistrationId),
}

impl Bell {
    pub(crate) fn file_name(self) -> String {
        match self {
            Self::Daemon => "daemon.bell".to_owned(),
            Self::Registration(id) => format!("{id}.bell"),
        }
    }
}

/// An open doorbell. One listener per bell: two would take each other's rings. Dropping it stops listening.
#[derive(Debug)]
pub struct Doorbell {
    fd: OwnedFd,
    /// Set for a bell with a name nobody else will use: the FIFO goes with its listener. The other bells
    /// stay, since a successor may already listen at them.
    own: Option<PathBuf>,
    seat: Option<Seat>,
    /// The count of rings in the slot that we know of.
    seen: AtomicU32,
    /// Somebody watches the descriptor, so rings have to go through it.
    watched: AtomicBool,
}

impl Doorbell {
    /// Listens at a bell whose name nobody else uses, and removes it in the end.
    pub(crate) fn listen_once(path: &Path) -> Result<Self, BusError> {
        let mut bell = Self::listen(path)?;
        bell.own = Some(path.to_owned());
        Ok(bell)
    }

    pub(crate) fn listen(path: &Path) -> Result<Self, BusError> {
        let fault = |doing: &str, error: Errno| {
            Err(BusError::io(format!("{doing} doorbell {}", path.display()))(error.into()))
        };
        let mut tries = 0;
        let fd = loop {
            match mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return fault("making", error),
            }
            match open(path, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()) {
                Ok(fd) => break fd,
                // Whoever cleared away an earlier listener took the name with it.
                Err(Errno::NOENT) if tries < REMADE_MAX => tries += 1,
                Err(error) => return fault("opening", error),
            }
        };
        Ok(Self { fd, own: None, seat: None, seen: AtomicU32::new(0), watched: AtomicBool::new(false) })
    }

    /// Listens in a slot too; the caller has made sure that it belongs to whom it listens for.
    pub(crate) fn listen_in(path: &Path, seat: Option<Seat>) -> Result<Self, BusError> {
        let mut bell = Self::listen(path)?;
        if let Some(seat) = seat {
            if let Some(slot) = seat.take() {
                slot.waiting.store(slot::AWAKE, SeqCst);
                bell.seen.store(slot.bell.load(SeqCst), SeqCst);
            }
            bell.seat = Some(seat);
        }
        Ok(bell)
    }

    /// Blocks until the bell rings or the time is over, and takes all rings so far. True when it rang.
    /// Look at what you wait for *after* this returns: a ring that comes later stays in the bell.
    pub fn wait(&self, timeout: Duration) -> Result<bool, BusError> {
        #[cfg(target_os = "linux")]
        if let Some(rung) = self.wait_in_slot(timeout) {
            return Ok(rung);
        }
        self.wait_beside(timeout, &[])
    }

    /// As [`Self::wait`] at the FIFO, and ends as well when one of the other descriptors has something to say.
    pub(crate) fn wait_beside(&self, timeout: Duration, others: &[OwnedFd]) -> Result<bool, BusError> {
        let mut fds = vec![PollFd::new(&self.fd, PollFlags::IN)];
        fds.extend(others.iter().map(|other| PollFd::new(other, PollFlags::IN)));
        match poll(&mut fds, Some(&timespec(timeout))) {
            Ok(0) | Err(Errno::INTR) => Ok(false),
            Ok(_) => {
                self.drain();
                Ok(true)
            }
            Err(error) => Err(BusError::io("waiting at a doorbell")(error.into())),
        }
    }

    /// None when there is no slot to wait in.
    #[cfg(target_os = "linux")]
    fn wait_in_slot(&self, timeout: Duration) -> Option<bool> {
        if self.watched.load(SeqCst) {
            return None;
        }
        let slot = self.seat.as_ref()?.occupied()?;
        let seen = self.seen.load(SeqCst);
        if slot.bell.load(SeqCst) == seen && !timeout.is_zero() {
            slot::park(&slot, seen, &timespec(timeout));
        }
        drop(slot);
        // Lost while we slept: whatever came is to be looked for.
        let Some(slot) = self.seat.as_ref().and_then(Seat::occupied) else { return Some(true) };
        slot.waiting.store(slot::AWAKE, SeqCst);
        let rings = slot.bell.load(SeqCst);
        self.seen.store(rings, SeqCst);
        if rings == seen {
            return Some(false);
        }
        Some(true)
    }

    /// True when it certainly has not rung since the last wait. Without a slot nobody can say.
    pub(crate) fn is_quiet(&self) -> bool {
        let slot = self.seat.as_ref().filter(|_| !self.watched.load(SeqCst)).and_then(Seat::occupied);
        slot.is_some_and(|slot| slot.bell.load(SeqCst) == self.seen.load(SeqCst))
    }

    /// Takes all rings so far without waiting; for callers that watch the descriptor themselves.
    pub fn drain(&self) {
        let mut rings = [0u8; 512];
        while rustix::io::read(&self.fd, &mut rings).is_ok_and(|count| count == rings.len()) {}
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}

/// From the first time the descriptor is asked for, rings go through it and are never elided.
impl AsFd for Doorbell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watched.store(true, SeqCst);
        if let Some(slot) = self.seat.as_ref().and_then(Seat::occupied) {
            slot.waiting.store(slot::WATCHING, SeqCst);
        }
        self.fd.as_fd()
    }
}

impl Drop for Doorbell {
    fn drop(&mut self) {
        if self.watched.load(SeqCst)
            && let Some(slot) = self.seat.as_ref().and_then(Seat::occupied)
        {
            slot.waiting.store(slot::AWAKE, SeqCst);
        }
        if let Some(path) = &self.own {
            let _ = rustix::fs::unlink(path);
        }
    }
}

/// When a FIFO was last found without a listener.
#[derive(Debug)]
pub(crate) struct Unheard {
    begun: Instant,
    /// Since then, in ms and one more; 0 is never.
    last_ms: AtomicU64,
}

impl Unheard {
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now(), last_ms: AtomicU64::new(0) }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
    }

    pub(crate) fn note(&self) {
        self.last_ms.store(self.now_ms(), SeqCst);
    }

    /// Less than [`SAFETY_POLL`] ago: who listens since then looks for itself as soon as that.
    pub(crate) fn is_recent(&self) -> bool {
        let last = self.last_ms.load(SeqCst);
        last > 0 && u128::from(self.now_ms() - last) < SAFETY_POLL.as_millis()
    }
}

/// Rings a bell; false when nobody listens. Never fails and never blocks: the rows are the truth, the bell only says
/// "look".
pub(crate) fn ring(path: &Path) -> bool {
    // `ENXIO` and `ENOENT` mean that nobody listens; a full pipe, that rings already wait to be heard.
    let Ok(fd) = open(path, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()) else {
        return false;
    };
    let _ = rustix::io::write(&fd, &[1]);
    true
}

/// True while somebody listens at the bell; rings nothing.
pub(crate) fn is_heard(path: &Path) -> bool {
    open(path, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bell_nobody_heard_is_tried_again_after_a_safety_poll() {
        let unheard = Unheard::new();
        assert!(!unheard.is_recent(), "never rung");
        unheard.note();
        assert!(unheard.is_recent());
        let last_ms = AtomicU64::new(unheard.now_ms());
        let begun = unheard.begun.checked_sub(SAFETY_POLL).unwrap();
        assert!(!Unheard { begun, last_ms }.is_recent());
    }

    #[test]
    fn a_ring_is_kept_until_somebody_looks_and_many_are_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.bell");
        let bell = Doorbell::listen(&path).unwrap();
        assert!(!bell.wait(Duration::ZERO).unwrap());
        for _ in 0..100_000 {
            ring(&path);
        }
        assert!(bell.wait(Duration::from_secs(10)).unwrap());
        assert!(!bell.wait(Duration::ZERO).unwrap());
    }

    #[test]
    fn ringing_where_nobody_listens_is_no_error_and_shows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.bell");
        ring(&path);
        assert!(!is_heard(&path));
        let bell = Doorbell::listen(&path).unwrap();
        assert!(is_heard(&path));
        drop(bell);
        ring(&path);
        assert!(path.exists() && !is_heard(&path));
        drop(Doorbell::listen_once(&path).unwrap());
        assert!(!path.exists());
    }
}
