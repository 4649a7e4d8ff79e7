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
/// Before a watched file that could not be read is tried again, though it has not changed. Each failure doubles it.
const RETRY_FIRST: Duration = Duration::from_secs(2);
/// At most.
const RETRY_SELDOM: Duration = Duration::from_secs(5 * 60);

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
            Ok((folder, places)) => watched.look(shared, job, vendor, &folder, &places, began),
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
pub(super) struct Watched {
    rounds: u64,
    seen: HashMap<PathBuf, Seen>,
    failing: HashMap<PathBuf, Failing>,
    ready: HashMap<PathBuf, Box<Reading>>,
    order: VecDeque<PathBuf>,
}

/// A file that could not be read.
struct Failing {
    pause: Duration,
    again_at: Instant,
}

impl Watched {
    pub(super) fn look(
        &mut self,
        shared: &Arc<Shared>,
        job: &Job,
        vendor: Vendor,
        folder: &std::path::Path,
        places: &[Place],
        now: Instant,
    ) {
        let changed: Vec<(&Place, Seen)> = places
            .iter()
            .filter_map(|place| {
                let meta = place.path.symlink_metadata().ok();
                let seen =
                    meta.map_or((0, 0, 0), |meta| (meta.len(), meta.mtime_nsec() + meta.mtime(), meta.ino()));
                let due = self.failing.get(&place.path).is_some_and(|failing| failing.again_at <= now);
                (due || self.seen.get(&place.path) != Some(&seen)).then_some((place, seen))
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
            let looked = look(shared, job, vendor, folder, place, before);
            if matches!(looked, Ok(_) | Err(Trouble::Ours)) && self.failing.remove(&place.path).is_some() {
                job.mended(&place.path);
            }
            match looked {
                Ok(Look::Unchanged) => job.count(|tally| tally.unchanged += 1),
                Ok(Look::Empty) => job.count(|tally| tally.empty += u64::from(first)),
                Ok(Look::Read(reading)) => self.keep(place.path.clone(), reading),
                Err(Trouble::Ours) => job.count(|tally| tally.linked += u64::from(first)),
                Err(Trouble::Canceled) => return,
                Err(Trouble::Io(error)) => self.fail(job, &place.path, &error, now),
                Err(Trouble::Refused(refusal) | Trouble::Again(refusal)) => {
                    self.fail(job, &place.path, &refusal, now);
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

    /// It is tried again later, ever more seldom. It is told of once.
    fn fail(&mut self, job: &Job, path: &std::path::Path, error: &impl ToString, now: Instant) {
        let before = self.failing.get(path).map(|failing| failing.pause);
        if before.is_none() {
            job.trouble(path, error.to_string());
        }
        let pause = before.map_or(RETRY_FIRST, |pause| (pause * 2).min(RETRY_SELDOM));
        self.failing.insert(path.to_owned(), Failing { pause, again_at: now + pause });
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

#[cfg(test)]
mod tests {
    use super::super::tests::Home;
    use super::*;
    use std::path::Path;

    #[test]
    fn a_file_that_could_not_be_read_is_tried_again_without_having_changed() {
        let home = Home::new();
        let (below, text) = super::super::tests::recorded(Vendor::Anthropic);
        home.write(&below, &text);
        let job = home.job(Vendor::Anthropic);
        let (folder, places) = places_of(Vendor::Anthropic, &home.path()).unwrap();
        let (shared, mut watched, start) = (&home.stage.shared, Watched::default(), Instant::now());
        let mut look = |folder: &Path, at: Duration| {
            watched.look(shared, &job, Vendor::Anthropic, folder, &places, start + at);
            let tally = job.lock().tally;
            (tally.failed, tally.sessions)
        };
        let gone = folder.join("not there");
        assert_eq!(look(&gone, Duration::ZERO), (1, 0));
        let early = RETRY_FIRST - Duration::from_millis(1);
        assert_eq!(look(&folder, early), (1, 0), "not at once");
        assert_eq!(look(&gone, RETRY_FIRST), (1, 0), "told of once");
        assert_eq!(look(&folder, RETRY_FIRST * 2), (1, 0), "the second pause is longer");
        assert_eq!(look(&folder, RETRY_FIRST * 3), (0, 1), "now it is read, and no trouble any more");
        assert_eq!(job.look().troubles, []);
    }

    #[test]
    fn the_pause_between_two_tries_is_bounded() {
        let home = Home::new();
        let job = home.job(Vendor::Anthropic);
        let (mut watched, now, path) = (Watched::default(), Instant::now(), Path::new("/x"));
        for _ in 0..40 {
            watched.fail(&job, path, &"no", now);
        }
        assert_eq!(watched.failing[path].again_at, now + RETRY_SELDOM);
    }
}
