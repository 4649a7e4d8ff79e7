//! Whether PostgreSQL understands every statement of the crate, and walks through nothing that grows to answer it.

use super::schema::scratch;
use super::{Place, PostgresqlOptions, dialect};
use crate::statement::tests::{OPEN_ROWS, SMALL_TABLES};
use crate::statement::{Statement, all};

/// Indexes the planner may walk here and not in SQLite: one more over the rows that are open, one it finds as good as the
/// key while the table is empty, and one of which only the newest few are read.
const ALSO: [&str; 3] = ["turns_running_participant", "sessions_current", "merges_ended"];

/// A schema of its own, dropped in the end; none, loudly, without a server.
#[expect(clippy::disallowed_methods, reason = "the runner of the tests names the server")]
fn place() -> Option<Place> {
    let Some(url) = std::env::var("CODITECT_TEST_POSTGRES").ok().filter(|url| !url.is_empty()) else {
        testkit::skipped("plans of PostgreSQL", "set CODITECT_TEST_POSTGRES or run cargo xtask test");
        return None;
    };
    let name = format!("plans_{}", std::process::id());
    Some(Place::read(&PostgresqlOptions::new(&url, &name, "plans")).unwrap())
}

fn sql(statement: &Statement) -> String {
    dialect::statement(statement.postgresql.unwrap_or(statement.sql))
}

/// The lines of a plan that walk: a scan of a table, or of an index without a condition on it.
fn walks(plan: &[String]) -> Vec<String> {
    let mut walks = Vec::new();
    for (at, line) in plan.iter().enumerate() {
        let depth = |line: &str| line.find(|c: char| c != ' ' && c != '-' && c != '>').unwrap_or(0);
        let own =
            plan[at + 1..].iter().take_while(|below| depth(below) > depth(line) && !below.contains("->"));
        let bounded = own.clone().any(|below| below.contains("Index Cond:"));
        let named =
            |word: &str| line.split(word).nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or("");
        let table = line.contains("Seq Scan on ") && !SMALL_TABLES.contains(&named("Seq Scan on "));
        let index = line.contains("Index ") && line.contains("Scan") && line.contains(" using ");
        let open = OPEN_ROWS.contains(&named(" using ")) || ALSO.contains(&named(" using "));
        let small = SMALL_TABLES.contains(&named(" on "));
        if table || (index && !bounded && !open && !small) {
            walks.push(line.trim().to_owned());
        }
    }
    walks
}

#[test]
fn no_statement_walks_through_a_table_that_grows() {
    let Some(place) = place() else { return };
    let connection = scratch(&place);
    connection.batch("SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off").unwrap();
    let explain = |sql: &str| -> Vec<String> {
        connection.batch(&format!("PREPARE asked AS {sql}")).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let values = (1..).take_while(|n| sql.contains(&format!("${n}"))).map(|_| "NULL").collect::<Vec<_>>();
        let values = if values.is_empty() { String::new() } else { format!("({})", values.join(", ")) };
        let rows = connection.once(&format!("EXPLAIN (COSTS off) EXECUTE asked{values}")).unwrap();
        connection.batch("DEALLOCATE asked").unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    };
    let mut faults = Vec::new();
    for statement in all() {
        let plan = explain(&sql(statement));
        let walks = walks(&plan);
        if !walks.is_empty() {
            faults.push(format!("{}: {walks:?}", statement.name));
        }
    }
    let found = walks(&explain("SELECT data FROM sessions WHERE title = $1"));
    connection.batch(&format!("DROP SCHEMA \"{}\" CASCADE", place.rows)).unwrap();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(!found.is_empty(), "the search for walks finds some");
}
