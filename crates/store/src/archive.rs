//! The per-session archive as a follower of the journal.

use crate::StoreError;
use crate::follower::Waiting;
use journal::{JournalError, ReadPage, Reader, archive::Archive};
use std::path::Path;
use std::time::{Duration, Instant};

/// Records taken in between two looks at whether to stop.
const PAGE: usize = 512;
/// Lines go to the disk when nothing has come for so long. Syncing each would fight with the journal's own sync.
const QUIET: Duration = Duration::from_secs(1);
/// And when the first of them has waited for so long: each of the files is synced by itself, a thousand when a thousand
/// sessions are at work. What a power cut takes is written again after the next start.
const SYNC_AFTER: Duration = Duration::from_secs(30);

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
    let mut unsynced: Option<Unsynced> = None;
    while shared.wait(seen, unsynced.map(Unsynced::due)) {
        match journal.read_after(seen, PAGE)? {
            ReadPage::Records(page) => {
                for record in &page {
                    archive.apply(record)?;
                    seen = record.position.cursor;
                }
                if !page.is_empty() {
                    let newest = Instant::now();
                    unsynced =
                        Some(Unsynced { oldest: unsynced.map_or(newest, |waiting| waiting.oldest), newest });
                }
            }
            ReadPage::Reset { .. } => {
                archive.catch_up(journal)?;
                seen = archive.position().cursor;
            }
        }
        if unsynced.is_some_and(|waiting| waiting.due() <= Instant::now()) {
            archive.sync()?;
            unsynced = None;
        }
    }
    archive.sync()
}

/// When lines came that are not on the disk yet.
#[derive(Clone, Copy)]
struct Unsynced {
    oldest: Instant,
    newest: Instant,
}

impl Unsynced {
    fn due(self) -> Instant {
        (self.newest + QUIET).min(self.oldest + SYNC_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_wait_for_quiet_and_no_longer_than_they_may() {
        let oldest = Instant::now();
        let after = |waited: Duration| Unsynced { oldest, newest: oldest + waited }.due() - oldest;
        assert_eq!(after(Duration::ZERO), QUIET);
        assert_eq!(after(SYNC_AFTER - 2 * QUIET), SYNC_AFTER - QUIET, "what came last puts it off");
        assert_eq!(after(SYNC_AFTER), SYNC_AFTER, "and not for ever");
    }
}
