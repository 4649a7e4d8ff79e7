//! The reserve: files of allocated blocks, given up when the disk is full so that what must still
//! be recorded can be. The larger one is for what is recorded, the margin for bringing the databases to what was.

use crate::disk;
use rustix::fs::FallocateFlags;
use std::path::PathBuf;

const RESERVE_FILE: &str = "reserve";
const MARGIN_FILE: &str = "margin";
/// The margin's part of the reserve's size, and its most.
const MARGIN_PART: u64 = 8;
const MARGIN_MAX: u64 = 512 * 1024;

#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
    bytes: u64,
}

impl Reserve {
    pub(crate) fn new(dir: &std::path::Path, bytes: u64) -> Self {
        Self { path: dir.join(RESERVE_FILE), bytes }
    }

    /// The margin beside a reserve of this size.
    pub(crate) fn margin(dir: &std::path::Path, reserve: u64) -> Self {
        Self { path: dir.join(MARGIN_FILE), bytes: (reserve / MARGIN_PART).min(MARGIN_MAX) }
    }

    /// True when the reserve is there, after making it if it was not.
    pub(crate) fn stock(&self) -> bool {
        if self.bytes == 0 {
            return false;
        }
        let Ok(file) = disk::open_or_create(&self.path) else { return false };
        let made = rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, self.bytes).is_ok();
        if !made {
            self.spend();
        }
        made
    }

    /// True when there was one and it is gone.
    pub(crate) fn spend(&self) -> bool {
        std::fs::remove_file(&self.path).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_takes_room_and_gives_it_back() {
        let dir = tempfile::tempdir().unwrap();
        let reserve = Reserve::new(dir.path(), 1 << 20);
        assert!(reserve.stock() && reserve.stock());
        let size = std::fs::metadata(dir.path().join(RESERVE_FILE)).unwrap().len();
        assert_eq!(size, 1 << 20);
        assert!(reserve.spend());
        assert!(!reserve.spend(), "there is none left");
        assert!(!Reserve::new(dir.path(), 0).stock());
    }
}
