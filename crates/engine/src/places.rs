//! Places for live runs: on this machine, and of one vendor. How many there may be is read at every look.
//!
//! Who has the highest priority goes first; among equals those of the session with the fewest live runs, so that one session with
//! much to do does not keep the others waiting; then who waits longest. Whoever waits costs a row in a table and nothing else.

use model::{SessionId, Vendor};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Runs for each core when nothing is configured: they wait for models most of the time.
const RUNS_PER_CORE: usize = 16;
/// Memory for each run then, in KiB.
const MEMORY_PER_RUN: usize = 256 * 1024;
/// Fewest and most runs then.
const RUNS_HERE: std::ops::RangeInclusive<usize> = 8..=64;

type Limit = Box<dyn Fn() -> Capacity + Send + Sync>;

/// How many runs there may be at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Capacity {
    pub(crate) machine: usize,
    /// Of one vendor.
    pub(crate) vendor: usize,
}

/// Who wants a place, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seeker {
    pub(crate) priority: i32,
    pub(crate) vendor: Vendor,
    pub(crate) session: SessionId,
}

pub(crate) struct Places {
    limit: Limit,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    live: usize,
    of_vendors: BTreeMap<Vendor, usize>,
    /// Sessions without live runs are not in it.
    of_sessions: HashMap<SessionId, usize>,
    arrivals: u64,
    waiting: BTreeMap<(Reverse<i32>, u64), (Seeker, oneshot::Sender<Place>)>,
}

/// The right to one live run; given back when dropped.
pub(crate) struct Place(Option<(Arc<Places>, Seeker)>);

/// How many runs this machine has room for.
pub(crate) fn runs_here() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let memory = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_memory(&text));
    room(cores, memory)
}

fn room(cores: usize, memory_kib: Option<usize>) -> usize {
    let by_cores = cores.saturating_mul(RUNS_PER_CORE);
    let by_memory = memory_kib.map_or(by_cores, |kib| kib / MEMORY_PER_RUN);
    by_cores.min(by_memory).clamp(*RUNS_HERE.start(), *RUNS_HERE.end())
}

/// In KiB, as the kernel says it.
fn total_memory(meminfo: &str) -> Option<usize> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse().ok()
}

impl Places {
    /// `limit` is asked whenever somebody comes or goes.
    pub(crate) fn new(limit: impl Fn() -> Capacity + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { limit: Box::new(limit), taken: Mutex::default() })
    }

    /// Waits for a place. Dropped before it has one, it waits no more.
    pub(crate) async fn take(self: &Arc<Self>, seeker: Seeker) -> Place {
        let (giver, place) = oneshot::channel();
        {
            let mut taken = self.lock();
            taken.arrivals += 1;
            let number = taken.arrivals;
            taken.waiting.insert((Reverse(seeker.priority), number), (seeker, giver));
        }
        self.look();
        // The giver is in the table until it has given.
        place.await.unwrap_or(Place(None))
    }

    /// Gives away what is free; also to be called when the limit may have risen.
    pub(crate) fn look(self: &Arc<Self>) {
        let mut refused = Vec::new();
        let mut taken = self.lock();
        let capacity = (self.limit)();
        while let Some(next) = taken.next(capacity) {
            let Some((seeker, giver)) = taken.waiting.remove(&next) else { break };
            taken.count(&seeker);
            // Whoever has stopped waiting gives it back, once the table is not locked any more.
            refused.extend(giver.send(Place(Some((Arc::clone(self), seeker)))).err());
        }
        drop(taken);
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Whose turn it is, if there is a place for anybody.
    fn next(&self, capacity: Capacity) -> Option<(Reverse<i32>, u64)> {
        if self.live >= capacity.machine {
            return None;
        }
        let mut best: Option<((Reverse<i32>, u64), usize)> = None;
        for (place, (seeker, _)) in &self.waiting {
            if best.is_some_and(|((priority, _), _)| priority < place.0) {
                break;
            }
            if self.of_vendors.get(&seeker.vendor).copied().unwrap_or(0) >= capacity.vendor {
                continue;
            }
            let live = self.of_sessions.get(&seeker.session).copied().unwrap_or(0);
            if best.is_none_or(|(_, least)| live < least) {
                best = Some((*place, live));
            }
            if live == 0 {
                break;
            }
        }
        best.map(|(place, _)| place)
    }

    fn count(&mut self, seeker: &Seeker) {
        self.live += 1;
        *self.of_vendors.entry(seeker.vendor).or_default() += 1;
        *self.of_sessions.entry(seeker.session).or_default() += 1;
    }

    fn give_back(&mut self, seeker: &Seeker) {
        self.live -= 1;
        if let Some(live) = self.of_vendors.get_mut(&seeker.vendor) {
            *live -= 1;
        }
        if let Some(live) = self.of_sessions.get_mut(&seeker.session) {
            *live -= 1;
            if *live == 0 {
                self.of_sessions.remove(&seeker.session);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((places, seeker)) = self.0.take() {
            places.lock().give_back(&seeker);
            places.look();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio_util::task::TaskTracker;

    fn seeker(priority: i32, session: u64, vendor: Vendor) -> Seeker {
        let (clock, dice) = (testkit::ManualClock::default(), testkit::SeededEntropy::new(session));
        Seeker { priority, vendor, session: model::Id::new(&clock, &dice) }
    }

    /// Who gets places, one after the other, of those who came in this order.
    fn order(capacity: Capacity, waiting: &[Seeker], live: &[Seeker]) -> Vec<usize> {
        let (mut taken, mut kept) = (Taken::default(), Vec::new());
        live.iter().for_each(|seeker| taken.count(seeker));
        for (number, seeker) in (0..).zip(waiting) {
            let (giver, place) = oneshot::channel();
            kept.push(place);
            taken.waiting.insert((Reverse(seeker.priority), number), (*seeker, giver));
        }
        let mut order = Vec::new();
        while let Some(next) = taken.next(capacity) {
            let (seeker, _) = taken.waiting.remove(&next).unwrap();
            taken.count(&seeker);
            order.push(usize::try_from(next.1).unwrap());
        }
        order
    }

    #[test]
    fn sessions_are_served_in_turns_and_priorities_go_before_that() {
        let [busy, other] = [1, 2].map(|session| seeker(0, session, Vendor::Openai));
        let urgent = Seeker { priority: 1, ..busy };
        let waiting = [busy, busy, busy, other, other, urgent];
        let all = Capacity { machine: 9, vendor: 9 };
        assert_eq!(order(all, &waiting, &[]), [5, 3, 0, 4, 1, 2]);
        assert_eq!(order(Capacity { machine: 2, vendor: 9 }, &waiting, &[]), [5, 3]);
    }

    #[test]
    fn a_vendor_that_is_full_keeps_nobody_else_waiting() {
        let [first, second] = [1, 2].map(|session| seeker(5, session, Vendor::Openai));
        let free = seeker(0, 3, Vendor::Google);
        let capacity = Capacity { machine: 9, vendor: 1 };
        assert_eq!(order(capacity, &[first, second, free], &[]), [0, 2]);
        assert_eq!(order(capacity, &[first, free], &[second]), [1]);
    }

    #[test]
    fn a_machine_has_room_by_its_cores_and_its_memory() {
        assert_eq!(room(2, Some(24 * 1024 * 1024)), 32);
        assert_eq!(room(8, Some(4 * 1024 * 1024)), 16);
        assert_eq!((room(1, Some(0)), room(128, None)), (*RUNS_HERE.start(), *RUNS_HERE.end()));
        assert_eq!(total_memory("MemFree: 1 kB\nMemTotal:       4096 kB\n"), Some(4096));
        assert!(RUNS_HERE.contains(&runs_here()));
    }

    /// Lets everything that can go on go on.
    async fn settle() {
        for _ in 0..16 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn the_highest_priority_goes_first_then_who_came_first() {
        let places = Places::new(|| Capacity { machine: 1, vendor: 1 });
        let first = places.take(seeker(0, 1, Vendor::Openai)).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let tasks = TaskTracker::new();
        for (name, priority) in [("late", 0), ("later", 0), ("urgent", 5), ("unimportant", -1)] {
            let (places, order) = (Arc::clone(&places), Arc::clone(&order));
            tasks.spawn(async move {
                let place = places.take(seeker(priority, 1, Vendor::Openai)).await;
                order.lock().unwrap().push(name);
                tokio::task::yield_now().await;
                drop(place);
            });
            settle().await;
        }
        assert!(order.lock().unwrap().is_empty());
        drop(first);
        tasks.close();
        tasks.wait().await;
        assert_eq!(*order.lock().unwrap(), ["urgent", "late", "later", "unimportant"]);
    }

    #[tokio::test]
    async fn a_raised_limit_counts_at_the_next_look_and_who_gave_up_takes_nothing() {
        let limit = Arc::new(AtomicUsize::new(1));
        let asked = Arc::clone(&limit);
        let places = Places::new(move || {
            let machine = asked.load(Ordering::SeqCst);
            Capacity { machine, vendor: machine }
        });
        let first = places.take(seeker(0, 1, Vendor::Openai)).await;
        drop(
            tokio::time::timeout(
                std::time::Duration::from_millis(1),
                places.take(seeker(9, 1, Vendor::Openai)),
            )
            .await,
        );
        let second = {
            let places = Arc::clone(&places);
            let tasks = TaskTracker::new();
            let waiting = tasks.spawn(async move { places.take(seeker(0, 1, Vendor::Openai)).await });
            settle().await;
            assert!(!waiting.is_finished());
            waiting
        };
        limit.store(2, Ordering::SeqCst);
        places.look();
        let second = second.await.unwrap();
        assert_eq!(places.lock().live, 2);
        drop((first, second));
        assert_eq!(places.lock().live, 0);
    }
}
