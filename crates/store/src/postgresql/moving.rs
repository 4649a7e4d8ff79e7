//! Copying a whole journal into the table, and what a move says of itself.

use super::connection::Connection;
use crate::StoreError;
use journal::Written;

/// Puts lines behind those that are there.
pub(crate) fn put(connection: &Connection, written: &[Written]) -> Result<(), StoreError> {
    let seqs: Vec<i64> = written.iter().map(|line| line.position.cursor.seq.cast_signed()).collect();
    let epochs: Vec<i64> = written.iter().map(|line| line.position.cursor.epoch.cast_signed()).collect();
    let hashes: Vec<&[u8]> = written.iter().map(|line| line.position.hash.as_slice()).collect();
    let lines: Vec<&str> = written.iter().map(|line| line.line.as_str()).collect();
    connection.tell(
        "INSERT INTO journal (seq, epoch, hash, line)
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::text[])",
        &[&seqs, &epochs, &hashes, &lines],
    )?;
    Ok(())
}
