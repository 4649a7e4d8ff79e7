//! The schemas, as numbered SQL texts that are part of the binary.
//!
//! Invariant: a migration that was released never changes; a schema changes by a new file. A database with another list of
//! migrations than ours is not altered in place: it is a projection, and is folded again with the new schema.

use crate::StoreError;
use crate::connection::APPLICATION_ID;
use crate::statement::Database;
use rusqlite::{Connection, params};

struct Migration {
    number: u32,
    name: &'static str,
    sql: &'static str,
}

const SESSIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "sessions/0001_start",
        sql: include_str!("../migrations/sessions/0001_start.sql"),
    },
    Migration {
        number: 2,
        name: "sessions/0002_spent",
        sql: include_str!("../migrations/sessions/0002_spent.sql"),
    },
    Migration {
        number: 3,
        name: "sessions/0003_outbox_keys",
        sql: include_str!("../migrations/sessions/0003_outbox_keys.sql"),
    },
    Migration {
        number: 4,
        name: "sessions/0004_vendor_sessions",
        sql: include_str!("../migrations/sessions/0004_vendor_sessions.sql"),
    },
    Migration {
        number: 5,
        name: "sessions/0005_permissions",
        sql: include_str!("../migrations/sessions/0005_permissions.sql"),
    },
    Migration {
        number: 6,
        name: "sessions/0006_spending",
        sql: include_str!("../migrations/sessions/0006_spending.sql"),
    },
    Migration {
        number: 7,
        name: "sessions/0007_context",
        sql: include_str!("../migrations/sessions/0007_context.sql"),
    },
    Migration {
        number: 8,
        name: "sessions/0008_transcripts",
        sql: include_str!("../migrations/sessions/0008_transcripts.sql"),
    },
    Migration {
        number: 9,
        name: "sessions/0009_worktrees",
        sql: include_str!("../migrations/sessions/0009_worktrees.sql"),
    },
    Migration {
        number: 10,
        name: "sessions/0010_session_lists",
        sql: include_str!("../migrations/sessions/0010_session_lists.sql"),
    },
    Migration {
        number: 11,
        name: "sessions/0011_boards",
        sql: include_str!("../migrations/sessions/0011_boards.sql"),
    },
    Migration {
        number: 12,
        name: "sessions/0012_task_terms",
        sql: include_str!("../migrations/sessions/0012_task_terms.sql"),
    },
    Migration {
        number: 13,
        name: "sessions/0013_session_imports",
        sql: include_str!("../migrations/sessions/0013_session_imports.sql"),
    },
    Migration {
        number: 14,
        name: "sessions/0014_conflicts",
        sql: include_str!("../migrations/sessions/0014_conflicts.sql"),
    },
    Migration {
        number: 15,
        name: "sessions/0015_checkpoints",
        sql: include_str!("../migrations/sessions/0015_checkpoints.sql"),
    },
    Migration {
        number: 16,
        name: "sessions/0016_artifacts",
        sql: include_str!("../migrations/sessions/0016_artifacts.sql"),
    },
    Migration {
        number: 17,
        name: "sessions/0017_merge_queue",
        sql: include_str!("../migrations/sessions/0017_merge_queue.sql"),
    },
    Migration {
        number: 18,
        name: "sessions/0018_plan_worktrees",
        sql: include_str!("../migrations/sessions/0018_plan_worktrees.sql"),
    },
    Migration {
        number: 19,
        name: "sessions/0019_listed_tasks",
        sql: include_str!("../migrations/sessions/0019_listed_tasks.sql"),
    },
    Migration {
        number: 20,
        name: "sessions/0020_ended_merges",
        sql: include_str!("../migrations/sessions/0020_ended_merges.sql"),
    },
    Migration {
        number: 21,
        name: "sessions/0021_fewer_pages",
        sql: include_str!("../migrations/sessions/0021_fewer_pages.sql"),
    },
];

const MESSAGES: &[Migration] = &[
    Migration {
        number: 1,
        name: "messages/0001_start",
        sql: include_str!("../migrations/messages/0001_start.sql"),
    },
    Migration {
        number: 2,
        name: "messages/0002_compactions",
        sql: include_str!("../migrations/messages/0002_compactions.sql"),
    },
];

const fn migrations(database: Database) -> &'static [Migration] {
    match database {
        Database::Sessions => SESSIONS,
        Database::Messages => MESSAGES,
    }
}

/// Makes the schema in an empty file, in one transaction.
pub(crate) fn create(connection: &Connection, database: Database) -> Result<(), StoreError> {
    connection.execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}; BEGIN IMMEDIATE;"))?;
    connection.execute_batch(
        "CREATE TABLE migrations (
            number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL
        ) STRICT;",
    )?;
    for migration in migrations(database) {
        connection.execute_batch(migration.sql)?;
        connection.execute(
            "INSERT INTO migrations (number, name, checksum) VALUES (?1, ?2, ?3)",
            params![migration.number, migration.name, checksum(migration.sql)],
        )?;
        connection.pragma_update(None, "user_version", migration.number)?;
    }
    connection.execute_batch("COMMIT")?;
    Ok(())
}

/// True when the file was made by exactly our migrations.
pub(crate) fn is_current(connection: &Connection, database: Database) -> Result<bool, StoreError> {
    let has_list: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'migrations')",
        [],
        |row| row.get(0),
    )?;
    if !has_list {
        return Ok(false);
    }
    let mut prepared = connection.prepare("SELECT number, name, checksum FROM migrations ORDER BY number")?;
    let made_by: Vec<(u32, String, String)> = prepared
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    let ours = migrations(database)
        .iter()
        .map(|migration| (migration.number, migration.name.to_owned(), checksum(migration.sql)));
    Ok(made_by.into_iter().eq(ours))
}

/// Name and text of each migration, in order.
pub(crate) fn texts(database: Database) -> Vec<(&'static str, &'static str)> {
    migrations(database).iter().map(|migration| (migration.name, migration.sql)).collect()
}

pub(crate) fn checksum(sql: &str) -> String {
    blake3::hash(sql.as_bytes()).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One line per released migration: checksum, two spaces, name. Lines are only ever added.
    const RELEASED: &str = include_str!("../migrations/CHECKSUMS");

    #[test]
    fn released_migrations_never_change() {
        let present: Vec<String> = Database::ALL
            .into_iter()
            .flat_map(migrations)
            .map(|migration| (migration.name, migration.sql))
            .chain(crate::postgresql::HAND_WRITTEN)
            .chain(crate::side::schemas())
            .chain([crate::index::schema()])
            .map(|(name, sql)| format!("{}  {name}", checksum(sql)))
            .collect();
        let released: Vec<&str> = RELEASED.lines().filter(|line| !line.starts_with('#')).collect();
        for line in &released {
            assert!(present.iter().any(|migration| migration == line), "`{line}` was changed or removed");
        }
        for migration in &present {
            assert!(released.contains(&migration.as_str()), "add `{migration}` to migrations/CHECKSUMS");
        }
    }

    #[test]
    fn every_file_is_embedded_under_its_number() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        for database in Database::ALL {
            let mut files: Vec<String> = std::fs::read_dir(root.join(database.as_str()))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            files.sort();
            let embedded: Vec<String> = (1u32..)
                .zip(migrations(database))
                .map(|(number, migration)| {
                    assert_eq!(migration.number, number);
                    let file = migration.name.strip_prefix(database.as_str()).unwrap();
                    assert!(file.starts_with(&format!("/{number:04}_")), "{file}");
                    format!("{}.sql", &file[1..])
                })
                .collect();
            assert_eq!(files, embedded);
        }
    }

    #[test]
    fn a_schema_is_current_only_with_exactly_our_migrations() {
        let connection = Connection::open_in_memory().unwrap();
        assert!(!is_current(&connection, Database::Sessions).unwrap());
        create(&connection, Database::Sessions).unwrap();
        assert!(is_current(&connection, Database::Sessions).unwrap());
        assert!(!is_current(&connection, Database::Messages).unwrap());
        connection.execute("UPDATE migrations SET checksum = 'other'", []).unwrap();
        assert!(!is_current(&connection, Database::Sessions).unwrap());
    }
}
