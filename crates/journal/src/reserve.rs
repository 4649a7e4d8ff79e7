//! The reserve: a file of allocated blocks, given up when the disk is full so that what must still
//! be recorded can be.

use crate::disk;
use rustix::fs::FallocateFlags;
use std::path::PathBuf;

const RESERVE_FILE: &str = "reserve";

#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
    bytes: u64,
}

impl Reserve {
    pub(crate) fn new(dir: &std::path::Path, bytes: u64) -> Self {
        Self { path: dir.join(RESERVE_FILE), bytes }
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
