//! What is made of SQL that was written for SQLite.
//!
//! Statements differ in how values are numbered, and in a hint only SQLite needs. Tables differ in the names of types: what
//! holds a whole record is `jsonb`, and texts are compared byte by byte, as SQLite does.

/// Columns that hold JSON, in whatever table.
pub(crate) const JSON: &[&str] =
    &["blocks", "data", "decision", "exit", "file", "merged", "outcome", "question", "tests", "usage"];

/// A statement as PostgreSQL takes it.
pub(crate) fn statement(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut words = Words(sql).peekable();
    while let Some(piece) = words.next() {
        match piece {
            "?" => out.push('$'),
            "INDEXED" => {
                // ` BY name`
                for _ in 0..4 {
                    words.next();
                }
            }
            other => out.push_str(other),
        }
    }
    out
}

/// A migration as PostgreSQL takes it.
pub(crate) fn migration(sql: &str) -> String {
    let sql = sql.replace(") STRICT, WITHOUT ROWID;", ");").replace(") STRICT;", ");");
    let mut out = String::with_capacity(sql.len());
    let mut before = "";
    for piece in Words(&sql) {
        match piece {
            "INTEGER" | "INT" | "TIMESTAMP" => out.push_str("bigint"),
            "BLOB" => out.push_str("bytea"),
            "REAL" | "DECIMAL(10,6)" => out.push_str("double precision"),
            "TEXT" if JSON.contains(&before) => out.push_str("jsonb"),
            "TEXT" => out.push_str("text COLLATE \"C\""),
            // A word of PostgreSQL's own.
            "only" => out.push_str("\"only\""),
            "json_object" => out.push_str("jsonb_build_object"),
            // Each of the two files has its watermark; here they are one.
            "TABLE" if before == "CREATE" => out.push_str("TABLE IF NOT EXISTS"),
            other => out.push_str(other),
        }
        if !piece.trim().is_empty() {
            before = piece;
        }
    }
    out
}

/// The tables and views a migration makes.
pub(crate) fn made(sql: &str) -> Vec<&str> {
    let words: Vec<&str> = Words(sql).filter(|piece| !piece.trim().is_empty()).collect();
    let makes = |three: &&[&str]| three[0] == "CREATE" && matches!(three[1], "TABLE" | "VIEW");
    words.windows(3).filter(makes).map(|three| three[2]).collect()
}

/// The pieces of a text: words, spaces, literals and comments whole, everything else one character at a time.
struct Words<'a>(&'a str);

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let first = self.0.chars().next()?;
        let run = |same: fn(char) -> bool| self.0.find(|c| !same(c)).unwrap_or(self.0.len());
        let end = if self.0.starts_with("DECIMAL(10,6)") {
            "DECIMAL(10,6)".len()
        } else if first.is_alphanumeric() || first == '_' {
            run(|c| c.is_alphanumeric() || c == '_')
        } else if first.is_whitespace() {
            run(char::is_whitespace)
        } else if first == '\'' || first == '"' {
            self.0[1..].find(first).map_or(self.0.len(), |at| at + 2)
        } else if self.0.starts_with("--") {
            self.0.find('\n').unwrap_or(self.0.len())
        } else {
            first.len_utf8()
        };
        let (piece, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbered_and_hints_are_left_out() {
        let sql = "SELECT a FROM t INDEXED BY t_a WHERE a = ?1 AND b = '?2 INDEXED BY' AND c < ?12";
        assert_eq!(statement(sql), "SELECT a FROM t  WHERE a = $1 AND b = '?2 INDEXED BY' AND c < $12");
    }

    #[test]
    fn types_have_their_names_and_comments_keep_theirs() {
        let sql = "-- An INTEGER's TEXT.\nCREATE TABLE t (\n    one INTEGER PRIMARY KEY CHECK (one = 1),\n    \
            name TEXT NOT NULL,\n    data TEXT NOT NULL,\n    hash BLOB,\n    cost DECIMAL(10,6),\n    \
            timestamp TIMESTAMP NOT NULL\n) STRICT, WITHOUT ROWID;";
        let translated = "-- An INTEGER's TEXT.\nCREATE TABLE IF NOT EXISTS t (\n    one bigint PRIMARY KEY CHECK \
            (one = 1),\n    name text COLLATE \"C\" NOT NULL,\n    data jsonb NOT NULL,\n    hash bytea,\n    \
            cost double precision,\n    timestamp bigint NOT NULL\n);";
        assert_eq!(migration(sql), translated);
        assert_eq!(
            made("CREATE TABLE t (x); CREATE INDEX i ON t (x); CREATE VIEW v AS SELECT 1"),
            ["t", "v"]
        );
    }
}
