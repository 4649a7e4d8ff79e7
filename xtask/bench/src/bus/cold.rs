//! What a hook and a command wait for: the question whether a file may be written, and `coditect lock acquire` as a process
//! of its own that is the only one with messaging.db open.

use super::single::want;
use super::wire::{open_bus, register};
use crate::process::{command, timed};
use crate::row::Row;
use crate::sample::Samples;
use crate::{Order, say, scratch, tell};
use bus::SAFETY_POLL;
use std::time::{Duration, Instant};

/// Milliseconds.
const COLD_MOST: f64 = 15.0;
/// Microseconds.
const GUARD_MOST: f64 = 1_000.0;
/// Locks in force while the guard is asked, of as many files.
const HELD: usize = 200;

pub(crate) fn rows(order: &Order) -> Result<(), String> {
    acquire(order)?;
    guard(order)
}

/// From starting the process to its end. Every lock stays, so the WAL grows as it does where nobody clears up.
fn acquire(order: &Order) -> Result<(), String> {
    if !order.coditect.exists() {
        tell(&Row::missing("bus", "cold_lock_acquire", "the binary is not built"));
        return Ok(());
    }
    let count = if order.quick { 200 } else { 1_000 };
    say(&format!("bus: `coditect lock acquire` × {count}"));
    let folder = scratch::folder(order, "bus-cold-")?;
    let tree = folder.path().join("tree");
    std::fs::create_dir_all(tree.join(".git")).map_err(|error| error.to_string())?;
    std::fs::write(tree.join(".git/HEAD"), "ref: refs/heads/main\n").map_err(|error| error.to_string())?;
    let (mut samples, mut version) = (Samples::default(), Samples::default());
    for turn in 0..count {
        let coditect = |arguments: &[&str]| {
            let mut command = command(&order.coditect);
            command.args(arguments).current_dir(&tree).env_remove("CODITECT_RUN");
            command.env("CODITECT_DATA_ROOT", folder.path().join("data")).env("HOME", folder.path());
            command
        };
        samples.add(timed(coditect(&["lock", "acquire", &format!("f{turn}.rs")]))?);
        version.add(timed(coditect(&["--version"]))?);
    }
    let note = format!("{count} processes; `--version` p50 {:.1} ms", version.millis(0.5));
    for (stat, share) in [("p50", 0.5), ("p99", 0.99)] {
        let row = Row::new("bus", "cold_lock_acquire", "ms", stat, samples.millis(share));
        tell(&row.at_most(COLD_MOST).note(&note));
    }
    Ok(())
}

/// The question before an edit, asked as often as agents do, not in a hot loop.
fn guard(order: &Order) -> Result<(), String> {
    let count = if order.quick { 2_000 } else { 10_000 };
    say(&format!("bus: guard × {count}"));
    let folder = scratch::folder(order, "bus-guard-")?;
    let bus = open_bus(folder.path(), SAFETY_POLL)?;
    let [holder, asker] = [register(&bus, "holder")?, register(&bus, "asker")?];
    for file in 0..HELD {
        bus.acquire(&want(holder, &format!("held{file}"))).map_err(|error| error.to_string())?;
    }
    let mut samples = Samples::default();
    for turn in 0..count {
        std::thread::sleep(Duration::from_millis(1));
        let path = format!("{}{}", if turn % 2 == 0 { "held" } else { "free" }, turn % HELD);
        let begun = Instant::now();
        bus.guard("/bench", &path, Some(asker)).map_err(|error| error.to_string())?;
        samples.add(begun.elapsed());
    }
    let note = format!("{HELD} locks, half of the files held; p50 {:.0} us", samples.micros(0.5));
    tell(&Row::new("bus", "guard_query", "us", "p99", samples.micros(0.99)).at_most(GUARD_MOST).note(&note));
    Ok(())
}
