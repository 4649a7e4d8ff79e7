//! What goes when too much is kept: the oldest first, and nothing that a living lock is about.

use super::{Contents, Page};
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

/// Most bytes of contents and pages that stay when it is looked; what living locks are about may be more.
pub const CONTENTS_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// What is kept in between two looks, in bytes.
pub const GROWTH_UNSEEN_MAX: u64 = CONTENTS_BYTES_MAX / 16;

/// A file of ours that may go.
struct Old {
    used: SystemTime,
    /// Pages go before what they name.
    is_content: bool,
    bytes: u64,
    at: PathBuf,
    lives: bool,
}

impl Contents {
    /// Looks whether too much is kept, if this process has kept much since it last did.
    pub fn thin_when_grown(&self, lives: impl FnOnce() -> Vec<u64>) -> std::io::Result<u64> {
        if self.grown.load(Ordering::Relaxed) < GROWTH_UNSEEN_MAX {
            return Ok(0);
        }
        self.grown.store(0, Ordering::Relaxed);
        let living = lives();
        self.thin(CONTENTS_BYTES_MAX, |token| living.contains(&token))
    }

    /// Removes the oldest until no more than `most` bytes are kept. `lives` says whether a lock with that token is held.
    /// Gives the bytes that went.
    pub fn thin(&self, most: u64, lives: impl Fn(u64) -> bool) -> std::io::Result<u64> {
        let mut named: HashMap<String, (SystemTime, bool)> = HashMap::new();
        let mut all = Vec::new();
        for (at, used, bytes) in files(self.dir.join("files"))? {
            let page: Option<Page> = fs::read(&at).ok().and_then(|text| serde_json::from_slice(&text).ok());
            let held = page.as_ref().is_some_and(|page| lives(page.token));
            let of = |page: Page| [page.before_lock, page.last_known, page.told];
            for hash in page.map(of).into_iter().flatten().flatten() {
                let known = named.entry(hash).or_insert((used, held));
                *known = (known.0.max(used), known.1 || held);
            }
            all.push(Old { used, is_content: false, bytes, at, lives: held });
        }
        for (at, used, bytes) in files(self.dir.join("content"))? {
            let name = at.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let (used, lives) = named.get(name).map_or((used, false), |known| (used.max(known.0), known.1));
            all.push(Old { used, is_content: true, bytes, at, lives });
        }
        all.sort_by_key(|old| (old.used, old.is_content));
        let mut over = all.iter().map(|old| old.bytes).sum::<u64>().saturating_sub(most);
        let mut gone = 0;
        for old in all.iter().filter(|old| !old.lives) {
            if over == 0 {
                break;
            }
            fs::remove_file(&old.at)?;
            over = over.saturating_sub(old.bytes);
            gone += old.bytes;
        }
        Ok(gone)
    }
}

/// The files of a folder, when they were written, and their bytes.
fn files(folder: PathBuf) -> std::io::Result<Vec<(PathBuf, SystemTime, u64)>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    // What goes while we look is not there.
    let found = entries.flatten().filter_map(|entry| {
        let meta = entry.metadata().ok().filter(fs::Metadata::is_file)?;
        Some((entry.path(), meta.modified().ok()?, meta.len()))
    });
    Ok(found.collect())
}
