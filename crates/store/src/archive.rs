//! The per-session archive as a follower of the journal.

use crate::StoreError;
use crate::follower::Waiting;
use journal::{JournalError, ReadPage, Reader, archive::Archive};
use std::path::Path;
use std::time::{Duration, Instant};

/// Records taken in between two looks at whether to stop.
const PAGE: usize = 512;
/// How long lines may wait for the disk. Syncing each would fight with the journal's own sync.
const SYNC_AFTER: Duration = Duration::from_secs(1);

pub(crate) fn follow(shared: &Waiting, directory: &Path, journal: &Reader) -> Result<(), StoreError> {
    let mut archive = Archive::open(directory)?;
    loop {
        let ended = catch_up(shared, &mut archive, journal);
        shared.reach(archive.position().cursor);
        match ended {
            // What a full disk kept out is taken in when there is room again.
            Err(JournalError::Full) if shared.wait_for_room() => {}
            ended => return Ok(ended?),
        }
    }
}

/// Takes in all there is, then what comes, until the store closes.
fn catch_up(shared: &Waiting, archive: &mut Archive, journal: &Reader) -> Result<(), JournalError> {
    archive.catch_up(journal)?;
    let mut seen = archive.position().cursor;
    let mut sync_at = None;
    while shared.wait(seen, sync_at) {
        match journal.read_after(seen, PAGE)? {
            ReadPage::Records(page) => {
                for record in &page {
                    archive.apply(record)?;
                    seen = record.position.cursor;
                    sync_at.get_or_insert_with(|| Instant::now() + SYNC_AFTER);
                }
            }
            ReadPage::Reset { .. } => {
                archive.catch_up(journal)?;
                seen = archive.position().cursor;
            }
        }
        if sync_at.is_some_and(|at| at <= Instant::now()) {
            archive.sync()?;
            sync_at = None;
        }
    }
    archive.sync()
}
