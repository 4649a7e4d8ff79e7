//! SQL texts with names.
//!
//! Every text the crate runs against a table is declared with [`statements!`], so that a test can ask both engines for the
//! plan of each. Invariant: none of them walks through a table that grows.

use crate::StoreError;
use crate::sql::{Connection, Params, Row};

/// Which file a statement is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Database {
    Sessions,
    Messages,
}

impl Database {
    pub(crate) const ALL: [Self; 2] = [Self::Sessions, Self::Messages];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Messages => "messages",
        }
    }

    pub(crate) const fn file_name(self) -> &'static str {
        match self {
            Self::Sessions => "sessions.db",
            Self::Messages => "messages.db",
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Statement {
    /// For a test to name the culprit.
    #[cfg(test)]
    pub(crate) name: &'static str,
    pub(crate) database: Database,
    /// As SQLite takes it. PostgreSQL takes the same, but for how values are numbered.
    pub(crate) sql: &'static str,
    /// What PostgreSQL takes instead, where one text cannot be for both.
    pub(crate) postgresql: Option<&'static str>,
}

/// Declares statements of one database and the list of them. `NAME = "…", postgresql: "…";` where one text cannot be for
/// both engines.
macro_rules! statements {
    (@other) => { None };
    (@other $sql:expr) => { Some($sql) };
    ($all:ident in $database:ident {
        $($(#[$doc:meta])* $name:ident = $sql:expr $(, postgresql: $other:expr)?;)+
    }) => {
        $(
            $(#[$doc])*
            const $name: $crate::statement::Statement = $crate::statement::Statement {
                #[cfg(test)]
                name: stringify!($name),
                database: $crate::statement::Database::$database,
                sql: $sql,
                postgresql: $crate::statement::statements!(@other $($other)?),
            };
        )+
        #[cfg(test)]
        pub(crate) const $all: &[$crate::statement::Statement] = &[$($name),+];
    };
}
pub(crate) use statements;

/// Every statement of the crate.
#[cfg(test)]
pub(crate) fn all() -> impl Iterator<Item = &'static Statement> {
    [
        crate::artifact::QUERIES,
        crate::board::QUERIES,
        crate::checkpoint::QUERIES,
        crate::conflict::QUERIES,
        crate::compaction::QUERIES,
        crate::context::QUERIES,
        crate::doctor::SESSION_QUERIES,
        crate::due::QUERIES,
        crate::doctor::MESSAGE_QUERIES,
        crate::idempotency::QUERIES,
        crate::lock::QUERIES,
        crate::merge_queue::QUERIES,
        crate::message::QUERIES,
        crate::notice::QUERIES,
        crate::permission::QUERIES,
        crate::plan::QUERIES,
        crate::registration::QUERIES,
        crate::repo::QUERIES,
        crate::resolve::QUERIES,
        crate::run::QUERIES,
        crate::session::STATEMENTS[0],
        crate::session::STATEMENTS[1],
        crate::session::STATEMENTS[2],
        crate::session::STATEMENTS[3],
        crate::session::STATEMENTS[4],
        crate::spending::QUERIES,
        crate::task::QUERIES,
        crate::transcript::QUERIES,
        crate::turn::QUERIES,
        crate::turn::ANSWER_QUERIES,
        crate::user::QUERIES,
        crate::worktree::QUERIES,
        crate::watermark::SESSION_STATEMENTS,
        crate::watermark::MESSAGE_STATEMENTS,
    ]
    .into_iter()
    .chain(crate::apply::STATEMENTS.iter().copied())
    .flatten()
}

/// Runs a statement that returns nothing. On a server it may wait to be sent with those that follow.
pub(crate) fn run(
    connection: &Connection<'_>,
    statement: &Statement,
    params: impl Params,
) -> Result<(), StoreError> {
    connection.run(statement, params)
}

/// Runs a statement that returns nothing, at once; says how many rows it touched.
pub(crate) fn touched(
    connection: &Connection<'_>,
    statement: &Statement,
    params: impl Params,
) -> Result<usize, StoreError> {
    connection.touched(statement, params)
}

/// The first row, if there is one.
pub(crate) fn row<T>(
    connection: &Connection<'_>,
    statement: &Statement,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    connection.row(statement, params, read)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::migrate;
    use rusqlite::Connection;

    /// Read whole by purpose: they hold a handful of rows each, made by hand by a person, or one for each vendor.
    pub(crate) const SMALL_TABLES: [&str; 4] = ["users", "boards", "repos", "vendor_pauses"];
    /// Indexes over only the rows that are open now, which may be walked through.
    pub(crate) const OPEN_ROWS: [&str; 14] = [
        "callbacks_due_parent",
        "firings_due",
        "participants_live",
        "tasks_open",
        "tasks_pool",
        "tasks_deadline",
        "tasks_not_before",
        "tasks_claim",
        "turns_running",
        "runs_running",
        "permissions_open",
        "plans_open",
        "plans_uncleared",
        "registrations_open",
    ];

    /// The steps of the plan that walk through something that grows.
    fn walks(connection: &Connection, sql: &str) -> Vec<String> {
        let mut prepared = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        // Planning asks for no values, so none are bound.
        let mut steps = prepared.raw_query();
        let mut walks = Vec::new();
        while let Some(step) = steps.next().unwrap() {
            walks.push(step.get::<_, String>("detail").unwrap());
        }
        walks.retain(|step| !is_bounded(step));
        walks
    }

    fn is_bounded(step: &str) -> bool {
        if step.contains("AUTOMATIC") {
            return false;
        }
        let Some(walk) = step.strip_prefix("SCAN ") else { return true };
        let table = walk.split(' ').next().unwrap_or_default();
        let recursion = ["up", "down"].contains(&table) && walk == table;
        let constant = walk == "CONSTANT ROW" || walk.ends_with(" CONSTANT ROWS");
        let open = OPEN_ROWS.iter().any(|index| walk.ends_with(&format!(" INDEX {index}")));
        // What the statement itself was given.
        let given = walk.starts_with("given VIRTUAL TABLE");
        recursion || constant || open || given || SMALL_TABLES.contains(&table)
    }

    fn schema(database: Database) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        migrate::create(&connection, database).unwrap();
        connection
    }

    #[test]
    fn no_statement_walks_through_a_table_that_grows() {
        for database in Database::ALL {
            let connection = schema(database);
            for statement in all().filter(|statement| statement.database == database) {
                let walks = walks(&connection, statement.sql);
                assert!(walks.is_empty(), "{}: {walks:?}", statement.name);
            }
        }
    }

    #[test]
    fn the_search_for_walks_finds_some() {
        let connection = schema(Database::Sessions);
        for walking in [
            "SELECT data FROM sessions WHERE title = ?1",
            "SELECT data FROM tasks ORDER BY created_at",
            "SELECT count(*) FROM turns",
            "UPDATE sessions SET status = 'idle' WHERE title = ?1",
            // The textbook genealogy, which joins the whole table once more at the end.
            "WITH RECURSIVE up (id, parent) AS (
                SELECT session_id, parent_session_id FROM sessions WHERE session_id = ?1
                UNION ALL SELECT s.session_id, s.parent_session_id FROM up JOIN sessions s ON s.title = up.parent)
             SELECT s.data FROM up JOIN sessions s ON s.title = up.id",
        ] {
            assert!(!walks(&connection, walking).is_empty(), "{walking}");
        }
    }

    #[test]
    fn names_are_unique_so_that_a_failure_names_one() {
        let mut seen = std::collections::BTreeSet::new();
        for statement in all() {
            assert!(seen.insert((statement.database, statement.name)), "{} twice", statement.name);
        }
    }
}
