//! The fence: what keeps fencing tokens rising when messaging.db does not.
//!
//! A token is an epoch and a counter. The epoch lives in a small file of its own, `messaging.fence`,
//! fsynced before it is used, and rises whenever the counter cannot be trusted any more: the database
//! is new, another file stands in its place, or the machine has booted (the last commits before a power cut may be gone).
//! Within one boot the page cache outlives every process, so `messaging.high`, the highest token so
//! far, is written without a sync and catches a database that was overwritten in place.

use crate::error::BusError;
use rustix::fs::{CWD, Stat};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Bits of a token below the epoch.
pub const TOKEN_COUNTER_BITS: u32 = 40;

const FENCE: &str = "messaging.fence";
const HIGH: &str = "messaging.high";

/// Which file on which device. Found by name, never by opening it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// None when there is no such file.
    pub(crate) fn of(path: &Path) -> Result<Option<Self>, BusError> {
        match rustix::fs::statat(CWD, path, rustix::fs::AtFlags::empty()) {
            Ok(Stat { st_dev, st_ino, .. }) => Ok(Some(Self { device: st_dev, inode: st_ino })),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(BusError::io(format!("looking at {}", path.display()))(error.into())),
        }
    }
}

/// What `messaging.fence` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fence {
    pub(crate) epoch: u64,
    /// The database it stands for, as the database names itself.
    pub(crate) birth: String,
    pub(crate) boot: String,
    pub(crate) identity: Identity,
}

impl Fence {
    /// None when there is none, or none that can be read: then the epoch in the database is raised.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>, BusError> {
        match std::fs::read(dir.join(FENCE)) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(BusError::io("reading messaging.fence")(error)),
        }
    }

    /// Whether a bus was ever made here.
    pub(crate) fn is_there(dir: &Path) -> bool {
        dir.join(FENCE).exists()
    }

    /// Durable when this returns.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), BusError> {
        let place = || -> std::io::Result<()> {
            let fresh = dir.join(format!("{FENCE}.new"));
            let mut file =
                File::options().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
            file.write_all(&serde_json::to_vec(self)?)?;
            file.sync_all()?;
            std::fs::rename(&fresh, dir.join(FENCE))?;
            File::open(dir)?.sync_all()
        };
        place().map_err(BusError::io("writing messaging.fence"))
    }
}

/// The highest token handed out in this boot.
#[derive(Debug)]
pub(crate) struct High {
    file: File,
}

impl High {
    pub(crate) fn open(dir: &Path) -> Result<Self, BusError> {
        let path = dir.join(HIGH);
        let file = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        file.map(|file| Self { file }).map_err(BusError::io("opening messaging.high"))
    }

    /// 0 when it says nothing about this epoch; after a power cut it may hold anything.
    pub(crate) fn read(&self, epoch: u64) -> Result<u64, BusError> {
        let mut bytes = [0u8; 8];
        match self.file.read_exact_at(&mut bytes, 0) {
            Ok(()) => {
                let token = u64::from_le_bytes(bytes);
                Ok(if token >> TOKEN_COUNTER_BITS == epoch { token } else { 0 })
            }
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(0),
            Err(error) => Err(BusError::io("reading messaging.high")(error)),
        }
    }

    /// The caller holds the database's write lock, so nobody writes beside it.
    pub(crate) fn write(&self, token: u64) -> Result<(), BusError> {
        self.file.write_all_at(&token.to_le_bytes(), 0).map_err(BusError::io("writing messaging.high"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fence_reads_back_and_a_torn_one_counts_as_none() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Fence::read(dir.path()).unwrap(), None);
        let fence = Fence {
            epoch: 3,
            birth: "b".to_owned(),
            boot: "x".to_owned(),
            identity: Identity::of(dir.path()).unwrap().unwrap(),
        };
        fence.write(dir.path()).unwrap();
        assert_eq!(Fence::read(dir.path()).unwrap(), Some(fence));
        std::fs::write(dir.path().join(FENCE), "{\"epo").unwrap();
        assert_eq!(Fence::read(dir.path()).unwrap(), None);
    }

    #[test]
    fn the_highest_token_counts_in_its_own_epoch_only() {
        let dir = tempfile::tempdir().unwrap();
        let high = High::open(dir.path()).unwrap();
        assert_eq!(high.read(1).unwrap(), 0);
        let token = (2 << TOKEN_COUNTER_BITS) + 17;
        high.write(token).unwrap();
        assert_eq!(High::open(dir.path()).unwrap().read(2).unwrap(), token);
        assert_eq!(high.read(3).unwrap(), 0);
    }
}
