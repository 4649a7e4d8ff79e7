//! The schema of a workspace: made once, by numbered migrations, and known again wherever it was put back.

use super::address::Address;
use super::connection::Connection;
use crate::error::BusError;
use model::Entropy;
use std::path::PathBuf;

/// Name and text of every migration; its version is its place, from 1.
const MIGRATIONS: &[(&str, &str)] =
    &[("0001_create", include_str!("../../migrations/postgresql/0001_create.sql"))];
const VERSION: i64 = MIGRATIONS.len() as i64;

/// Bits of a token below the epoch: with 31 above them a token is a number every reader of JSON keeps whole.
pub(crate) const COUNTER_BITS: u32 = 22;
/// Epochs are seconds since 2026, so a schema dropped and made anew goes on above what it forgot.
const EPOCH_ZERO: i64 = 1_767_225_600;

const LEDGER: &str = "CREATE TABLE IF NOT EXISTS _schema_version (
    version bigint PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL)";

/// The lowest epoch that may be entered now.
pub(crate) fn epoch_at(now_ns: i64) -> i64 {
    (now_ns / 1_000_000_000 - EPOCH_ZERO).max(1)
}

/// Makes the schema or brings it to [`VERSION`], and enters a new epoch where its rows are not at home.
pub(crate) fn prepare(
    connection: &mut Connection,
    address: &Address,
    entropy: &dyn Entropy,
) -> Result<(), BusError> {
    let hash = blake3::hash(address.schema.as_bytes());
    let mut key = [0u8; 8];
    key.copy_from_slice(&hash.as_bytes()[..8]);
    connection
        .client
        .batch_execute(&format!("BEGIN; SELECT pg_advisory_xact_lock({})", i64::from_le_bytes(key)))?;
    connection.busy = true;
    migrate(connection, address)?;
    settle_home(connection, entropy)?;
    connection.client.batch_execute("COMMIT")?;
    connection.busy = false;
    Ok(())
}

fn migrate(connection: &mut Connection, address: &Address) -> Result<(), BusError> {
    let place = || PathBuf::from(address.to_string());
    let exists = connection.row("SELECT 1 FROM pg_namespace WHERE nspname = $1", &[&address.schema])?;
    if exists.is_none() {
        connection.client.batch_execute(&format!("CREATE SCHEMA \"{}\"", address.schema))?;
    }
    let ours: bool = connection.one("SELECT to_regclass('_schema_version') IS NOT NULL", &[])?.try_get(0)?;
    if !ours {
        let tables: i64 = connection
            .one("SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()", &[])?
            .try_get(0)?;
        if tables > 0 {
            return Err(BusError::Foreign(place()));
        }
        connection.client.batch_execute(LEDGER)?;
    }
    let applied = connection.rows("SELECT version, checksum FROM _schema_version ORDER BY version", &[])?;
    let found = applied.len() as i64;
    if found > VERSION {
        return Err(BusError::Newer { path: place(), found, known: VERSION });
    }
    for (index, (name, text)) in MIGRATIONS.iter().enumerate() {
        let version = index as i64 + 1;
        let checksum = blake3::hash(text.as_bytes()).to_hex().to_string();
        match applied.get(index) {
            Some(row) if row.try_get::<_, String>(1)? == checksum => {}
            Some(_) => return Err(BusError::Migration(version)),
            None => {
                connection.client.batch_execute(text)?;
                connection.run(
                    "INSERT INTO _schema_version (version, name, checksum, applied_at) VALUES ($1, $2, $3, now())",
                    &[&version, name, &checksum],
                )?;
            }
        }
    }
    Ok(())
}

/// A schema that was just made, restored from a copy, or is on a promoted standby: what was leased means nothing any
/// more, tokens go on higher, and positions of before are of another generation.
fn settle_home(connection: &mut Connection, entropy: &dyn Entropy) -> Result<(), BusError> {
    // Who is at home waits for no writer.
    if is_at_home(connection)? {
        return Ok(());
    }
    let present = connection.row("SELECT present_home(), server_ns()", &[])?;
    let Some(present) = present else { return Ok(()) };
    let (home, now_ns): (String, i64) = (present.try_get(0)?, present.try_get(1)?);
    let known = connection.row("SELECT home, token FROM bus_state WHERE id = 1 FOR UPDATE", &[])?;
    let Some(known) = known else {
        let mut random = [0u8; 16];
        entropy.fill(&mut random);
        let birth = format!("{:032x}", u128::from_le_bytes(random));
        let epoch = epoch_at(now_ns);
        connection.run(
            "INSERT INTO bus_state (id, birth, home, epoch, token, newest, clock_ns) VALUES (1, $1, $2, $3, $4, 0, 0)",
            &[&birth, &home, &epoch, &(epoch << COUNTER_BITS)],
        )?;
        connection.home = home;
        return Ok(());
    };
    let (there, token): (String, i64) = (known.try_get(0)?, known.try_get(1)?);
    if there != home {
        let epoch = epoch_at(now_ns).max((token >> COUNTER_BITS) + 1);
        connection.run(
            "UPDATE bus_state SET home = $1, epoch = $2, token = $3 WHERE id = 1",
            &[&home, &epoch, &(epoch << COUNTER_BITS)],
        )?;
        connection.client.batch_execute(
            "DELETE FROM locks; DELETE FROM lock_waits; UPDATE claims SET expires_ns = 0 WHERE done_ns IS NULL",
        )?;
    }
    Ok(())
}

/// Whether the rows a connection came to are still the ones this process knows; a restored or promoted server makes
/// them at home first.
pub(crate) fn is_at_home(connection: &mut Connection) -> Result<bool, BusError> {
    let row = connection.row("SELECT home, present_home() FROM bus_state WHERE id = 1", &[])?;
    let Some(row) = row else { return Ok(false) };
    let known: String = row.try_get(0)?;
    connection.home = row.try_get(1)?;
    Ok(known == connection.home)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn released_migrations_are_as_they_were() {
        const RELEASED: &str = include_str!("../../migrations/CHECKSUMS");
        let released: Vec<&str> = RELEASED.lines().filter(|line| line.contains("  postgresql/")).collect();
        let present: Vec<String> = MIGRATIONS
            .iter()
            .map(|(name, text)| format!("{}  postgresql/{name}", blake3::hash(text.as_bytes()).to_hex()))
            .collect();
        assert_eq!(released, present, "lines of migrations/CHECKSUMS are only ever added");
    }

    #[test]
    fn a_token_is_a_number_json_keeps_whole_for_two_generations() {
        const YEAR_2090_NS: i64 = 3_786_912_000 * 1_000_000_000;
        assert!((epoch_at(YEAR_2090_NS) + 1) << COUNTER_BITS < 1 << 53);
        assert_eq!(epoch_at(0), 1, "a server whose clock was never set");
    }
}
