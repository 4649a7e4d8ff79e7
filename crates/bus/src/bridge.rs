//! The bridge: brings the sessions, notices and locks of this machine to a backend that spans machines, and theirs here.
//!
//! Sessions go on using their machine's file alone, so nothing they do waits for a server. What happened while the other
//! side could not be reached follows when it can: notices by durable cursors in both directions, each once
//! ([`crate::mirror`]); sessions and locks by comparing what is with what is known there.

mod inward;
mod offers;
mod outward;
mod overlap;

use crate::backend::Backend;
use crate::bus::Bus;
use crate::error::BusError;
use crate::lock::LOCK_TTL_MAX;
use model::Channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the other machines hear that a session of ours lives. [`crate::SUSPECT_ELSEWHERE_AFTER`] is four of them.
pub const BEAT: Duration = Duration::from_secs(15);
/// What a session lives there without a beat: long, so that a laptop that slept comes back as who it was.
const LEASE: Duration = LOCK_TTL_MAX;
/// Longest look at the other bus; who stops the bridge waits for it.
const LOOK: Duration = Duration::from_secs(2);
/// Longest wait for the threads when the bridge is dropped.
const STOP_WAIT: Duration = Duration::from_secs(5);
/// Longest name of a machine.
pub const MACHINE_MAX: usize = 64;
/// Why a session of another machine ended here. It may come back: its machine knows better.
pub(crate) const ELSEWHERE_END: &str = "ended on its machine";
/// First and longest pause after a failure.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));
/// Whose cursors say how far the bridge has come.
const CONSUMER: &str = "bridge";
/// Channels of the bridges among themselves begin so; nothing on them crosses.
const OWN_CHANNELS: &str = "bridge.";
/// On it a bridge tells the sender's machine that a notice was acknowledged.
const ACK_CHANNEL: &str = "bridge.ack";
/// On it a session is announced, for the others to be woken by.
const HERE_CHANNEL: &str = "bridge.here";

/// Makes the connection; called again after it failed.
pub type Connect = Box<dyn Fn() -> Result<Arc<dyn Backend>, BusError> + Send + Sync>;

/// How the bridge is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BridgeState {
    /// The backend's name, once it was reached.
    pub backend: Option<&'static str>,
    /// Why it does not work now, in one direction or both; none while all is well.
    pub trouble: Option<String>,
    /// Notices that crossed since the start.
    pub exported: u64,
    pub imported: u64,
    /// What could not cross: who it was for is gone, or one side refused it.
    pub left_out: u64,
}

/// The two threads' names for what they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Out,
    In,
}

/// Two threads; dropped, they stop.
pub struct Bridge {
    crossing: Arc<Crossing>,
    threads: Vec<JoinHandle<()>>,
}

/// What both directions share.
struct Crossing {
    bus: Bus,
    /// Names this machine to the others; it says itself which sessions there are ours.
    machine: String,
    connect: Connect,
    hub: Mutex<Hub>,
    wake: (Mutex<Wake>, Condvar),
    state: Mutex<BridgeState>,
    /// By [`Direction`].
    troubles: Mutex<[Option<String>; 2]>,
}

/// The other side, and how often it was reached: what was known of an earlier one is to be asked anew.
#[derive(Default)]
struct Hub {
    backend: Option<Arc<dyn Backend>>,
    times: u64,
}

#[derive(Debug, Default)]
struct Wake {
    stop: bool,
    poked: bool,
}

impl Bridge {
    /// Begins to bring `bus` together with what `connect` reaches. `machine` names this machine among the others: 1 to
    /// [`MACHINE_MAX`] letters, digits, `-`, `_` or `.`, the same at every start and no other machine's.
    pub fn start(bus: Bus, machine: &str, connect: Connect) -> Result<Self, BusError> {
        check_machine(machine).map_err(BusError::Invalid)?;
        let crossing = Arc::new(Crossing {
            bus,
            machine: machine.to_owned(),
            connect,
            hub: Mutex::default(),
            wake: Default::default(),
            state: Mutex::default(),
            troubles: Mutex::default(),
        });
        let mut bridge = Self { crossing, threads: Vec::new() };
        bridge.begin("bus-bridge-out", outward::run)?;
        bridge.begin("bus-bridge-in", inward::run)?;
        Ok(bridge)
    }

    fn begin(&mut self, name: &str, run: fn(&Crossing)) -> Result<(), BusError> {
        let crossing = Arc::clone(&self.crossing);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(&crossing))
            .map_err(BusError::io("starting the bridge"))?;
        self.threads.push(thread);
        Ok(())
    }

    /// Something changed here: look now, not at the next beat.
    pub fn poke(&self) {
        locked(&self.crossing.wake.0).poked = true;
        self.crossing.wake.1.notify_all();
    }

    pub fn state(&self) -> BridgeState {
        let trouble = locked(&self.crossing.troubles).iter().flatten().next().cloned();
        BridgeState { trouble, ..locked(&self.crossing.state).clone() }
    }

    /// Ends it for good: the sessions of other machines are not known here any more.
    pub fn part(self) -> Result<(), BusError> {
        let bus = self.crossing.bus.clone();
        drop(self);
        for session in bus.sessions()?.into_iter().filter(|session| session.machine.is_some()) {
            match bus.end(session.registration.id, ELSEWHERE_END) {
                Ok(()) | Err(BusError::Ended(_) | BusError::NotRegistered(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// What a machine may be called; or what is wrong with the name.
pub fn check_machine(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > MACHINE_MAX || !name.chars().all(fits) {
        return Err(format!("a machine has a name of 1 to {MACHINE_MAX} letters, digits, -, _ or ."));
    }
    Ok(())
}

impl Drop for Bridge {
    fn drop(&mut self) {
        locked(&self.crossing.wake.0).stop = true;
        self.crossing.wake.1.notify_all();
        let begun = Instant::now();
        for thread in self.threads.drain(..) {
            // A server that neither answers nor goes away is left to its own limits; nothing here waits for it.
            while !thread.is_finished() && begun.elapsed() < STOP_WAIT {
                std::thread::sleep(Duration::from_millis(2));
            }
            if thread.is_finished() {
                let _ = thread.join();
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Crossing {
    /// Does `round` again and again until the bridge stops, and pauses longer and longer while it fails. It is told how
    /// often the other side was made.
    fn repeat(&self, direction: Direction, mut round: impl FnMut(&dyn Backend, u64) -> Result<(), BusError>) {
        let mut pause = BACK_OFF.0;
        while !self.is_stopped() {
            let done = self.hub().and_then(|(hub, times)| {
                let done = round(&*hub, times);
                if let Err(error) = &done {
                    self.doubt(times, error);
                }
                done
            });
            match done {
                Ok(()) => pause = BACK_OFF.0,
                Err(error) => {
                    locked(&self.troubles)[direction as usize] = Some(error.to_string());
                    if !self.sleep(pause) {
                        return;
                    }
                    pause = (pause * 2).min(BACK_OFF.1);
                }
            }
        }
    }

    /// The other side is there and answers.
    fn reached(&self, direction: Direction) {
        locked(&self.troubles)[direction as usize] = None;
    }

    fn hub(&self) -> Result<(Arc<dyn Backend>, u64), BusError> {
        let mut hub = locked(&self.hub);
        if let Some(backend) = &hub.backend {
            return Ok((Arc::clone(backend), hub.times));
        }
        let made = (self.connect)()?;
        locked(&self.state).backend = Some(made.promises().backend);
        hub.backend = Some(Arc::clone(&made));
        hub.times += 1;
        Ok((made, hub.times))
    }

    /// What broke in a way that asking again does not mend is connected anew: its streams may be gone, its password
    /// another one.
    fn doubt(&self, times: u64, error: &BusError) {
        let passes =
            matches!(error, BusError::Unreachable { .. } | BusError::Unanswered { .. } | BusError::Busy(_));
        let mut hub = locked(&self.hub);
        if !passes && hub.times == times {
            hub.backend = None;
        }
    }

    fn is_stopped(&self) -> bool {
        locked(&self.wake.0).stop
    }

    /// False when the bridge stops.
    fn sleep(&self, time: Duration) -> bool {
        let wake = locked(&self.wake.0);
        let (wake, _) = self
            .wake
            .1
            .wait_timeout_while(wake, time, |wake| !wake.stop)
            .unwrap_or_else(PoisonError::into_inner);
        !wake.stop
    }

    /// Until poked, at most `time`.
    fn rest(&self, time: Duration) {
        let wake = locked(&self.wake.0);
        let quiet = |wake: &mut Wake| !wake.stop && !wake.poked;
        let (mut wake, _) =
            self.wake.1.wait_timeout_while(wake, time, quiet).unwrap_or_else(PoisonError::into_inner);
        wake.poked = false;
    }

    /// A worktree of ours as other machines know it.
    fn abroad(&self, worktree: Option<&str>) -> String {
        format!("{}:{}", self.machine, worktree.unwrap_or_default())
    }

    fn count(&self, change: impl FnOnce(&mut BridgeState)) {
        change(&mut locked(&self.state));
    }
}

fn channel(name: &str) -> Result<Channel, BusError> {
    name.parse().map_err(BusError::Invalid)
}

/// The machine of a session, from the worktree it has on the other bus.
fn machine_of(worktree: Option<&str>) -> &str {
    worktree.and_then(|worktree| worktree.split_once(':')).map_or("elsewhere", |(machine, _)| machine)
}

/// What stays of a generation when its server boots or is replaced by a copy: ids mean the same as long as this does.
fn birth(generation: &str) -> &str {
    generation.rsplit_once('-').map_or(generation, |(birth, _)| birth)
}
