//! Databases that follow the journal from behind: artifacts.db, agent_metrics.db, parsed_sessions.db.
//!
//! They are for whoever looks with a program of his own, and for figures nobody waits for. One thread folds all of them. They are
//! files also when the journal is on a server: each daemon has its own. Invariant: **each holds what follows from the records up to the
//! watermark stored beside it**, so each can be deleted at any time; one that is of another history or schema, or damaged, is made
//! anew beside and put in its place, and no commit waits for any of that.

mod artifacts;
mod metrics;
mod parsed;

pub use metrics::AgentFigures;

use crate::connection::{self, Found};
use crate::follower::Waiting;
use crate::{StoreError, column};
use journal::{Position, Reader, Record};
use model::{Cursor, SessionId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Records per transaction.
const RECORDS_PER_TRANSACTION: usize = 2_000;
/// How long commits may gather before they are folded: nobody waits, and a sync for each would.
const GATHER: Duration = Duration::from_millis(250);
/// Pages of a log after which it is copied into its file. The committer's checkpoints do not know of these.
const LOG_PAGES: i64 = 1_000;

const WATERMARK: &str =
    "CREATE TABLE watermark (one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL, hash BLOB NOT NULL, schema TEXT NOT NULL) STRICT";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Artifacts,
    Metrics,
    Parsed,
}

impl Side {
    const ALL: [Self; 3] = [Self::Artifacts, Self::Metrics, Self::Parsed];

    const fn file_name(self) -> &'static str {
        match self {
            Self::Artifacts => "artifacts.db",
            Self::Metrics => "agent_metrics.db",
            Self::Parsed => "parsed_sessions.db",
        }
    }

    const fn schema(self) -> &'static str {
        match self {
            Self::Artifacts => include_str!("../migrations/sides/artifacts.sql"),
            Self::Metrics => include_str!("../migrations/sides/agent_metrics.sql"),
            Self::Parsed => include_str!("../migrations/sides/parsed_sessions.sql"),
        }
    }

    /// Total, as the other folds are: what names something unknown changes nothing.
    fn apply(self, db: &Connection, record: &Record) -> Result<(), StoreError> {
        match self {
            Self::Artifacts => artifacts::apply(db, record),
            Self::Metrics => metrics::apply(db, record),
            Self::Parsed => parsed::apply(db, record),
        }
    }
}

/// The schemas, each under the name of its file.
#[cfg(test)]
pub(crate) fn schemas() -> impl Iterator<Item = (&'static str, &'static str)> {
    ["sides/artifacts", "sides/agent_metrics", "sides/parsed_sessions"]
        .into_iter()
        .zip(Side::ALL.map(Side::schema))
}

/// One of them, open.
struct Open {
    side: Side,
    connection: Connection,
    position: Position,
}

/// Folds all of them until the store closes.
pub(crate) fn follow(waiting: &Waiting, folder: &Path, journal: &Reader) -> Result<(), StoreError> {
    loop {
        match follow_on(waiting, folder, journal) {
            // What a full disk kept out is taken in when there is room again.
            Err(error) if error.is_full() => {
                waiting.refuse_order(&error);
                if !waiting.wait_for_room() {
                    return Err(error);
                }
            }
            Err(error) => {
                if !waiting.wait_for_order(&error) {
                    return Err(error);
                }
            }
            Ok(()) => return Ok(()),
        }
    }
}

fn follow_on(waiting: &Waiting, folder: &Path, journal: &Reader) -> Result<(), StoreError> {
    let mut open = Vec::with_capacity(Side::ALL.len());
    if waiting.order().is_none() {
        for side in Side::ALL {
            open.push(bring_up(folder, side, journal)?);
        }
    }
    loop {
        if let Some(order) = waiting.order() {
            // Nobody may have a file open that is put away.
            open.clear();
            for side in Side::ALL {
                open.push(make_again(folder, side, journal)?);
            }
            waiting.carried_out(order);
        }
        let mut reached = journal.newest().cursor;
        for one in &mut open {
            fold(one, journal)?;
            reached = reached.min(one.position.cursor);
        }
        waiting.reach(reached);
        if !waiting.wait(reached, None) {
            return Ok(());
        }
        waiting.gather(GATHER);
    }
}

/// Opens a database and brings it to the journal's end, whatever state its file is in. A file that is not ours is left alone.
fn bring_up(folder: &Path, side: Side, journal: &Reader) -> Result<Open, StoreError> {
    let path = folder.join(side.file_name());
    match connection::recognize(&path)? {
        Found::Foreign => Err(StoreError::Foreign { path }),
        Found::Nothing => make(&path, side, journal),
        Found::Ours => match opened(&path, side, journal) {
            Ok(Some(open)) => Ok(open),
            Ok(None) => make(&path, side, journal),
            // It holds nothing that is not in the journal.
            Err(error) if error.is_damage() => make(&path, side, journal),
            Err(error) => Err(error),
        },
    }
}

/// Makes a database anew, whatever it holds. A file that is not ours is left alone.
fn make_again(folder: &Path, side: Side, journal: &Reader) -> Result<Open, StoreError> {
    let path = folder.join(side.file_name());
    match connection::recognize(&path)? {
        Found::Foreign => Err(StoreError::Foreign { path }),
        Found::Nothing | Found::Ours => make(&path, side, journal),
    }
}

/// None for one of another schema or another history.
fn opened(path: &Path, side: Side, journal: &Reader) -> Result<Option<Open>, StoreError> {
    let connection = writer(path)?;
    let Some(position) = watermark(&connection, side)? else { return Ok(None) };
    let known = journal.position_at(position.cursor.seq)?;
    Ok((known == Some(position)).then_some(Open { side, connection, position }))
}

fn writer(path: &Path) -> Result<Connection, StoreError> {
    let connection = connection::open_writer(path)?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    Ok(connection)
}

fn watermark(connection: &Connection, side: Side) -> Result<Option<Position>, StoreError> {
    let there: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'watermark')",
        [],
        |row| row.get(0),
    )?;
    if !there {
        return Ok(None);
    }
    let found = connection
        .query_row("SELECT epoch, seq, hash, schema FROM watermark WHERE one = 1", [], |row| {
            let (epoch, seq): (i64, i64) = (row.get(0)?, row.get(1)?);
            let cursor = Cursor { epoch: epoch.cast_unsigned(), seq: seq.cast_unsigned() };
            Ok((Position { cursor, hash: row.get(2)? }, row.get::<_, String>(3)?))
        })
        .optional()?;
    Ok(found.filter(|(_, schema)| *schema == fingerprint(side)).map(|(position, _)| position))
}

fn fingerprint(side: Side) -> String {
    blake3::hash(side.schema().as_bytes()).to_hex().to_string()
}

/// Folds it from the first record beside whatever is there, and puts it in its place.
fn make(path: &Path, side: Side, journal: &Reader) -> Result<Open, StoreError> {
    let beside: PathBuf = connection::sibling(path, ".rebuild");
    let connection = connection::create_beside(&beside)?;
    connection.execute_batch(&format!(
        "PRAGMA application_id = {}; BEGIN IMMEDIATE; {WATERMARK}; {} COMMIT;",
        connection::APPLICATION_ID,
        side.schema()
    ))?;
    let mut open = Open { side, connection, position: Position::START };
    fold(&mut open, journal)?;
    open.connection.execute_batch("PRAGMA journal_mode = WAL")?;
    let position = open.position;
    open.connection.close().map_err(|(_, error)| error)?;
    std::fs::File::open(&beside)
        .and_then(|file| file.sync_all())
        .map_err(|error| StoreError::io("sync", &beside, error))?;
    connection::remove_with_log(path)?;
    connection::rename(&beside, path)?;
    connection::sync_directory(path.parent().unwrap_or(path))?;
    Ok(Open { side, connection: writer(path)?, position })
}

fn fold(open: &mut Open, journal: &Reader) -> Result<(), StoreError> {
    let mut replay = journal.replay(open.position.cursor)?;
    loop {
        let transaction = open.connection.unchecked_transaction()?;
        let mut last = None;
        for record in replay.by_ref().take(RECORDS_PER_TRANSACTION) {
            let record = record?;
            open.side.apply(&open.connection, &record)?;
            last = Some(record.position);
        }
        let Some(position) = last else { return Ok(()) };
        let Position { cursor, hash } = position;
        transaction.execute(
            "INSERT INTO watermark (one, epoch, seq, hash, schema) VALUES (1, ?1, ?2, ?3, ?4)
             ON CONFLICT (one) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq, hash = excluded.hash",
            params![cursor.epoch.cast_signed(), cursor.seq.cast_signed(), hash.as_slice(), fingerprint(open.side)],
        )?;
        transaction.commit()?;
        open.position = position;
    }
}

/// See [`crate::Store::agent_figures`].
pub(crate) fn agent_figures(
    folder: &Path,
    session: Option<SessionId>,
    since: Option<Timestamp>,
) -> Result<Vec<AgentFigures>, StoreError> {
    let path = folder.join(Side::Metrics.file_name());
    match connection::recognize(&path)? {
        Found::Ours => metrics::figures(&connection::open_reader(&path)?, session, since),
        // It is being made for the first time.
        Found::Nothing => Ok(Vec::new()),
        Found::Foreign => Err(StoreError::Foreign { path }),
    }
}

/// A figure as a column.
fn figure(value: u64) -> i64 {
    column::figure(value)
}
