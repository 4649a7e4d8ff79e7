//! Transactions: reading one state, and changing it alone. Both are tried again while the server is away for a moment.
//!
//! When a connection breaks while COMMIT is under way, the server is asked afterwards what became of the transaction.
//! So an error means that nothing was changed, except for [`BusError::Unanswered`], which says that nobody knows.

use super::connection::{Connection, Param};
use super::{BACKEND, Postgres, fault, schema};
use crate::error::BusError;
use crate::write::{Moment, unsigned};
use model::{Lock, RegistrationId, Timestamp};
use postgresql::Trouble;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio_postgres::{Row, SimpleQueryMessage};

/// The pause before the second attempt; it doubles, with jitter, up to the longest.
const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// A transaction; a reading one sees one state, a writing one is alone.
pub(crate) struct Tx<'a> {
    connection: &'a mut Connection,
    pub(crate) now: Moment,
    pub(crate) epoch: i64,
    token: i64,
    pub(crate) newest: i64,
    /// Locks granted and not in the table yet; they go there together.
    fresh: Vec<(Lock, i64)>,
}

/// Why an attempt came to nothing, as far as is known.
enum Failed<T> {
    /// Nothing was changed.
    Before(BusError),
    /// COMMIT was sent, and no answer came.
    During { xid: String, home: String, value: T },
}

impl<T> From<BusError> for Failed<T> {
    fn from(error: BusError) -> Self {
        Self::Before(error)
    }
}

/// What became of a transaction.
enum Fate {
    Committed,
    Aborted,
    UnderWay,
    /// The server does not remember it, or it is another server.
    Unknown,
}

impl Tx<'_> {
    pub(crate) fn rows(&mut self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, BusError> {
        self.flush()?;
        self.connection.rows(sql, params)
    }

    pub(crate) fn row(&mut self, sql: &str, params: &[Param<'_>]) -> Result<Option<Row>, BusError> {
        self.flush()?;
        self.connection.row(sql, params)
    }

    pub(crate) fn run(&mut self, sql: &str, params: &[Param<'_>]) -> Result<u64, BusError> {
        self.flush()?;
        self.connection.run(sql, params)
    }

    /// A lock that is granted.
    pub(crate) fn grant(&mut self, lock: &Lock, expires_ns: i64) {
        self.fresh.push((lock.clone(), expires_ns));
    }

    /// The next fencing token. Its number is used up only by a change that commits.
    pub(crate) fn next_token(&mut self) -> u64 {
        self.token += 1;
        // A counter that is used up goes on in the next epoch by itself: the epoch is its upper part.
        unsigned(self.token)
    }

    fn flush(&mut self) -> Result<(), BusError> {
        if self.fresh.is_empty() {
            return Ok(());
        }
        let fresh = std::mem::take(&mut self.fresh);
        let column = |of: fn(&Lock) -> String| fresh.iter().map(|(lock, _)| of(lock)).collect::<Vec<_>>();
        let tokens: Vec<i64> = fresh.iter().map(|(lock, _)| crate::write::signed(lock.token)).collect();
        let globs: Vec<bool> =
            fresh.iter().map(|(lock, _)| crate::Pattern::from_normal(&lock.path).is_glob()).collect();
        let expires: Vec<i64> = fresh.iter().map(|(_, expires_ns)| *expires_ns).collect();
        self.connection.run(
            "INSERT INTO locks (token, worktree, path, is_glob, mode, holder, acquired_ms, expires_ns)
             SELECT t, w, p, g, m, h, $8, e FROM unnest($1::bigint[], $2::text[], $3::text[], $4::boolean[],
                $5::text[], $6::text[], $7::bigint[]) AS fresh (t, w, p, g, m, h, e)",
            &[
                &tokens,
                &column(|lock| lock.worktree.clone()),
                &column(|lock| lock.path.clone()),
                &globs,
                &column(|lock| lock.mode.as_str().to_owned()),
                &column(|lock| lock.holder.to_string()),
                &expires,
                &self.now.wall.as_millis(),
            ],
        )?;
        Ok(())
    }
}

/// A registration's id as it is stored.
pub(crate) fn id(registration: RegistrationId) -> String {
    registration.to_string()
}

impl Postgres {
    /// Looks at one state.
    pub(crate) fn read<T>(
        &self,
        mut look: impl FnMut(&mut Tx<'_>) -> Result<T, BusError>,
    ) -> Result<T, BusError> {
        self.trying(|connection| {
            connection.busy = true;
            let seen = begin_reading(connection).and_then(|mut tx| look(&mut tx));
            // Whatever it was, there is nothing to keep.
            connection.busy = connection.client.batch_execute("ROLLBACK").is_err();
            Ok(seen?)
        })
    }

    /// Looks at each statement's own state: for what must not be older than the clock read after it.
    pub(crate) fn glance<T>(
        &self,
        mut look: impl FnMut(&mut Connection) -> Result<T, BusError>,
    ) -> Result<T, BusError> {
        self.trying(|connection| Ok(look(connection)?))
    }

    /// Changes the state, alone. An error rolls everything back; what must be kept beside a refusal is returned as a
    /// value. The change may be tried more than once before one is kept.
    pub(crate) fn write<T>(
        &self,
        mut change: impl FnMut(&mut Tx<'_>) -> Result<T, BusError>,
    ) -> Result<T, BusError> {
        let most = self.options.write_wait;
        self.trying(|connection| {
            connection.busy = true;
            let changed = enter(connection, most).and_then(|(xid, mut tx)| {
                let value = change(&mut tx)?;
                tx.flush()?;
                let end = format!(
                    "UPDATE bus_state SET token = {}, newest = {}, clock_ns = {} WHERE id = 1; SELECT ring()",
                    tx.token, tx.newest, tx.now.ns
                );
                Ok((xid, value, end))
            });
            let (xid, value) = match changed.and_then(|(xid, value, end)| {
                connection.client.batch_execute(&end)?;
                Ok((xid, value))
            }) {
                Ok(changed) => changed,
                Err(error) => {
                    connection.busy = connection.client.batch_execute("ROLLBACK").is_err();
                    return Err(error.into());
                }
            };
            match connection.client.batch_execute("COMMIT") {
                Ok(()) => {
                    connection.busy = false;
                    Ok(value)
                }
                // The server refused it, so it is rolled back.
                Err(Trouble::Told(error)) if error.as_db_error().is_some() && !error.is_closed() => {
                    Err(BusError::from(error).into())
                }
                Err(_) => Err(Failed::During { xid, home: connection.home.clone(), value }),
            }
        })
    }

    /// Carries out an operation, again while it only fails for the moment, within the time it has.
    fn trying<T>(
        &self,
        mut attempt: impl FnMut(&mut Connection) -> Result<T, Failed<T>>,
    ) -> Result<T, BusError> {
        let deadline = Instant::now() + self.options.write_wait;
        let mut pause = PAUSE_MIN;
        loop {
            let error = match self.connected(&mut attempt) {
                Ok(value) => return Ok(value),
                Err(Failed::Before(error)) if fault::is_passing(&error) => error,
                Err(Failed::Before(error)) => return Err(error),
                Err(Failed::During { xid, home, value }) => match self.fate(&xid, &home, deadline)? {
                    Fate::Committed => return Ok(value),
                    Fate::Aborted => unanswered(),
                    Fate::UnderWay | Fate::Unknown => return Err(unanswered()),
                },
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(error);
            }
            self.pause(&mut pause, left);
        }
    }

    /// Asks what became of a transaction whose connection broke, until somebody knows. Only the server it was sent to
    /// can: on another one, promoted or restored, the same number is another's.
    fn fate(&self, xid: &str, home: &str, deadline: Instant) -> Result<Fate, BusError> {
        let mut pause = PAUSE_MIN;
        loop {
            let fate = self.connected(|connection| {
                if connection.home != home {
                    return Ok(Fate::Unknown);
                }
                let sql = "SELECT pg_xact_status($1::text::xid8)";
                let told = connection.row(sql, &[&xid])?;
                let word: Option<String> = told.and_then(|row| row.try_get(0).ok().flatten());
                Ok::<Fate, Failed<Fate>>(match word.as_deref() {
                    Some("committed") => Fate::Committed,
                    Some("aborted") => Fate::Aborted,
                    Some(_) => Fate::UnderWay,
                    None => Fate::Unknown,
                })
            });
            match fate {
                Ok(Fate::UnderWay) => {}
                Ok(fate) => return Ok(fate),
                Err(Failed::Before(error)) if fault::is_passing(&error) => {}
                Err(_) => return Ok(Fate::Unknown),
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Fate::UnderWay);
            }
            self.pause(&mut pause, left);
        }
    }

    /// Sleeps for a while, the next time longer. Half of it is chance, so that many do not come back at once.
    fn pause(&self, pause: &mut Duration, most: Duration) {
        let roll = self.dice.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed);
        let roll = u32::try_from((roll ^ (roll >> 31)) % 1000).unwrap_or(0);
        std::thread::sleep((*pause / 2 + *pause * roll / 2000).min(most));
        *pause = (*pause * 2).min(PAUSE_MAX);
    }

    /// Lends a connection that works, or worked a moment ago.
    fn connected<T>(
        &self,
        attempt: impl FnOnce(&mut Connection) -> Result<T, Failed<T>>,
    ) -> Result<T, Failed<T>> {
        let mut checkout = self.connections.take(self.options.write_wait)?;
        let mut connection = match checkout.lent.take() {
            Some(connection) if !connection.client.is_closed() => connection,
            _ => self.connect()?,
        };
        let done = attempt(&mut connection);
        checkout.lent = Some(connection);
        done
    }

    /// A connection anew; where the server was restored or another one promoted, the bus is settled there first.
    fn connect(&self) -> Result<Connection, BusError> {
        let mut connection = Connection::open(&self.address)?;
        if !schema::is_at_home(&mut connection)? {
            schema::prepare(&mut connection, &self.address, &*self.entropy)?;
        }
        Ok(connection)
    }
}

fn unanswered() -> BusError {
    BusError::Unanswered { backend: BACKEND }
}

fn moment(ns: i64) -> Moment {
    Moment { wall: Timestamp::from_millis(ns / 1_000_000), ns }
}

fn begin_reading(connection: &mut Connection) -> Result<Tx<'_>, BusError> {
    connection.client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
    let sql = "SELECT bus_now(), epoch, newest FROM bus_state WHERE id = 1";
    let Some(row) = connection.row(sql, &[])? else { return Err(empty()) };
    let (now, epoch, newest) = (moment(row.try_get(0)?), row.try_get(1)?, row.try_get(2)?);
    Ok(Tx { connection, now, epoch, token: 0, newest, fresh: Vec::new() })
}

/// Shuts everybody else out and reads the clock, in one message.
fn enter(connection: &mut Connection, most: Duration) -> Result<(String, Tx<'_>), BusError> {
    let said = connection.client.simple_query(&format!(
        "BEGIN; SET LOCAL lock_timeout = {}; SELECT xid, epoch, token, newest, now_ns FROM enter()",
        most.as_millis()
    ))?;
    let row = said.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let number = |at: usize| -> Result<i64, BusError> {
        row.and_then(|row| row.get(at)).and_then(|text| text.parse().ok()).ok_or_else(empty)
    };
    let xid = row.and_then(|row| row.get(0)).ok_or_else(empty)?.to_owned();
    let (epoch, token, newest, now) = (number(1)?, number(2)?, number(3)?, moment(number(4)?));
    Ok((xid, Tx { connection, now, epoch, token, newest, fresh: Vec::new() }))
}

fn empty() -> BusError {
    BusError::Malformed { what: "bus_state", detail: "it has no row".to_owned() }
}
