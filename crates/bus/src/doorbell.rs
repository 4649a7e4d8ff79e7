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

/// An open doorbell. One listener per bell: two would take each other's rings. Dropping it stops listening.
#[derive(Debug)]
pub struct Doorbell {
    fd: OwnedFd,
    /// Set for a bell with a name nobody else will use: the FIFO goes with its listener. The other bells
    /// stay, since a successor may already listen at them.
    own: Option<PathBuf>,
}

impl Doorbell {
    /// Listens at a bell whose name nobody else uses, and removes it in the end.
    pub(crate) fn listen_once(path: &Path) -> Result<Self, BusError> {
        let mut bell = Self::listen(path)?;
        bell.own = Some(path.to_owned());
        Ok(bell)
    }

    pub(crate) fn listen(path: &Path) -> Result<Self, BusError> {
        let made = mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0);
        if let Err(error) = made
            && error != Errno::EXIST
        {
            return Err(BusError::io(format!("making doorbell {}", path.display()))(error.into()));
        }
        let fd = open(path, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())
            .map_err(|error| BusError::io(format!("opening doorbell {}", path.display()))(error.into()))?;
        Ok(Self { fd, own: None })
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
        if let Some(path) = &self.own {
            let _ = rustix::fs::unlink(path);
        }
    }
}

/// Rings a bell. Never fails and never blocks: the rows are the truth, the bell only says "look".
pub(crate) fn ring(path: &Path) {
    // `ENXIO` and `ENOENT` mean that nobody listens; a full pipe, that rings already wait to be heard.
    if let Ok(fd) = open(path, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()) {
        let _ = rustix::io::write(&fd, &[1]);
    }
}

/// True while somebody listens at the bell; rings nothing.
pub(crate) fn is_heard(path: &Path) -> bool {
    open(path, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

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
