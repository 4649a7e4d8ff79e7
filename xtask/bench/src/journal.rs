//! What the journal costs: one durable record, many durable records, reading all of it, opening it.
//!
//! Beside it, in turns: the same bytes appended to a plain file with one `fdatasync` (nothing durable is faster
//! on this disk), and as rows of SQLite in WAL mode with `synchronous = FULL`.

use crate::Order;
use crate::plain::Plain;
use crate::row::Row;
use crate::sample::{P99_MIN, Samples};
use crate::scratch;
use crate::story::Story;
use crate::{say, tell};
use bus::system::{SystemClock, SystemEntropy};
use journal::{Draft, Journal, Options};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Bytes of a message's text: with what is around it, a record of about 1.2 kB.
const TEXT: usize = 700;
/// How much dearer than a bare `fdatasync` of the same bytes a durable record may be.
const DURABLE_MOST: f64 = 1.5;
/// Records that share one sync, as under many writers.
const GROUP: usize = 100;

pub(crate) fn bench(order: &Order) -> Result<(), String> {
    let folder = scratch::folder(order, "journal-")?;
    let mut journal = open(folder.path())?;
    let mut plain = Plain::open(folder.path())?;
    let mut sqlite = Sqlite::open(folder.path())?;
    let mut story = Story::new(TEXT);
    single(order, &mut journal, &mut plain, &mut sqlite, &mut story)?;
    grouped(order, &mut journal, &mut plain, &mut sqlite, &mut story)?;
    read(order, folder.path(), journal, &mut story)
}

fn open(folder: &Path) -> Result<Journal, String> {
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let opened =
        Journal::open(&folder.join("journal"), &folder.join("blobs"), clock, entropy, Options::default());
    Ok(opened.map_err(|error| error.to_string())?.journal)
}

/// One record, durable before the next.
fn single(
    order: &Order,
    journal: &mut Journal,
    plain: &mut Plain,
    sqlite: &mut Sqlite,
    story: &mut Story,
) -> Result<(), String> {
    let count = if order.quick { P99_MIN } else { 4 * P99_MIN };
    say(&format!("journal: {count} records, one sync each"));
    let (mut ours, mut file, mut rows) = (Samples::default(), Samples::default(), Samples::default());
    for _ in 0..count {
        let drafts = story.next(1)?;
        let line = line(&drafts)?;
        ours.time(|| journal.append(&drafts)).map_err(|error| error.to_string())?;
        file.time(|| plain.append(&[&line])).map_err(|error| error.to_string())?;
        rows.time(|| sqlite.append(&[&line])).map_err(|error| error.to_string())?;
    }
    for (stat, share) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
        let row = Row::new("journal", "append_1_sync", "us", stat, ours.micros(share))
            .peer("file_fdatasync", Some(file.micros(share)))
            .peer("sqlite_wal_full", Some(rows.micros(share)))
            .note(&format!("{} samples of {} bytes", ours.len(), line(&story.next(1)?)?.len()));
        tell(&if stat == "p50" { row.at_most(DURABLE_MOST * file.micros(share)) } else { row });
    }
    Ok(())
}

/// Many records, one sync for all of them.
fn grouped(
    order: &Order,
    journal: &mut Journal,
    plain: &mut Plain,
    sqlite: &mut Sqlite,
    story: &mut Story,
) -> Result<(), String> {
    let count = if order.quick { 200 } else { 1_000 };
    say(&format!("journal: {count} groups of {GROUP} records"));
    let (mut ours, mut file, mut rows) = (Samples::default(), Samples::default(), Samples::default());
    for _ in 0..count {
        let drafts = story.next(GROUP)?;
        let lines: Vec<String> = drafts.iter().map(text).collect::<Result<_, _>>()?;
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        ours.time(|| journal.append(&drafts)).map_err(|error| error.to_string())?;
        file.time(|| plain.append(&lines)).map_err(|error| error.to_string())?;
        rows.time(|| sqlite.append(&lines)).map_err(|error| error.to_string())?;
    }
    let per_second = |samples: &Samples| GROUP as f64 * 1e6 / samples.micros(0.5);
    tell(
        &Row::new("journal", "append_100_sync", "records/s", "p50", per_second(&ours))
            .peer("file_fdatasync", Some(per_second(&file)))
            .peer("sqlite_wal_full", Some(per_second(&rows)))
            .note(&format!("{} groups", ours.len())),
    );
    Ok(())
}

/// Everything read back with every check, and the journal opened again.
fn read(order: &Order, folder: &Path, mut journal: Journal, story: &mut Story) -> Result<(), String> {
    let records = if order.quick { 100_000 } else { 500_000 };
    say(&format!("journal: {records} more records, read back"));
    let mut written = 0;
    while written < records {
        let drafts = story.next(1_000)?;
        written += drafts.len();
        journal.append(&drafts).map_err(|error| error.to_string())?;
    }
    let last = journal.position().cursor.seq;
    let reader = journal.reader();
    let begun = Instant::now();
    let replay = reader.replay(model::Cursor::START).map_err(|error| error.to_string())?;
    let mut seen = 0_u64;
    for record in replay {
        record.map_err(|error| error.to_string())?;
        seen += 1;
    }
    let took = begun.elapsed().as_secs_f64();
    let whole = if seen == last { String::new() } else { format!("{seen} of {last} records came back") };
    tell(
        &Row::new("journal", "replay_checked", "records/s", "mean", seen as f64 / took)
            .note(&format!("{seen} records, every hash"))
            .note(&whole),
    );
    drop(reader);
    drop(journal);
    let mut opens = Samples::default();
    for _ in 0..50 {
        opens.time(|| open(folder))?;
    }
    tell(
        &Row::new("journal", "open", "ms", "p50", opens.millis(0.5))
            .note(&format!("{} opens with {seen} records", opens.len())),
    );
    Ok(())
}

fn text(draft: &Draft) -> Result<String, String> {
    draft.event.payload().map_err(|error| error.to_string())
}

fn line(drafts: &[Draft]) -> Result<String, String> {
    drafts.last().map_or_else(|| Ok(String::new()), text)
}

struct Sqlite {
    connection: rusqlite::Connection,
}

impl Sqlite {
    fn open(folder: &Path) -> Result<Sqlite, String> {
        let open = || {
            let connection = rusqlite::Connection::open(folder.join("rows.db"))?;
            connection.pragma_update(None, "journal_mode", "wal")?;
            connection.pragma_update(None, "synchronous", "full")?;
            connection.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, payload TEXT NOT NULL)", [])?;
            Ok(Sqlite { connection })
        };
        open().map_err(|error: rusqlite::Error| error.to_string())
    }

    fn append(&mut self, lines: &[&str]) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        for line in lines {
            let mut insert = transaction.prepare_cached("INSERT INTO events (payload) VALUES (?1)")?;
            insert.execute([line])?;
        }
        transaction.commit()
    }
}
