//! One import from end to end, and the mirrors that the configuration asks for.

use super::reading::{Look, Reading, Trouble, look};
use super::{ImportState, Job, NewImport, begin, places_of};
use crate::engine::Shared;
use agent::transcript::{Place, home};
use model::{RefusalKind, Vendor};
use std::collections::{HashMap, VecDeque};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// Between two looks at what is watched.
pub(crate) const WATCH_EVERY: Duration = Duration::from_secs(1);
/// A look may take this part of the time between two: a large home is looked at less often.
const WATCH_SHARE: u32 = 100;
/// Files kept ready to go on; of the others the beginning is read again.
const READY_MAX: usize = 32;
/// Longest time between two looks.
const WATCH_SELDOM: Duration = Duration::from_secs(60);

/// Size, time and number of a file as it was when it was last looked at.
type Seen = (u64, i64, u64);

/// Reads what the job is about, and goes on if it is to watch.
pub(super) fn run(shared: &Arc<Shared>, job: &Job) {
    let (vendor, path, watch) = {
        let view = job.lock();
        (view.vendor, view.path.clone(), view.watch)
    };
    let mut watched = Watched::default();
    loop {
        let began = Instant::now();
        match places_of(vendor, &path) {
            Ok((folder, places)) => watched.look(shared, job, vendor, &folder, &places),
            // A home that is not there yet may come.
            Err(error) if watch && watched.rounds > 0 => tracing::debug!(%error, "nothing to watch"),
            Err(error) => {
                job.trouble(&path, &error);
                job.enter(ImportState::Failed);
                return;
            }
        }
        watched.rounds += 1;
        if job.is_over() {
            return job.enter(ImportState::Canceled);
        }
        if !watch {
            return job.enter(ImportState::Done);
        }
        job.enter(ImportState::Watching);
        let pause = WATCH_EVERY.max(began.elapsed() * WATCH_SHARE).min(WATCH_SELDOM);
        let ended = Handle::current().block_on(tokio::time::timeout(pause, job.cancel.cancelled()));
        if ended.is_ok() || job.is_over() {
            return job.enter(ImportState::Canceled);
        }
    }
}

/// What is known of the files between two looks.
#[derive(Default)]
struct Watched {
    rounds: u64,
    seen: HashMap<PathBuf, Seen>,
    ready: HashMap<PathBuf, Box<Reading>>,
    order: VecDeque<PathBuf>,
}

impl Watched {
    fn look(
        &mut self,
        shared: &Arc<Shared>,
        job: &Job,
        vendor: Vendor,
        folder: &std::path::Path,
        places: &[Place],
    ) {
        let changed: Vec<(&Place, Seen)> = places
            .iter()
            .filter_map(|place| {
                let meta = place.path.symlink_metadata().ok();
                let seen =
                    meta.map_or((0, 0, 0), |meta| (meta.len(), meta.mtime_nsec() + meta.mtime(), meta.ino()));
                (self.seen.get(&place.path) != Some(&seen)).then_some((place, seen))
            })
            .collect();
        job.count(|tally| {
            tally.files = tally.files.max(places.len() as u64);
            if self.rounds == 0 {
                tally.bytes = changed.iter().map(|(_, seen)| seen.0).sum();
            }
        });
        for (place, seen) in changed {
            if job.is_over() {
                return;
            }
            let before = self.ready.remove(&place.path);
            let first = self.seen.insert(place.path.clone(), seen).is_none();
            let done = job.lock().tally.bytes_done;
            match look(shared, job, vendor, folder, place, before) {
                Ok(Look::Unchanged) => job.count(|tally| tally.unchanged += 1),
                Ok(Look::Empty) => job.count(|tally| tally.empty += u64::from(first)),
                Ok(Look::Read(reading)) => self.keep(place.path.clone(), reading),
                Err(Trouble::Ours) => job.count(|tally| tally.linked += u64::from(first)),
                Err(Trouble::Canceled) => return,
                Err(Trouble::Io(error)) => job.trouble(&place.path, error),
                Err(Trouble::Refused(refusal) | Trouble::Again(refusal)) => {
                    job.trouble(&place.path, &refusal);
                    if matches!(refusal.kind, RefusalKind::Full | RefusalKind::Unavailable) {
                        return job.cancel.cancel();
                    }
                }
            }
            job.count(|tally| {
                tally.files_done += u64::from(first);
                if first {
                    // What was read before counts as done, too.
                    tally.bytes_done = tally.bytes_done.max(done + seen.0);
                } else {
                    tally.bytes = tally.bytes.max(tally.bytes_done);
                }
            });
        }
    }

    fn keep(&mut self, path: PathBuf, reading: Box<Reading>) {
        self.order.retain(|kept| *kept != path);
        self.order.push_back(path.clone());
        self.ready.insert(path, reading);
        while self.order.len() > READY_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.ready.remove(&oldest);
        }
    }
}

/// The mirrors that the configuration asks for.
#[derive(Default)]
pub(crate) struct Mirror {
    live: Mutex<HashMap<Vendor, CancellationToken>>,
}

impl Mirror {
    /// Starts what is asked for and ends what is not any more.
    pub(crate) fn follow(&self, shared: &Arc<Shared>) {
        let wanted = shared.config.snapshot().config.transcripts.mirrored();
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.retain(|vendor, cancel| {
            let stays = wanted.contains(vendor) && !cancel.is_cancelled();
            if !stays {
                cancel.cancel();
            }
            stays
        });
        for vendor in wanted {
            if live.contains_key(&vendor) {
                continue;
            }
            let Some(path) = home(vendor, &|name| shared.env(name)) else { continue };
            // Links are the user's own here; what is below is not followed out.
            let path = path.canonicalize().unwrap_or(path);
            match begin(shared, NewImport { vendor, path, watch: true }, false) {
                Ok(view) => {
                    let job = shared.imports.lock().get(&view.id).map(|job| job.cancel.clone());
                    live.extend(job.map(|cancel| (vendor, cancel)));
                }
                Err(refusal) => tracing::warn!(%refusal, vendor = vendor.as_str(), "no mirror"),
            }
        }
    }
}
