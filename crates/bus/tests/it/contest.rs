//! Two agents never hold the same file exclusively: four processes fight over the real lock SQL while they are killed,
//! stopped and their clocks jump. `actor` is one of them, `history` the judge.

use crate::history::{History, operations};
use crate::process::{Process, SharedClock};
use bus::system::SystemEntropy;
use bus::{Bus, Pattern};
use model::{Event, LockChange, LockPhase};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use testkit::SeededEntropy;

const OPERATIONS: usize = 100_000;
const ACTORS: usize = 4;
const SEED: u64 = 20_260_131;

/// The parent's side: keeps the actors going until all operations are done, and torments them.
struct Contest {
    dir: tempfile::TempDir,
    clock: Arc<SharedClock>,
    dice: SeededEntropy,
    bus: Bus,
    actors: Vec<Option<Process>>,
    /// Operations of one actor, over all its lives.
    share: usize,
    record: Record,
    kills: usize,
}

impl Contest {
    fn start(operations: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(SharedClock::open(dir.path()));
        let bus = Bus::open(dir.path(), Arc::clone(&clock) as _, Arc::new(SystemEntropy)).unwrap();
        let dice = SeededEntropy::new(SEED);
        let (share, record) = (operations / ACTORS, Record::default());
        let mut contest = Self { dir, clock, dice, bus, actors: Vec::new(), share, record, kills: 0 };
        contest.actors = (0..ACTORS).map(|slot| contest.enter(slot)).collect();
        contest
    }

    fn journal(&self, slot: usize) -> PathBuf {
        self.dir.path().join(format!("actor-{slot}"))
    }

    /// Starts the actor again for what is left of its share.
    fn enter(&self, slot: usize) -> Option<Process> {
        let left = self.share.saturating_sub(operations(&self.journal(slot)));
        let role = format!("actor {left} {} {slot} {}", self.dice.next(), self.dir.path().display());
        (left > 0).then(|| Process::start(&role))
    }

    fn run(&mut self) {
        while self.actors.iter().any(Option::is_some) {
            std::thread::sleep(Duration::from_millis(5 + self.dice.below(30)));
            let slot = self.dice.below(ACTORS as u64) as usize;
            match self.dice.below(4) {
                0 => self.kill(slot),
                1 => self.stop(slot),
                _ => {}
            }
            self.drain();
            for slot in 0..ACTORS {
                let ended = self.actors[slot].as_mut().and_then(Process::has_finished);
                if let Some(status) = ended {
                    // It may kill itself; it may not fail.
                    assert!(status.success() || status.code().is_none(), "{status}");
                    self.actors[slot] = self.enter(slot);
                }
            }
        }
    }

    fn kill(&mut self, slot: usize) {
        let Some(mut actor) = self.actors[slot].take() else { return };
        let at = self.clock.uptime_ns();
        actor.signal(Signal::KILL);
        actor.wait();
        self.kills += 1;
        // Its next life starts a new page, with the death of the last one on it.
        // What a line that was broken off was going to say was not done.
        let mut journal = testkit::noted::go_on(&self.journal(slot));
        journal.write_all(format!("k {at}\n").as_bytes()).unwrap();
        self.actors[slot] = self.enter(slot);
    }

    fn stop(&self, slot: usize) {
        if let Some(actor) = &self.actors[slot] {
            actor.signal(Signal::STOP);
            self.clock.leap(Duration::from_millis(self.dice.below(5000)));
            std::thread::sleep(Duration::from_millis(self.dice.below(12)));
            actor.signal(Signal::CONT);
        }
    }

    /// Does the daemon's part: takes what happened out of the outbox.
    fn drain(&mut self) {
        loop {
            let (generation, rows) = self.bus.outbox(0, 1000).unwrap();
            let Some(last) = rows.last() else { return };
            self.bus.outbox_done(&generation, last.id).unwrap();
            rows.iter().for_each(|row| self.record.see(&row.event));
        }
    }
}

/// The bus's own record, in commit order: must tell a story in which nobody ever holds against another.
#[derive(Default)]
struct Record {
    held: BTreeMap<u64, (LockChange, Pattern)>,
    highest: u64,
    phases: BTreeMap<String, usize>,
    violations: Vec<String>,
}

impl Record {
    fn see(&mut self, event: &Event) {
        let Event::LockChanged(change) = event else { return };
        *self.phases.entry(format!("{:?}", change.phase)).or_default() += 1;
        match change.phase {
            LockPhase::Waiting => {}
            LockPhase::Acquired | LockPhase::TakenOver => self.grant(change),
            LockPhase::Released | LockPhase::Expired | LockPhase::Broken => {
                let was = self.held.remove(&change.token);
                if was.is_none_or(|(was, _)| was.holder != change.holder || was.path != change.path) {
                    self.violations.push(format!("ended without having begun: {change:?}"));
                }
            }
        }
    }

    fn grant(&mut self, change: &LockChange) {
        if change.token <= self.highest {
            self.violations.push(format!("after token {}: {change:?}", self.highest));
        }
        self.highest = change.token;
        let pattern = Pattern::parse(&change.path).unwrap();
        for (other, theirs) in self.held.values() {
            if other.holder != change.holder && !other.mode.admits(change.mode) && theirs.overlaps(&pattern) {
                self.violations.push(format!("{change:?} while {other:?}"));
            }
        }
        self.held.insert(change.token, (change.clone(), pattern));
    }

    fn count(&self, phase: LockPhase) -> usize {
        self.phases.get(&format!("{phase:?}")).copied().unwrap_or(0)
    }
}

#[test]
fn two_agents_never_hold_the_same_file_exclusively() {
    let mut contest = Contest::start(OPERATIONS);
    contest.run();
    // What the dead left behind: the visible ones at once, the others when their leases are over.
    contest.bus.reap().unwrap();
    contest.clock.leap(Duration::from_secs(3600));
    contest.bus.reap().unwrap();
    contest.drain();
    assert_eq!(contest.bus.locks(None).unwrap(), []);
    assert_eq!(contest.bus.waits().unwrap(), []);
    assert!(contest.record.held.is_empty(), "{:?}", contest.record.held);
    assert_eq!(contest.record.violations, Vec::<String>::new());

    let mut history = History::default();
    let mut done = 0;
    for slot in 0..ACTORS {
        done += operations(&contest.journal(slot));
        history.read(&contest.journal(slot));
    }
    history.judge();
    println!("{done} operations, {} kills, {:?}, {:?}", contest.kills, history.counts, contest.record.phases);
    assert!(
        history.violations.is_empty(),
        "{} violations: {:#?}",
        history.violations.len(),
        &history.violations[..history.violations.len().min(5)]
    );
    assert!(done >= OPERATIONS);
    // Everything it is about did happen.
    for (what, least, count) in [
        ("grants", OPERATIONS / 10, history.count("A")),
        ("writes", OPERATIONS / 50, history.count("W")),
        ("renewals", OPERATIONS / 100, history.count("E")),
        ("losses noticed", OPERATIONS / 500, history.count("L")),
        ("leaps", OPERATIONS / 1000, history.count("LEAP")),
        ("waits that were granted", OPERATIONS / 100, history.waited()),
        ("deadlocks refused", OPERATIONS / 1000, history.count("N deadlock")),
        ("upgrades refused", OPERATIONS / 1000, history.count("N upgrade")),
        ("kills", OPERATIONS / 1000, contest.kills),
        ("leases run out", OPERATIONS / 500, contest.record.count(LockPhase::Expired)),
        ("locks of the dead taken over", OPERATIONS / 2000, contest.record.count(LockPhase::TakenOver)),
    ] {
        assert!(count >= least, "{what}: {count}, expected at least {least}");
    }
    integrity(contest.dir.path());
}

fn integrity(dir: &Path) {
    let conn = rusqlite::Connection::open(dir.join("messaging.db")).unwrap();
    let verdict: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}
