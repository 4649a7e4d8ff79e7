//! A workspace that moves in: its journal line for line, then rows of its own, and only then is it one.
//!
//! Invariant: until everything was read back and found equal the schema says `arriving`, and nobody opens it.

use super::acquire::Claim;
use super::beside::{Beside, swap};
use super::connection::{Connection, Told, Use};
use super::digest::Digests;
use super::place::Place;
use super::schema::{self, prepare_truth};
use super::shelf::{Table, put_blob};
use crate::StoreError;
use journal::{Position, Reader, Shelved, Written};
use std::sync::Arc;
use tokio_postgres::types::ToSql;

/// Lines, and bytes of lines, in one transaction.
const LINES: usize = 1_000;
const BYTES: usize = 4 * 1024 * 1024;
/// Its lease is nobody's business: nobody else may open what arrives.
const ARRIVE: &str = "INSERT INTO owner (one, epoch, daemon, machine, place, until, state)
    VALUES (1, 0, 'arriving', $1, $2, clock_timestamp(), 'arriving')";

const PUT: &str = "INSERT INTO journal (seq, epoch, hash, line)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::text[])";
/// The same, and the watermark.
const PUT_AND_REACH: &str = "WITH reached AS (
        INSERT INTO watermark (one, epoch, seq, hash) VALUES (1, $5, $6, $7)
        ON CONFLICT (one) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq, hash = excluded.hash
    )
    INSERT INTO journal (seq, epoch, hash, line)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::text[])";

/// Puts lines behind those that are there.
fn put(connection: &Connection, written: &[Written]) -> Result<(), StoreError> {
    let lines = lines(written);
    let params: Vec<_> = lines.iter().map(|column| &**column as &(dyn ToSql + Sync)).collect();
    connection.tell(PUT, &params)?;
    Ok(())
}

/// The same, and how far the rows have come with them, with the next question.
pub(crate) fn put_later(
    connection: &Connection,
    written: &[Written],
    reached: Position,
) -> Result<(), StoreError> {
    let Position { cursor, hash } = reached;
    let mut params = lines(written);
    params.push(Box::new(cursor.epoch.cast_signed()));
    params.push(Box::new(cursor.seq.cast_signed()));
    params.push(Box::new(hash.to_vec()));
    connection.tell_later(PUT_AND_REACH, params)
}

fn lines(written: &[Written]) -> Vec<Told> {
    let seqs: Vec<i64> = written.iter().map(|line| line.position.cursor.seq.cast_signed()).collect();
    let epochs: Vec<i64> = written.iter().map(|line| line.position.cursor.epoch.cast_signed()).collect();
    let hashes: Vec<Vec<u8>> = written.iter().map(|line| line.position.hash.to_vec()).collect();
    let lines: Vec<String> = written.iter().map(|line| line.line.clone()).collect();
    vec![Box::new(seqs), Box::new(epochs), Box::new(hashes), Box::new(lines)]
}

/// A workspace on its way in.
pub(crate) struct Arrival {
    place: Arc<Place>,
    connection: Connection,
    claim: Claim,
}

impl Arrival {
    /// Makes the schemas. What an interrupted move of this machine left, which was never opened, is made anew; anything else
    /// that is there is refused.
    pub(crate) fn begin(place: Place) -> Result<Self, StoreError> {
        let connection = Connection::open(&place, &place.rows, Use::Long)?;
        if schema::exists(&connection, &place.truth)? {
            let taken = || StoreError::Taken { place: place.to_string() };
            let left = connection.once(&format!("SELECT state, machine FROM \"{}\".owner", place.truth));
            let left = left.map_err(|_| taken())?;
            let (state, machine): (String, String) = match left.first() {
                Some(row) => (row.try_get(0)?, row.try_get(1)?),
                None => ("arriving".to_owned(), place.machine.clone()),
            };
            if state == "open" || machine != place.machine {
                return Err(taken());
            }
            for schema in [&place.truth, &place.rows, &place.fresh] {
                connection.batch(&format!("DROP SCHEMA IF EXISTS \"{schema}\" CASCADE"))?;
            }
        }
        prepare_truth(&connection, &place)?;
        let claim = Claim { daemon: "arriving".to_owned(), epoch: 0 };
        connection.tell(ARRIVE, &[&place.machine, &place.name])?;
        Ok(Self { place: Arc::new(place), connection, claim })
    }

    /// Copies every blob and every line, checked on the way out.
    pub(crate) fn copy(&mut self, source: &Reader) -> Result<(), StoreError> {
        let blobs = source.blobs();
        for (hash, _) in blobs.list()? {
            put_blob(&self.connection, &hash, &blobs.get(&hash)?)?;
        }
        let mut waiting: Vec<Written> = Vec::new();
        let mut bytes = 0;
        let connection = &self.connection;
        let tip = source.each_line(|written| {
            bytes += written.line.len();
            waiting.push(Written { blob: None, ..written });
            if waiting.len() == LINES || bytes >= BYTES {
                put(connection, &waiting)?;
                waiting.clear();
                bytes = 0;
            }
            Ok::<(), StoreError>(())
        })?;
        put(connection, &waiting)?;
        let mut epochs = source.epochs();
        // What comes next must not look like what the original may still write.
        let next = epochs.last().map_or(1, |(epoch, _)| epoch + 1);
        epochs.push((next, tip.cursor.seq + 1));
        for (epoch, first) in &epochs {
            connection.tell(
                "INSERT INTO epochs (epoch, first) VALUES ($1, $2)",
                &[&epoch.cast_signed(), &first.cast_signed()],
            )?;
        }
        connection.tell("UPDATE owner SET epoch = $1 WHERE one = 1", &[&next.cast_signed()])?;
        self.claim.epoch = next.cast_signed();
        Ok(())
    }

    /// Reads all of it back, folds the rows, and compares them with those of the original.
    pub(crate) fn prove(&self, source: &Reader, original: &Digests) -> Result<(), StoreError> {
        let shelved =
            Shelved { tip: source.newest(), epochs: super::acquire::shelved(&self.connection)?.epochs };
        let copy = Reader::of(Arc::new(Table::new(Arc::clone(&self.place))), &shelved);
        let report = copy.verify()?;
        if let Some(problem) = report.problems.first() {
            return Err(StoreError::CopyDiffers { tables: problem.to_string() });
        }
        let mut beside = Beside::create(&self.place, &self.claim)?;
        beside.follow(&copy)?;
        swap(beside)?;
        let rows = Connection::open(&self.place, &self.place.rows, Use::Long)?;
        let differences = Digests::of_server(&rows)?.differences(original);
        if differences.is_empty() {
            return Ok(());
        }
        Err(StoreError::CopyDiffers { tables: differences.join(", ") })
    }

    /// From now on it is a workspace, whose owner has left in order.
    pub(crate) fn settle(self) -> Result<(), StoreError> {
        self.connection.tell(
            "UPDATE owner SET state = 'arrived', daemon = NULL, until = clock_timestamp() WHERE one = 1",
            &[],
        )?;
        Ok(())
    }
}
