//! Places for live runs: how many there may be is read at every look, and who waits longest of the
//! highest priority goes first, whichever session it is of.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

type Limit = Box<dyn Fn() -> usize + Send + Sync>;

pub(crate) struct Places {
    limit: Limit,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    live: usize,
    arrivals: u64,
    waiting: BTreeMap<(Reverse<i32>, u64), oneshot::Sender<Place>>,
}

/// The right to one live run; given back when dropped.
pub(crate) struct Place(Option<Arc<Places>>);

impl Places {
    /// `limit` is asked whenever somebody comes or goes.
    pub(crate) fn new(limit: impl Fn() -> usize + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { limit: Box::new(limit), taken: Mutex::default() })
    }

    /// Waits for a place. Dropped before it has one, it waits no more.
    pub(crate) async fn take(self: &Arc<Self>, priority: i32) -> Place {
        let (giver, place) = oneshot::channel();
        {
            let mut taken = self.lock();
            taken.arrivals += 1;
            let number = taken.arrivals;
            taken.waiting.insert((Reverse(priority), number), giver);
        }
        self.look();
        // The giver is in the table until it has given.
        place.await.unwrap_or(Place(None))
    }

    /// Gives away what is free; also to be called when the limit may have risen.
    pub(crate) fn look(self: &Arc<Self>) {
        let mut refused = Vec::new();
        let mut taken = self.lock();
        while taken.live < (self.limit)() {
            let Some((_, giver)) = taken.waiting.pop_first() else { break };
            taken.live += 1;
            // Whoever has stopped waiting gives it back, once the table is not locked any more.
            refused.extend(giver.send(Place(Some(Arc::clone(self)))).err());
        }
        drop(taken);
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(places) = self.0.take() {
            places.lock().live -= 1;
            places.look();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio_util::task::TaskTracker;

    /// Lets everything that can go on go on.
    async fn settle() {
        for _ in 0..16 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn the_highest_priority_goes_first_then_who_came_first() {
        let places = Places::new(|| 1);
        let first = places.take(0).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let tasks = TaskTracker::new();
        for (name, priority) in [("late", 0), ("later", 0), ("urgent", 5), ("unimportant", -1)] {
            let (places, order) = (Arc::clone(&places), Arc::clone(&order));
            tasks.spawn(async move {
                let place = places.take(priority).await;
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
        let places = Places::new(move || asked.load(Ordering::SeqCst));
        let first = places.take(0).await;
        drop(tokio::time::timeout(std::time::Duration::from_millis(1), places.take(9)).await);
        let second = {
            let places = Arc::clone(&places);
            let tasks = TaskTracker::new();
            let waiting = tasks.spawn(async move { places.take(0).await });
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
