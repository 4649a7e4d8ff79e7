//! Becoming the one daemon that writes, and ceasing to be.
//!
//! The row `owner` is locked for the decision. A writer's transaction holds a share of that lock until it ends, so whoever
//! takes over sees all that the one before has committed, and nothing of it comes after.

use super::connection::Connection;
use super::place::Place;
use super::schema::prepare_truth;
use super::shelf::hash_of;
use crate::StoreError;
use journal::{Position, Shelved};
use model::{Cursor, Entropy};
use std::time::{Duration, Instant};

/// How often a daemon that waits for an owner's lease to run out looks.
const LOOK: Duration = Duration::from_millis(250);
/// Beyond the lease, for the transactions of the dead that the server has yet to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a daemon shows in each of its transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) daemon: String,
    pub(crate) epoch: i64,
}

pub(crate) struct Acquired {
    pub(crate) claim: Claim,
    pub(crate) shelved: Shelved,
    /// Where the owner was that did not leave in order.
    pub(crate) taken_over: Option<String>,
}

enum Look {
    Ours(Box<Acquired>),
    /// Somebody else's, whose lease runs out after this long, renewed so far until then.
    Theirs {
        place: String,
        left: Duration,
        until: i64,
    },
}

/// Makes this daemon the owner. Waits for the lease of one that is not heard of; one that renews it lives, and the
/// workspace is refused.
pub(crate) fn acquire(
    connection: &Connection,
    place: &Place,
    entropy: &dyn Entropy,
) -> Result<Acquired, StoreError> {
    prepare_truth(connection, place)?;
    let mut random = [0_u8; 16];
    entropy.fill(&mut random);
    let daemon = format!("{:032x}", u128::from_le_bytes(random));
    let begun = Instant::now();
    let mut known = None;
    loop {
        match look(connection, place, &daemon)? {
            Look::Ours(acquired) => return Ok(*acquired),
            Look::Theirs { place: name, left, until } => {
                let renewed = *known.get_or_insert(until) != until;
                if renewed || begun.elapsed() > place.lease + left.min(place.lease) + PATIENCE {
                    return Err(StoreError::Owned { place: name });
                }
                std::thread::sleep(left.clamp(Duration::from_millis(1), LOOK));
            }
        }
    }
}

fn look(connection: &Connection, place: &Place, daemon: &str) -> Result<Look, StoreError> {
    connection.batch("BEGIN")?;
    let looked = decide(connection, place, daemon);
    let end = if matches!(looked, Ok(Look::Ours(_))) { "COMMIT" } else { "ROLLBACK" };
    match (looked, connection.batch(end)) {
        (Ok(look), Ok(())) => Ok(look),
        (Err(error), _) | (Ok(_), Err(error)) => Err(error),
    }
}

fn decide(connection: &Connection, place: &Place, daemon: &str) -> Result<Look, StoreError> {
    let lease_ms = i64::try_from(place.lease.as_millis()).unwrap_or(i64::MAX);
    let rows = connection.ask(
        "SELECT epoch, daemon, machine, place, state,
            (extract(epoch FROM until - clock_timestamp()) * 1000)::bigint,
            (extract(epoch FROM until) * 1000)::bigint
         FROM owner WHERE one = 1 FOR UPDATE",
        &[],
    )?;
    let Some(row) = rows.first() else {
        connection.tell(
            "INSERT INTO owner (one, epoch, daemon, machine, place, until)
             VALUES (1, 1, $1, $2, $3, clock_timestamp() + $4 * interval '1 millisecond')",
            &[&daemon, &place.machine, &place.name, &(lease_ms as f64)],
        )?;
        connection.tell("INSERT INTO epochs (epoch, first) VALUES (1, 1)", &[])?;
        return ours(connection, daemon, 1, None);
    };
    let (epoch, before, machine): (i64, Option<String>, String) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let (name, state): (String, String) = (row.try_get(3)?, row.try_get(4)?);
    let (left_ms, until): (i64, i64) = (row.try_get(5)?, row.try_get(6)?);
    if state == "arriving" {
        return Err(StoreError::Arriving { place: place.to_string() });
    }
    if before.is_some() && machine != place.machine && left_ms > 0 {
        return Ok(Look::Theirs { place: name, left: Duration::from_millis(left_ms.unsigned_abs()), until });
    }
    let epoch = if before.is_some() { raise(connection)? } else { epoch };
    connection.tell(
        "UPDATE owner SET epoch = $1, daemon = $2, machine = $3, place = $4, state = 'open',
            until = clock_timestamp() + $5 * interval '1 millisecond' WHERE one = 1",
        &[&epoch, &daemon, &place.machine, &place.name, &(lease_ms as f64)],
    )?;
    ours(connection, daemon, epoch, before.map(|_| name))
}

fn ours(
    connection: &Connection,
    daemon: &str,
    epoch: i64,
    taken_over: Option<String>,
) -> Result<Look, StoreError> {
    let claim = Claim { daemon: daemon.to_owned(), epoch };
    Ok(Look::Ours(Box::new(Acquired { claim, shelved: shelved(connection)?, taken_over })))
}

/// Starts a new epoch after the last record; a pair of epoch and number is never used twice.
pub(crate) fn raise(connection: &Connection) -> Result<i64, StoreError> {
    let row = connection.one(
        "INSERT INTO epochs (epoch, first)
         SELECT (SELECT coalesce(max(epoch), 0) + 1 FROM epochs), (SELECT coalesce(max(seq), 0) + 1 FROM journal)
         RETURNING epoch",
        &[],
    )?;
    Ok(row.try_get(0)?)
}

/// How far the journal has come.
pub(crate) fn shelved(connection: &Connection) -> Result<Shelved, StoreError> {
    let tip = connection.ask("SELECT epoch, seq, hash FROM journal ORDER BY seq DESC LIMIT 1", &[])?;
    let tip = match tip.first() {
        None => Position::START,
        Some(row) => {
            let (epoch, seq, hash): (i64, i64, &[u8]) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let cursor = Cursor { epoch: epoch.cast_unsigned(), seq: seq.cast_unsigned() };
            Position { cursor, hash: hash_of(hash)? }
        }
    };
    let rows = connection.ask("SELECT epoch, first FROM epochs ORDER BY epoch", &[])?;
    let epochs = rows
        .iter()
        .map(|row| {
            let (epoch, first): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            Ok((epoch.cast_unsigned(), first.cast_unsigned()))
        })
        .collect::<Result<_, StoreError>>()?;
    Ok(Shelved { tip, epochs })
}

/// The look every transaction of a writer begins with. It holds off who would take over until the transaction ends.
pub(crate) const FENCE: &str = "SELECT epoch, daemon, place FROM owner WHERE one = 1 FOR KEY SHARE";

/// Whether the row the look found is still ours.
pub(crate) fn check(rows: &[tokio_postgres::Row], claim: &Claim) -> Result<(), StoreError> {
    let Some(row) = rows.first() else {
        return Err(StoreError::Lost { place: "nobody: the schema was made anew".to_owned() });
    };
    let (epoch, daemon, place): (i64, Option<&str>, String) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    if epoch == claim.epoch && daemon == Some(claim.daemon.as_str()) {
        return Ok(());
    }
    Err(StoreError::Lost { place })
}

/// Leaves in order: the next one need not wait and starts no new epoch.
pub(crate) fn release(connection: &Connection, claim: &Claim) -> Result<(), StoreError> {
    connection.tell(
        "UPDATE owner SET daemon = NULL, until = clock_timestamp() WHERE one = 1 AND epoch = $1 AND daemon = $2",
        &[&claim.epoch, &claim.daemon],
    )?;
    Ok(())
}
