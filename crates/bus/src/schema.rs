//! The tables of messaging.db, as numbered migrations that are only ever added to.

use crate::error::BusError;
use rusqlite::{Connection, OptionalExtension, params};
use std::path::Path;

/// Marks the file as ours: `CDBS`.
pub(crate) const APPLICATION_ID: i64 = 0x4344_4253;

/// Name and text of every migration; its version is its place, from 1.
const MIGRATIONS: &[(&str, &str)] = &[
    ("0001_create", include_str!("../migrations/0001_create.sql")),
    ("0002_coordination", include_str!("../migrations/0002_coordination.sql")),
    ("0003_elsewhere", include_str!("../migrations/0003_elsewhere.sql")),
    ("0004_context", include_str!("../migrations/0004_context.sql")),
    ("0005_context_versions", include_str!("../migrations/0005_context_versions.sql")),
];

pub(crate) const VERSION: i64 = MIGRATIONS.len() as i64;

const LEDGER: &str = "CREATE TABLE IF NOT EXISTS _schema_version (
    version    INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    checksum   TEXT NOT NULL,
    applied_at TEXT NOT NULL
)";

/// What a file says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing in it yet: ours to fill.
    Empty,
    /// Ours, at this version.
    Ours(i64),
    /// Somebody else's.
    Foreign,
}

pub(crate) fn standing(conn: &Connection) -> Result<Standing, BusError> {
    let read = |pragma: &str| conn.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0));
    if read("application_id")? == APPLICATION_ID {
        return Ok(Standing::Ours(read("user_version")?));
    }
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    Ok(if tables == 0 && read("user_version")? == 0 { Standing::Empty } else { Standing::Foreign })
}

/// Brings the schema to [`VERSION`]. The caller holds a write transaction, so a crash leaves all or nothing.
pub(crate) fn migrate(conn: &Connection, path: &Path, applied_at: &str) -> Result<(), BusError> {
    let from = match standing(conn)? {
        Standing::Foreign => return Err(BusError::Foreign(path.to_owned())),
        Standing::Ours(version) => version,
        Standing::Empty => 0,
    };
    if from > VERSION {
        return Err(BusError::Newer { path: path.to_owned(), found: from, known: VERSION });
    }
    conn.execute_batch(LEDGER)?;
    for (index, (name, text)) in MIGRATIONS.iter().enumerate() {
        let version = index as i64 + 1;
        let checksum = blake3::hash(text.as_bytes()).to_hex().to_string();
        let applied: Option<String> = conn
            .query_row("SELECT checksum FROM _schema_version WHERE version = ?1", [version], |row| row.get(0))
            .optional()?;
        match applied {
            Some(known) if known == checksum => {}
            Some(_) => return Err(BusError::Migration(version)),
            None => {
                conn.execute_batch(text)?;
                conn.execute(
                    "INSERT INTO _schema_version (version, name, checksum, applied_at) VALUES (?1, ?2, ?3, ?4)",
                    params![version, name, checksum, applied_at],
                )?;
            }
        }
    }
    conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    conn.pragma_update(None, "user_version", VERSION)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(conn: &Connection, table: &str) -> Vec<String> {
        let mut statement = conn.prepare("SELECT name FROM pragma_table_info(?1)").unwrap();
        let names = statement.query_map([table], |row| row.get(0)).unwrap();
        names.map(Result::unwrap).collect()
    }

    #[test]
    fn the_older_tables_keep_their_names_and_columns() {
        let conn = Connection::open_in_memory().unwrap();
        migrate(&conn, Path::new("x"), "now").unwrap();
        for (table, expected) in [
            (
                "session_registry",
                "session_id llm_vendor llm_model tty pid project_id task_id active_files heartbeat_at \
                 registered_at status",
            ),
            ("inter_session_messages", "id sender_id channel payload created_at ttl_seconds"),
            ("file_locks", "file_path session_id lock_type locked_at"),
            ("_schema_version", "version"),
        ] {
            let found = columns(&conn, table);
            for column in expected.split_whitespace() {
                assert!(found.iter().any(|name| name == column), "{table}.{column} in {found:?}");
            }
        }
    }

    #[test]
    fn migrating_twice_changes_nothing_and_an_edited_migration_is_noticed() {
        let conn = Connection::open_in_memory().unwrap();
        migrate(&conn, Path::new("x"), "now").unwrap();
        migrate(&conn, Path::new("x"), "later").unwrap();
        let applied: String =
            conn.query_row("SELECT applied_at FROM _schema_version", [], |row| row.get(0)).unwrap();
        assert_eq!(applied, "now");
        conn.execute("UPDATE _schema_version SET checksum = 'other'", []).unwrap();
        assert!(matches!(migrate(&conn, Path::new("x"), "now"), Err(BusError::Migration(1))));
    }

    #[test]
    fn released_migrations_are_as_they_were() {
        const RELEASED: &str = include_str!("../migrations/CHECKSUMS");
        let released: Vec<&str> =
            RELEASED.lines().filter(|line| !line.starts_with('#') && !line.contains('/')).collect();
        let present: Vec<String> = MIGRATIONS
            .iter()
            .map(|(name, text)| format!("{}  {name}", blake3::hash(text.as_bytes()).to_hex()))
            .collect();
        assert_eq!(released, present, "lines of migrations/CHECKSUMS are only ever added");
    }

    #[test]
    fn foreign_and_newer_files_are_refused() {
        let foreign = Connection::open_in_memory().unwrap();
        foreign.execute_batch("CREATE TABLE theirs (x)").unwrap();
        assert!(matches!(migrate(&foreign, Path::new("x"), "now"), Err(BusError::Foreign(_))));

        let newer = Connection::open_in_memory().unwrap();
        migrate(&newer, Path::new("x"), "now").unwrap();
        newer.pragma_update(None, "user_version", VERSION + 1).unwrap();
        assert!(
            matches!(migrate(&newer, Path::new("x"), "now"), Err(BusError::Newer { found, .. }) if found == VERSION + 1)
        );
    }
}
