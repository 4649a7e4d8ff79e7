//! The heartbeat of the owner: a thread that renews the lease by the server's clock.
//!
//! Invariant: the lease decides who may take over, not who may write; that is what each transaction asks. So a heartbeat
//! that comes late costs nothing while nobody took over.

use super::acquire::Claim;
use super::connection::{Connection, Use};
use super::place::Place;
use crate::StoreError;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Heartbeats in one lease: two may be lost.
const BEATS: u32 = 3;
/// Between two attempts while the server is away.
const RETRY: Duration = Duration::from_secs(1);

pub(crate) struct Lease {
    end: Sender<()>,
    thread: JoinHandle<()>,
}

impl Lease {
    /// Calls `lost`, once, when somebody else is the owner.
    pub(crate) fn keep(
        place: Arc<Place>,
        claim: Claim,
        lost: impl FnOnce(&str) + Send + 'static,
    ) -> Result<Self, StoreError> {
        let (end, ending) = channel();
        let folder = place.truth.clone();
        let thread = std::thread::Builder::new()
            .name("store-lease".to_owned())
            .spawn(move || {
                if let Some(error) = beat(&place, &claim, &ending) {
                    lost(&error.to_string());
                }
            })
            .map_err(|error| StoreError::io("start a thread for", folder.as_ref(), error))?;
        Ok(Self { end, thread })
    }

    pub(crate) fn join(self) {
        drop(self.end);
        drop(self.thread.join());
    }
}

/// Until it is told to end, or somebody else is the owner.
fn beat(place: &Place, claim: &Claim, ending: &Receiver<()>) -> Option<StoreError> {
    let mut connection: Option<Connection> = None;
    let mut pause = place.lease / BEATS;
    loop {
        match ending.recv_timeout(pause) {
            Err(RecvTimeoutError::Timeout) => {}
            _ => return None,
        }
        pause = place.lease / BEATS;
        let renewed = match connection.take() {
            Some(open) => Ok(open),
            None => Connection::open(place, &place.rows, Use::Write),
        }
        .and_then(|open| renew(&open, place, claim).map(|ours| (ours, open)));
        match renewed {
            Ok((true, open)) => connection = Some(open),
            Ok((false, open)) => {
                let rows = open.ask("SELECT place FROM owner WHERE one = 1", &[]).unwrap_or_default();
                let place = rows.first().and_then(|row| row.try_get(0).ok());
                return Some(StoreError::Lost { place: place.unwrap_or_else(|| "somebody".to_owned()) });
            }
            // The server is away. Whether we still are the owner shows when it is back.
            Err(_) => pause = RETRY.min(pause),
        }
    }
}

fn renew(connection: &Connection, place: &Place, claim: &Claim) -> Result<bool, StoreError> {
    let lease_ms = place.lease.as_millis() as f64;
    let renewed = connection.tell(
        "UPDATE owner SET until = clock_timestamp() + $1 * interval '1 millisecond'
         WHERE one = 1 AND epoch = $2 AND daemon = $3",
        &[&lease_ms, &claim.epoch, &claim.daemon],
    )?;
    Ok(renewed == 1)
}
