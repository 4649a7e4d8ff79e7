//! Whoever watches everything over the WebSocket, and what reached him.

use super::speaker::{now, stamp};
use crate::sample::Samples;
use client::{Client, StreamItem};
use protocol::ws::{Feed, ServerMessage, Subscription};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long he waits for the next event before he looks whether it is over.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What reached him.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) samples: Samples,
    /// Of the driver's events: those that never came, and those that came once more.
    pub(super) lost: u64,
    pub(super) again: u64,
    /// Places of the journal that were left out between two events.
    pub(super) gaps: u64,
    /// Events of all sessions, while the driver spoke.
    pub(super) per_second: f64,
}

impl Heard {
    /// What never arrived has no latency: no target is met by losing something.
    pub(super) fn millis(&self, share: f64) -> f64 {
        if self.lost > 0 || self.samples.len() == 0 { f64::INFINITY } else { self.samples.millis(share) }
    }
}

pub(super) struct Watcher {
    thread: JoinHandle<Result<Heard, String>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// He hears what happens from here on.
    ready: AtomicBool,
    /// The driver has said so many, and no more come.
    said: AtomicU64,
    over: AtomicBool,
}

impl Watcher {
    pub(super) fn start(client: Client) -> Self {
        let shared = Arc::new(Shared::default());
        let hearing = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(|error| error.to_string())?.block_on(listen(&client, &hearing))
        });
        Self { thread, shared }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.shared.ready.load(Ordering::Acquire) || self.thread.is_finished()
    }

    /// So many were said; what is under way may still come.
    pub(super) fn finish(self, said: u64) -> Result<Heard, String> {
        self.shared.said.store(said, Ordering::Release);
        self.shared.over.store(true, Ordering::Release);
        self.thread.join().map_err(|_| "the watcher died".to_owned())?
    }
}

async fn listen(client: &Client, shared: &Shared) -> Result<Heard, String> {
    let wish = Subscription { feeds: vec![Feed::Events], ..Subscription::default() };
    let mut events = client.watch(wish, Some(Duration::from_secs(10)));
    let mut tally = Tally::default();
    loop {
        let over = shared.over.load(Ordering::Acquire);
        let Ok(item) = tokio::time::timeout(LOOK_EVERY, events.next()).await else {
            // Nothing comes any more.
            if over {
                return Ok(tally.heard(shared.said.load(Ordering::Acquire)));
            }
            continue;
        };
        let StreamItem::Message(message) = item.map_err(|error| error.to_string())? else {
            return Err("the stream was cut".to_owned());
        };
        match *message {
            ServerMessage::Hello(_) => shared.ready.store(true, Ordering::Release),
            ServerMessage::Event(event) => {
                let text = event.payload["blocks"][0]["text"].as_str().and_then(stamp);
                tally.note(event.cursor.seq, text, now());
            }
            ServerMessage::Reset(_) => return Err("the stream began anew".to_owned()),
            _ => {}
        }
        let heard_all = over && tally.samples.len() as u64 >= shared.said.load(Ordering::Acquire);
        if heard_all {
            return Ok(tally.heard(shared.said.load(Ordering::Acquire)));
        }
    }
}

#[derive(Default)]
struct Tally {
    samples: Samples,
    seen: Vec<bool>,
    again: u64,
    gaps: u64,
    last: Option<u64>,
    /// Events since the driver's first, and when its last one came.
    since: Option<(Instant, u64)>,
    until: Option<(Instant, u64)>,
}

impl Tally {
    fn note(&mut self, seq: u64, stamp: Option<(u64, u64)>, now: u64) {
        self.gaps += self.last.map_or(0, |last| seq.saturating_sub(last + 1));
        self.last = Some(seq);
        let Some((number, moment)) = stamp else { return };
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        if number >= self.seen.len() {
            self.seen.resize(number + 1, false);
        }
        if std::mem::replace(&mut self.seen[number], true) {
            self.again += 1;
            return;
        }
        self.samples.add(Duration::from_nanos(now.saturating_sub(moment)));
        self.since.get_or_insert((Instant::now(), seq));
        self.until = Some((Instant::now(), seq));
    }

    fn heard(self, said: u64) -> Heard {
        let lost = said.saturating_sub(self.samples.len() as u64);
        let per_second = match (self.since, self.until) {
            (Some((since, first)), Some((until, last))) => {
                (last - first) as f64 / until.duration_since(since).as_secs_f64().max(f64::MIN_POSITIVE)
            }
            _ => 0.0,
        };
        Heard { samples: self.samples, lost, again: self.again, gaps: self.gaps, per_second }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_and_what_comes_again_is_counted() {
        let mut tally = Tally::default();
        tally.note(5, None, 0);
        for (seq, number) in [(6, 0), (8, 2), (9, 2)] {
            tally.note(seq, Some((number, 10)), 2_000_010);
        }
        let heard = tally.heard(3);
        assert_eq!((heard.lost, heard.again, heard.gaps), (1, 1, 1));
        assert_eq!(heard.millis(0.5), f64::INFINITY, "nothing is met by losing something");
        let mut whole = Tally::default();
        whole.note(1, Some((0, 10)), 2_000_010);
        let whole = whole.heard(1);
        assert_eq!((whole.lost, whole.millis(0.99)), (0, 2.0));
    }
}
