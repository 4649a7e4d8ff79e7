//! One of the processes that fight for files: takes, renews, writes, gives back, jumps and dies at random.
//! What it does it writes down, in a file of its own that SQLite knows nothing of.

use crate::process::SharedClock;
use crate::stage::{TREE, new};
use bus::system::SystemEntropy;
use bus::{Bus, BusError, Liveness, LockRequest, Pattern};
use model::{Lock, LockMode, RegistrationId};
use rustix::fs::{FlockOperation, flock};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use testkit::SeededEntropy;

/// The files that are fought for, and globs over them.
pub(crate) const FILES: [&str; 5] = ["d/0", "d/1", "d/2", "d/3", "e/4"];
const GLOBS: [&str; 3] = ["d/[0-1]", "d/*", "**/[34]"];

const TTL_MAX: Duration = Duration::from_secs(4);
const LEAP_MAX_MS: u64 = 6000;
const HELD_MAX: usize = 6;
/// Bytes a file under contest has.
const PAGE: usize = 80;

/// A lock as far as its holder knows.
struct Belief {
    pattern: Pattern,
    mode: LockMode,
    /// By then its lease is over in any case.
    latest_end: u64,
}

struct Actor {
    bus: Bus,
    clock: Arc<SharedClock>,
    dice: SeededEntropy,
    journal: File,
    dir: PathBuf,
    me: RegistrationId,
    held: BTreeMap<u64, Belief>,
    /// Keeps the liveness file locked.
    _life: File,
}

/// `argument`: operations, seed, number of the actor, folder.
pub(crate) fn run(argument: &str) {
    let mut words = argument.splitn(4, ' ');
    let mut number = || words.next().unwrap().parse::<u64>().unwrap();
    let (operations, seed, slot) = (number(), number(), number());
    let mut actor = Actor::start(seed, slot, Path::new(words.next().unwrap()));
    for _ in 0..operations {
        actor.step();
    }
    actor.leave();
}

impl Actor {
    fn start(seed: u64, slot: u64, dir: &Path) -> Self {
        let clock = Arc::new(SharedClock::open(dir));
        let dice = SeededEntropy::new(seed);
        let journal =
            File::options().append(true).create(true).open(dir.join(format!("actor-{slot}"))).unwrap();
        let bus = Bus::open(dir, Arc::clone(&clock) as _, Arc::new(SystemEntropy)).unwrap();
        let life = dir.join(format!("life-{slot}-{}", std::process::id()));
        let file = File::create(&life).unwrap();
        flock(&file, FlockOperation::LockExclusive).unwrap();
        // Most die visibly; a few are only missed when their leases run out.
        let liveness = match dice.below(8) {
            0 => Liveness::Lease { ttl: Duration::from_secs(24 * 3600) },
            1..4 => Liveness::Process {
                pid: std::process::id(),
                starttime: bus::system::process_start(std::process::id()).unwrap(),
            },
            _ => Liveness::LockFile(life),
        };
        let me = bus.register(new(&format!("actor-{slot}"), liveness)).unwrap().id;
        Self { bus, clock, dice, journal, dir: dir.to_owned(), me, held: BTreeMap::new(), _life: file }
    }

    fn now(&self) -> u64 {
        self.clock.uptime_ns()
    }

    /// One line, one write: a killed process leaves whole lines. Lines in capitals count as an operation.
    fn note(&self, line: &str) {
        (&self.journal).write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn step(&mut self) {
        match self.dice.below(1000) {
            0 => {
                self.note(&format!("k {}", self.now()));
                rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)
                    .unwrap();
            }
            1..5 => {
                self.clock.leap(Duration::from_millis(self.dice.below(LEAP_MAX_MS)));
                self.note("LEAP");
            }
            5..15 => {
                let far = i64::try_from(self.dice.below(1 << 40)).unwrap() - (1 << 39);
                self.clock.shift_wall(far);
                self.note("WALL");
            }
            15..25 => self.release_all(),
            25..100 => self.renew(),
            100..300 if !self.held.is_empty() => self.release(),
            300..550 if !self.held.is_empty() => self.write(),
            550..850 => self.acquire(false),
            _ => self.acquire(true),
        }
    }

    /// A random wish.
    fn wish(&self) -> LockRequest {
        let mode = match self.dice.below(10) {
            0..2 => LockMode::Shared,
            2 => LockMode::Advisory,
            _ => LockMode::Exclusive,
        };
        let mut paths: Vec<String> = Vec::new();
        for _ in 0..=self.dice.below(2) {
            let path = match self.dice.below(8) {
                0 => GLOBS[self.dice.below(GLOBS.len() as u64) as usize],
                _ => FILES[self.dice.below(FILES.len() as u64) as usize],
            };
            if paths.iter().all(|known| known != path) {
                paths.push(path.to_owned());
            }
        }
        let ttl = Duration::from_millis(20 + self.dice.below(TTL_MAX.as_millis() as u64 - 20));
        LockRequest { worktree: TREE.to_owned(), paths, mode, holder: self.me, ttl }
    }

    fn acquire(&mut self, wait: bool) {
        if self.held.len() >= HELD_MAX {
            return self.release_all();
        }
        let request = self.wish();
        let free = u8::from(self.held.is_empty());
        let queued = AtomicU64::new(0);
        let call = self.now();
        let result = if wait {
            let patience = Duration::from_millis(1 + self.dice.below(25));
            self.bus.acquire_wait(&request, patience, &mut |_| queued.store(self.now(), Ordering::SeqCst))
        } else {
            self.bus.acquire(&request)
        };
        let back = self.now();
        match result {
            Ok(acquired) => {
                let (bound, latest_end) = (call + nanos(request.ttl), back + nanos(request.ttl));
                let queued = queued.load(Ordering::SeqCst);
                let mut line = format!("A {} {call} {back} {bound} {queued} {free}", self.me);
                for lock in &acquired.locks {
                    let fresh = u8::from(!self.held.contains_key(&lock.token));
                    line += &format!(" {},{},{},{fresh}", lock.token, lock.mode.as_str(), lock.path);
                }
                self.note(&line);
                acquired.locks.iter().for_each(|lock| self.believe(lock, latest_end));
            }
            Err(error) => self.refused(&request, call, &error),
        }
    }

    fn believe(&mut self, lock: &Lock, latest_end: u64) {
        if lock.mode == LockMode::Exclusive {
            // An upgrade has replaced the shared lock.
            self.held.retain(|_, old| old.mode != LockMode::Shared || old.pattern.as_str() != lock.path);
        }
        let known = self.held.get(&lock.token).map_or(0, |belief| belief.latest_end);
        let (pattern, mode) = (Pattern::parse(&lock.path).unwrap(), lock.mode);
        self.held.insert(lock.token, Belief { pattern, mode, latest_end: latest_end.max(known) });
    }

    fn refused(&mut self, request: &LockRequest, call: u64, error: &BusError) {
        match error {
            BusError::Contended(_) => self.note("N contended"),
            BusError::TimedOut(_) => self.note("N timeout"),
            BusError::Upgrade { .. } => self.note("N upgrade"),
            BusError::WouldDeadlock { cycle } => {
                if cycle.first() != Some(&self.me) || cycle.last() != Some(&self.me) || cycle.len() < 3 {
                    self.note(&format!("V a ring that is none: {cycle:?}"));
                }
                self.note("N deadlock");
                self.release_all();
            }
            // Stopped or leapt over between grant and return. What was to be upgraded is gone as well.
            BusError::Lost(_) => {
                let shared = |old: &Belief| {
                    old.mode == LockMode::Shared
                        && request.paths.iter().any(|path| path == old.pattern.as_str())
                };
                let lost: Vec<u64> =
                    self.held.iter().filter(|(_, old)| shared(old)).map(|(token, _)| *token).collect();
                for token in lost {
                    self.held.remove(&token);
                    self.note(&format!("r {token} {call}"));
                }
                self.note("N expired");
            }
            other => self.note(&format!("V acquire: {other:?}")),
        }
    }

    fn pick(&self) -> Option<u64> {
        let count = self.held.len() as u64;
        (count > 0).then(|| *self.held.keys().nth(self.dice.below(count) as usize).unwrap())
    }

    fn renew(&mut self) {
        let Some(token) = self.pick() else { return self.note("N nothing") };
        let call = self.now();
        match self.bus.renew(token, self.me, TTL_MAX) {
            Ok(_) => {
                let latest_end = self.now() + nanos(TTL_MAX);
                self.held.entry(token).and_modify(|belief| belief.latest_end = latest_end);
                self.note(&format!("E {token} {}", call + nanos(TTL_MAX)));
            }
            Err(BusError::Lost(_)) => self.lose(token),
            Err(error) => self.note(&format!("V renew: {error:?}")),
        }
    }

    fn lose(&mut self, token: u64) {
        self.held.remove(&token);
        self.note(&format!("L {token} {}", self.now()));
    }

    fn release(&mut self) {
        let Some(token) = self.pick() else { return };
        // Said before it is done: from now on nobody counts on the lock.
        self.note(&format!("r {token} {}", self.now()));
        self.held.remove(&token);
        match self.bus.release(token, self.me) {
            Ok(()) => self.note("R kept"),
            Err(BusError::Lost(_)) => self.note("R lost"),
            Err(error) => self.note(&format!("V release: {error:?}")),
        }
    }

    fn release_all(&mut self) {
        for token in std::mem::take(&mut self.held).into_keys() {
            self.note(&format!("r {token} {}", self.now()));
        }
        match self.bus.release_all(self.me) {
            Ok(_) => self.note("R all"),
            Err(error) => self.note(&format!("V release_all: {error:?}")),
        }
    }

    /// Writes a file as the daemon's writer does: nobody else can write it meanwhile, the token is checked, then it
    /// is written. The file remembers the last token that wrote it, and refuses to go back.
    fn write(&mut self) {
        let Some(token) = self.pick() else { return };
        let Belief { pattern, mode, latest_end } = &self.held[&token];
        let (mode, latest_end) = (*mode, *latest_end);
        let Some(index) = FILES.iter().position(|file| pattern.matches(file)) else {
            return self.note("N nothing");
        };
        let path = self.dir.join(format!("file-{index}"));
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path).unwrap();
        flock(&file, FlockOperation::LockExclusive).unwrap();
        let before = self.now();
        match self.bus.check(token, TREE, FILES[index], self.me) {
            Ok(()) => {
                let after = self.now();
                let mut bytes = [0u8; PAGE];
                let last = match file.read_exact_at(&mut bytes, 0) {
                    Ok(()) => String::from_utf8(bytes.to_vec()).unwrap(),
                    Err(_) => String::new(),
                };
                let (last, writer) = last.trim_end().split_once(' ').unwrap_or(("0", ""));
                // Its own locks may overlap; of two holders the one with the higher token comes later.
                let stale = last.parse::<u64>().unwrap() > token && writer != self.me.to_string();
                if before >= latest_end {
                    self.note(&format!("V {token} passed at {before}, over since {latest_end}"));
                }
                if stale || mode != LockMode::Exclusive {
                    self.note(&format!("V {} written under {token} ({mode:?}) after {last}", FILES[index]));
                }
                let page = format!("{:PAGE$}", format!("{token} {}", self.me));
                file.write_all_at(page.as_bytes(), 0).unwrap();
                self.note(&format!("W {token} {index} {before} {after}"));
            }
            Err(BusError::Lost(lost)) if mode == LockMode::Exclusive => {
                if lost.code() == "lock_lost" {
                    self.lose(token);
                } else {
                    self.note(&format!("V check: {lost:?}"));
                }
            }
            Err(BusError::Lost(_)) => self.note("N not exclusive"),
            Err(error) => self.note(&format!("V check: {error:?}")),
        }
    }

    fn leave(&mut self) {
        self.note(&format!("k {}", self.now()));
        if let Err(error) = self.bus.end(self.me, "finished") {
            self.note(&format!("V end: {error:?}"));
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap()
}
