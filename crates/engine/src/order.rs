//! What waits stands by priority, and among equals by rank. Whoever moves one of them leaves the others as they stand.

use model::Refusal;

/// Where one stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place<T> {
    pub(crate) one: T,
    pub(crate) priority: i32,
    pub(crate) rank: u64,
}

/// Where one is to go.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal<T> {
    /// Its place among those of this priority is by its rank.
    Priority(i32),
    /// Just before this one, whose priority it takes.
    Before(T),
    /// Behind all others, with the priority of the last.
    Last,
}

impl<T> Goal<T> {
    /// Of a wish for one of the three.
    pub(crate) fn of(priority: Option<i32>, before: Option<T>) -> Self {
        match (priority, before) {
            (Some(priority), _) => Self::Priority(priority),
            (None, Some(other)) => Self::Before(other),
            (None, None) => Self::Last,
        }
    }
}

/// The places that change when one goes to its goal; `absent` says why the other it is to stand before is none of these.
pub(crate) fn moved<T: Copy + PartialEq>(
    waiting: &[Place<T>],
    one: T,
    goal: Goal<T>,
    absent: impl FnOnce(T) -> Refusal,
) -> Result<Vec<Place<T>>, Refusal> {
    let Some(own) = waiting.iter().find(|place| place.one == one).copied() else { return Ok(Vec::new()) };
    let mut order: Vec<Place<T>> = waiting.iter().copied().filter(|place| place.one != one).collect();
    let (at, priority) = match goal {
        Goal::Priority(priority) => {
            let changed = Place { priority, ..own };
            return Ok(if changed == own { Vec::new() } else { vec![changed] });
        }
        Goal::Before(other) => {
            let at = order.iter().position(|place| place.one == other).ok_or_else(|| absent(other))?;
            (at, order[at].priority)
        }
        Goal::Last => match order.last() {
            Some(last) => (order.len(), last.priority),
            None => return Ok(Vec::new()),
        },
    };
    order.insert(at, Place { priority, ..own });
    // Within its new priority, the ranks that are there are given out anew, in the new order.
    let mut ranks: Vec<u64> =
        order.iter().filter(|place| place.priority == priority).map(|place| place.rank).collect();
    ranks.sort_unstable();
    for (place, rank) in order.iter_mut().filter(|place| place.priority == priority).zip(ranks) {
        place.rank = rank;
    }
    Ok(order.into_iter().filter(|place| !waiting.contains(place)).collect())
}
