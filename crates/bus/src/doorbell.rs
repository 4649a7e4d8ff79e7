//! Doorbells: a FIFO per listener, rung after COMMIT. A bell carries no data: it says "look again".
//!
//! The reader opens its FIFO for reading and writing, so that it never sees an end of file; the
//! ringer opens it non-blocking, and the kernel tells it (`ENXIO`) when nobody listens any more.
//! A lost or stolen ring costs time only: whoever waits looks again every [`SAFETY_POLL`].

use crate::error::BusError;
use model::RegistrationId;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest time a listener trusts its bell before it looks for itself.
pub const SAFETY_POLL: Duration = Duration::from_millis(250);

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

/// An open doorbell. One listener per bell: two would take each other's rings. Dropping it stops listening
/// and removes the FIFO.
#[derive(Debug)]
pub struct Doorbell {
    fd: OwnedFd,
    path: PathBuf,
}

impl Doorbell {
    pub(crate) fn listen(path: PathBuf) -> Result<Self, BusError> {
        let made = mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0);
        if let Err(error) = made
            && error != Errno::EXIST
        {
            return Err(BusError::io(format!("making doorbell {}", path.display()))(error.into()));
        }
        let fd = open(&path, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())
            .map_err(|error| BusError::io(format!("opening doorbell {}", path.display()))(error.into()))?;
        Ok(Self { fd, path })
    }

    /// Blocks until the bell rings or the time is over, and takes all rings so far. True when it rang.
    /// Look at what you wait for *after* this returns: a ring that comes later stays in the bell.
    pub fn wait(&self, timeout: Duration) -> Result<bool, BusError> {
        let limit = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
        match poll(&mut fds, Some(&limit)) {
            Ok(0) | Err(Errno::INTR) => Ok(false),
            Ok(_) => {
                self.drain();
                Ok(true)
            }
            Err(error) => Err(BusError::io("waiting at a doorbell")(error.into())),
        }
    }

    /// Takes all rings so far without waiting; for callers that watch the descriptor themselves.
    pub fn drain(&self) {
        let mut rings = [0u8; 512];
        while rustix::io::read(&self.fd, &mut rings).is_ok_and(|count| count == rings.len()) {}
    }
}

impl AsFd for Doorbell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Doorbell {
    fn drop(&mut self) {
        // The name may already be gone with its registration.
        let _ = rustix::fs::unlink(&self.path);
    }
}

/// What became of a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ring {
    /// Somebody listens: woken, or about to look anyway.
    Heard,
    /// Nobody has the bell open.
    Nobody,
}

/// Rings a bell. Never fails and never blocks: the rows are the truth, the bell only says "look".
pub(crate) fn ring(path: &Path) -> Ring {
    let Ok(fd) = open(path, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()) else {
        return Ring::Nobody;
    };
    // A full pipe means that rings are already waiting to be heard.
    let _ = rustix::io::write(&fd, &[1]);
    Ring::Heard
}

/// True while somebody listens at the bell; rings nothing.
pub(crate) fn is_heard(path: &Path) -> bool {
    open(path, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()).is_ok()
}
