//! The product's core at scale: sessions, their genealogy and their short ids among a million of them, turns in a session of a
//! million messages, lists over HTTP, and a thousand sessions that stream at once.
//!
//! What is measured is what the product does: the store's own reads with the snapshot they are made in, commits that are durable,
//! the daemon's binary where a daemon is named. PostgreSQL is measured beside its own prepared statement, and opencode beside us,
//! in turns.

mod corpus;
mod daemon;
mod deed;
mod peer;
mod postgresql;
mod streaming;
mod turn;
mod wire;

use crate::row::Row;
use crate::sample::Samples;
use crate::{Order, say, scratch, tell};
use std::path::Path;
use std::process::ExitCode;

/// How much longer than the middle one the slowest call in a hundred may take.
const TAIL_MOST: f64 = 5.0;
/// Megabytes of disk that a million rows take while they are made: journal, databases and their logs.
const ROOM_MB: u64 = 6_000;
const ROOM_QUICK_MB: u64 = 1_000;

/// The guard of the streaming case, when this program was started as one.
pub(crate) fn guard(arguments: &[String]) -> Option<ExitCode> {
    streaming::guard(arguments)
}

type Measure = fn(&Order, &Path) -> Result<(), String>;

/// Cases, by what begins the names of their rows.
const CASES: &[(&str, Measure)] = &[
    ("sqlite", deed::bench),
    ("turn", turn::bench),
    ("http", daemon::bench),
    ("streaming", streaming::bench),
    ("postgresql", postgresql::bench),
    ("peer", peer::bench),
];

pub(crate) fn bench(order: &Order) -> Result<(), String> {
    let wanted =
        |case: &str| order.only.as_deref().is_none_or(|only| only.starts_with(case) || case.contains(only));
    let mut failed = Vec::new();
    for (name, measure) in CASES.iter().filter(|(name, _)| wanted(name)) {
        let folder = scratch::folder(order, &format!("core-{name}-"))?;
        let needed = if order.quick { ROOM_QUICK_MB } else { ROOM_MB };
        let free = scratch::free(folder.path())? / 1_000_000;
        if free < needed {
            tell(&Row::missing("core", name, &format!("needs {needed} MB of disk, {free} MB are free")));
            continue;
        }
        settled();
        // One case that cannot run does not keep the others from it.
        if let Err(why) = measure(order, folder.path()) {
            tell(&Row::missing("core", name, &why));
            say(&format!("core: {name}: {why}"));
            failed.push(*name);
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("could not be measured: {}", failed.join(", "))) }
}

/// Waits until what was made is on the disk. To write back gigabytes keeps the kernel's threads busy for a minute, on the same
/// processors that are measured.
fn settled() {
    rustix::fs::sync();
}

/// The middle and the tail, each against what it may be at most, and the tail against the middle.
fn told(case: &str, samples: &Samples, middle: Option<f64>, tail: Option<f64>, note: &str) {
    let note = format!("{} samples; {note}; load {}", samples.len(), scratch::load());
    for (stat, share, most) in [("p50", 0.5, middle), ("p99", 0.99, tail)] {
        let row = Row::new("core", case, "ms", stat, samples.millis(share)).note(&note);
        tell(&match most {
            Some(most) => row.at_most(most),
            None => row,
        });
    }
    let ratio = samples.millis(0.99) / samples.millis(0.5);
    tell(&Row::new("core", case, "ratio", "p99/p50", ratio).at_most(TAIL_MOST));
}
