//! Dependency order: cycles found and broken, tasks sorted; everything by rank, so that the same plan comes out every time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Per task, what it waits for; true marks a wait that can be given up first.
pub(super) type Waits = Vec<BTreeMap<usize, bool>>;

/// A cycle, as the tasks on it in the order of waiting; the shortest through the lowest-ranked task that is on one.
pub(super) fn find_cycle(waits: &Waits) -> Option<Vec<usize>> {
    (0..waits.len()).find_map(|start| {
        let mut reached_from = BTreeMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(at) = queue.pop_front() {
            for on in waits[at].keys() {
                if *on == start {
                    let mut cycle = vec![at];
                    let mut at = at;
                    while let Some(before) = reached_from.get(&at) {
                        at = *before;
                        cycle.push(at);
                    }
                    cycle.reverse();
                    return Some(cycle);
                }
                if !reached_from.contains_key(on) {
                    reached_from.insert(*on, at);
                    queue.push_back(*on);
                }
            }
        }
        None
    })
}

/// Gives up one wait per cycle: one that was taken over from another task before one the agent asked
/// for, and of several the one of the lowest-ranked dependent.
pub(super) fn break_cycles(mut waits: Waits, names: &[String], explanation: &mut Vec<String>) -> Waits {
    while let Some(cycle) = find_cycle(&waits) {
        let edges = cycle.iter().zip(cycle.iter().cycle().skip(1));
        let weakest =
            edges.max_by_key(|(at, on)| (waits[**at].get(on).copied().unwrap_or(false), **at, **on));
        let Some((at, on)) = weakest else { break };
        waits[*at].remove(on);
        explanation.push(format!(
            "`{}` does not wait for `{}`: after the merge they would wait for each other.",
            names[*at], names[*on]
        ));
    }
    waits
}

/// Every task after those it waits for; of those that could come next the one with the highest priority, then rank.
pub(super) fn topological(waits: &Waits, priority: &[Reverse<i32>]) -> Vec<usize> {
    let mut open: BTreeMap<usize, BTreeSet<usize>> =
        waits.iter().enumerate().map(|(at, on)| (at, on.keys().copied().collect())).collect();
    let mut sorted = Vec::with_capacity(waits.len());
    while let Some(next) = open
        .iter()
        .filter(|(_, on)| on.is_empty())
        .map(|(at, _)| (priority[*at], *at))
        .min()
        .map(|(_, at)| at)
    {
        open.remove(&next);
        open.values_mut().for_each(|on| on.retain(|waited_for| *waited_for != next));
        sorted.push(next);
    }
    sorted
}
