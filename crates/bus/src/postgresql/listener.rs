//! The doorbell: one connection of this process listens for all who wait in it.
//!
//! A ring says nothing and may be lost; so who waits takes the count of rings before it looks, and looks again when the
//! count has moved, when the connection was lost and is there again, and at the safety poll.

use super::address::Address;
use crate::error::BusError;
use postgresql::Client;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long the listener sleeps at most before it sees that nobody needs it any more.
const TURN: Duration = Duration::from_secs(2);
/// The pause before the second attempt to connect; it doubles, with jitter, up to the longest.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long a waiter waits for the listener to begin; after that it relies on the safety poll.
const BEGIN_WITHIN: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Rings {
    count: u64,
    /// It listens, or has tried to and failed.
    begun: bool,
    started: bool,
}

#[derive(Default)]
struct Bell {
    rings: Mutex<Rings>,
    rung: Condvar,
    over: AtomicBool,
}

impl Bell {
    fn rings(&self) -> MutexGuard<'_, Rings> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        let mut rings = self.rings();
        rings.count += 1;
        rings.begun = true;
        drop(rings);
        self.rung.notify_all();
    }
}

pub(crate) struct Listener {
    address: Address,
    bell: Arc<Bell>,
}

impl Listener {
    pub(crate) fn new(address: Address) -> Self {
        Self { address, bell: Arc::default() }
    }

    /// Begins to listen, if nobody has yet. What is committed after this returns rings.
    pub(crate) fn begin(&self) -> Result<(), BusError> {
        let mut rings = self.bell.rings();
        if !rings.started {
            let (address, bell) = (self.address.clone(), Arc::clone(&self.bell));
            std::thread::Builder::new()
                .name("bus-listener".to_owned())
                .spawn(move || listen(&address, &bell))
                .map_err(BusError::io("starting the thread that listens for notices"))?;
            rings.started = true;
        }
        let deadline = Instant::now() + BEGIN_WITHIN;
        while !rings.begun {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            rings = self.bell.rung.wait_timeout(rings, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    /// How often it has rung: to be read before looking.
    pub(crate) fn count(&self) -> u64 {
        self.bell.rings().count
    }

    /// Waits until it has rung more often than that, or the time is over.
    pub(crate) fn wait(&self, seen: u64, most: Duration) {
        let deadline = Instant::now().checked_add(most);
        let mut rings = self.bell.rings();
        while rings.count == seen {
            let left = deadline.map_or(most, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return;
            }
            rings = self.bell.rung.wait_timeout(rings, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.bell.over.store(true, SeqCst);
    }
}

fn listen(address: &Address, bell: &Bell) {
    let mut pause = PAUSE_MIN;
    while !bell.over.load(SeqCst) {
        let begun = Instant::now();
        let _ = hear(address, bell);
        // Those who wait see the loss at the next look, and rings that came in between are not missed.
        bell.ring();
        if begun.elapsed() > PAUSE_MAX {
            pause = PAUSE_MIN;
        }
        let jitter = u32::from(begun.elapsed().subsec_nanos().to_le_bytes()[0]);
        std::thread::sleep(pause / 2 + pause * jitter / 512);
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Listens until the connection is lost or nobody needs it.
fn hear(address: &Address, bell: &Bell) -> Result<(), BusError> {
    let mut client = Client::connect(&address.server)?;
    client.batch_execute(&format!("LISTEN \"{}\"", address.schema))?;
    bell.ring();
    while !bell.over.load(SeqCst) {
        if client.hear(TURN)? {
            bell.ring();
        } else if client.is_closed() {
            break;
        }
    }
    Ok(())
}
