//! One batch of commits: the transactions on both databases around one sync of the journal.
//!
//! Invariant: the order is validate, write, apply, sync, commit. Before the sync everything can be taken back, from the databases
//! and from the journal; after it nothing is, and a database that cannot follow is brought up again at the next start.

use crate::idempotency::{self, Seen};
use crate::rebuild::suspect;
use crate::statement::Database;
use crate::verdict::{self, Rejection, Verdict};
use crate::watermark::Standing;
use crate::{Commit, CommitError, Receipt, StoreError, View, apply, commit, connection, fold, watermark};
use journal::{IdempotencyKey, Journal, JournalError, Position, ReadPage, Reader, Record};
use model::{Cursor, Event, Refusal, RefusalKind};
use rusqlite::Connection;
use std::path::{Path, PathBuf};

/// The committer's connections.
pub(crate) struct Files {
    pub(crate) sessions: Connection,
    pub(crate) messages: Connection,
}

impl Files {
    pub(crate) fn open(databases: &Path) -> Result<Self, StoreError> {
        let open = |database| connection::open_writer(&connection::file(databases, database));
        Ok(Self { sessions: open(Database::Sessions)?, messages: open(Database::Messages)? })
    }

    /// Stands in for the files while they are exchanged.
    pub(crate) fn nowhere() -> Result<Self, StoreError> {
        Ok(Self { sessions: Connection::open_in_memory()?, messages: Connection::open_in_memory()? })
    }

    pub(crate) fn each(&self) -> [(Database, &Connection); 2] {
        [(Database::Sessions, &self.sessions), (Database::Messages, &self.messages)]
    }

    fn execute(&self, sql: &str) -> Result<(), StoreError> {
        for (_, connection) in self.each() {
            connection::execute(connection, sql)?;
        }
        Ok(())
    }

    /// Ends the transactions that are still open. One that does not end is gone with its connection anyway.
    fn roll_back(&self) {
        for (_, connection) in self.each() {
            if !connection.is_autocommit() {
                drop(connection::execute(connection, "ROLLBACK"));
            }
        }
    }
}

/// Why a whole batch came to nothing.
#[derive(Debug)]
enum Failure {
    /// No room for the databases: all of it was taken back and the store goes on.
    Full,
    /// Another program writes to our files; nothing was begun.
    Busy,
    /// The store cannot go on.
    Fatal(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        if error.is_full() { Self::Full } else { Self::Fatal(error.to_string()) }
    }
}

impl From<StoreError> for Rejection<Failure> {
    fn from(error: StoreError) -> Self {
        if error.is_full() || error.is_fatal() {
            return Self::Batch(error.into());
        }
        // Nothing was journaled, so what cannot be applied never becomes a fact.
        Self::Commit(CommitError::Refused(error.into()))
    }
}

impl From<JournalError> for Rejection<Failure> {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Full => Self::Commit(CommitError::Full),
            JournalError::PayloadTooLarge { .. } => {
                Refusal::invalid("payload_too_large", error.to_string()).into()
            }
            JournalError::Key => Refusal::invalid("idempotency_key", error.to_string()).into(),
            error => Self::Batch(Failure::Fatal(error.to_string())),
        }
    }
}

/// What commits write to.
pub(crate) struct Writer {
    pub(crate) journal: Journal,
    pub(crate) files: Files,
    pub(crate) databases: PathBuf,
    room: Room,
}

/// What is known of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Enough,
    /// The last commits did not fit.
    Full,
    /// The reserve is given up. What it made room for is for closing commits.
    Reserve,
    /// The margin, too; what it made room for is taken.
    Nothing,
}

impl Writer {
    pub(crate) fn new(journal: Journal, files: Files, databases: PathBuf) -> Self {
        Self { journal, files, databases, room: Room::Enough }
    }

    /// Makes the journal's reserve again if it had to be spent and there is room by now.
    pub(crate) fn restock(&mut self) {
        if matches!(self.room, Room::Reserve | Room::Nothing) && self.journal.restock_reserve() {
            self.room = Room::Enough;
        }
    }

    /// False on a full disk: what room there is then may only be taken for commits.
    pub(crate) fn has_room(&self) -> bool {
        self.room == Room::Enough
    }

    /// Carries out the commits in order. One verdict each; when the store must stop, the reason too.
    pub(crate) fn batch(&mut self, commits: Vec<Commit>) -> (Vec<Verdict>, Option<String>) {
        self.restock();
        if commits.iter().any(|commit| commit.closing) {
            self.give_up_reserve();
        }
        // Without margin the store would have to stop where the room ends.
        let room = self.room;
        let let_in = |commit: &Commit| match room {
            Room::Enough | Room::Full => true,
            Room::Reserve => commit.closing,
            Room::Nothing => false,
        };
        let admitted: Vec<bool> = commits.iter().map(let_in).collect();
        let (verdicts, reason) = self.carry_out(commits.into_iter().filter(let_in).collect());
        let mut verdicts = verdicts.into_iter();
        let each = |admitted| if admitted { verdicts.next() } else { None };
        let verdicts =
            admitted.into_iter().map(each).map(|verdict| verdict.unwrap_or(Err(CommitError::Full)));
        (verdicts.collect(), reason)
    }

    /// Makes room for closing commits when there is none.
    fn give_up_reserve(&mut self) {
        let full = matches!(self.room, Room::Full | Room::Nothing);
        // The margin comes first again: without it the next commit could be the last.
        if full && self.journal.spend_reserve() && (self.room == Room::Full || self.journal.restock_margin())
        {
            self.room = Room::Reserve;
        }
    }

    fn carry_out(&mut self, commits: Vec<Commit>) -> (Vec<Verdict>, Option<String>) {
        let (count, start) = (commits.len(), self.journal.position());
        match self.attempt(commits, start) {
            Ok(verdicts) => {
                let refused = verdicts.iter().any(|verdict| matches!(verdict, Err(CommitError::Full)));
                if refused || self.journal.position() != start {
                    self.notice(refused);
                }
                (verdicts, None)
            }
            Err(failure) => {
                self.files.roll_back();
                let (error, reason) = match self.take_back(start, failure) {
                    Failure::Full => (CommitError::Full, None),
                    Failure::Busy => (CommitError::Refused(database_busy()), None),
                    Failure::Fatal(reason) => (CommitError::Stopped(reason.clone()), Some(reason)),
                };
                self.notice(error == CommitError::Full);
                ((0..count).map(|_| Err(error.clone())).collect(), reason)
            }
        }
    }

    fn notice(&mut self, full: bool) {
        self.room = match (self.room, full) {
            (spent @ (Room::Reserve | Room::Nothing), _) => spent,
            (_, true) => Room::Full,
            (_, false) => Room::Enough,
        };
    }

    /// Drops what the journal holds of a failed batch and has not synced. After a failed sync it refuses, and what is on
    /// the disk shows at the next start.
    fn take_back(&mut self, start: Position, failure: Failure) -> Failure {
        match (self.journal.rewind(start), failure) {
            (Err(error), Failure::Full | Failure::Busy) => Failure::Fatal(error.to_string()),
            (_, failure) => failure,
        }
    }

    fn attempt(&mut self, commits: Vec<Commit>, start: Position) -> Result<Vec<Verdict>, Failure> {
        self.files.execute("BEGIN IMMEDIATE").map_err(|error| match error.is_busy() {
            true => Failure::Busy,
            false => error.into(),
        })?;
        // One commit alone is taken back with its transaction.
        let several = commits.len() > 1;
        let mut fresh = Vec::new();
        let mut verdicts = Vec::with_capacity(commits.len());
        for commit in commits {
            verdicts.push(self.one(commit, start, several, &mut fresh)?);
        }
        if fresh.is_empty() {
            self.files.roll_back();
            return Ok(verdicts);
        }
        for (database, connection) in self.files.each() {
            watermark::write(&connection.into(), database, self.journal.position())?;
            // Claims the room for the pages now, while all of this can still be taken back.
            connection.cache_flush().map_err(StoreError::from)?;
        }
        self.journal.sync().map_err(|error| Failure::Fatal(error.to_string()))?;
        self.commit().map_err(|error| Failure::Fatal(error.to_string()))?;
        Ok(verdicts)
    }

    /// Commits both transactions. They are durable in the journal, so a full disk is met with its margin.
    fn commit(&mut self) -> Result<(), StoreError> {
        match self.commit_open() {
            Err(error) if error.is_full() && self.journal.spend_margin() => {
                self.room = Room::Nothing;
                self.follow()
            }
            result => result,
        }
    }

    /// Brings both databases to the journal's end. A commit that fails takes its whole transaction back, so there
    /// is nothing left to commit a second time.
    fn follow(&self) -> Result<(), StoreError> {
        self.files.roll_back();
        let journal = self.journal.reader();
        for (database, connection) in self.files.each() {
            match watermark::compare(watermark::read(&connection.into(), database)?, &journal)? {
                Standing::Current => {}
                Standing::Behind(position) => drop(fold::fold(connection, database, &journal, position)?),
                Standing::Elsewhere(reason) => return Err(StoreError::Stopped(reason)),
            }
        }
        Ok(())
    }

    fn commit_open(&self) -> Result<(), StoreError> {
        for (_, connection) in self.files.each() {
            if !connection.is_autocommit() {
                connection::execute(connection, "COMMIT")?;
            }
        }
        Ok(())
    }

    /// One commit; of several, each inside its own savepoint.
    fn one(
        &mut self,
        commit: Commit,
        start: Position,
        several: bool,
        fresh: &mut Vec<Record>,
    ) -> Result<Verdict, Failure> {
        if several {
            self.files.execute("SAVEPOINT one")?;
        }
        let before = self.journal.position();
        let verdict = verdict::reach(fresh, |fresh| self.decide(commit, start, fresh))?;
        if verdict.is_ok() {
            if several {
                self.files.execute("RELEASE one")?;
            }
            return Ok(verdict);
        }
        // SQLite may have given up the whole transaction already; then the savepoint is gone with the commits before it.
        if several {
            self.files.execute("ROLLBACK TO one")?;
            self.files.execute("RELEASE one")?;
        }
        if self.journal.position() != before {
            self.journal.rewind(before).map_err(|error| Failure::Fatal(error.to_string()))?;
        }
        Ok(verdict)
    }

    fn decide(
        &mut self,
        commit: Commit,
        start: Position,
        fresh: &[Record],
    ) -> Result<Receipt, Rejection<Failure>> {
        let Commit { actor, key, command, past, .. } = commit;
        if let Some(key) = &key
            && let Some(seen) = idempotency::seen(&(&self.files.sessions).into(), &actor, key)?
        {
            return Ok(replayed(key, &seen, start, fresh, &self.journal.reader())?);
        }
        let events = self.ask(command)?;
        if events.is_empty() {
            return Ok(Receipt { records: Vec::new(), replayed: false });
        }
        let drafts = commit::drafts(events, &actor, key.as_ref(), past);
        let records = self.journal.write(&drafts)?;
        self.journal.hasten();
        for record in &records {
            for (database, connection) in self.files.each() {
                apply::apply(database, &connection.into(), record)?;
            }
        }
        Ok(Receipt { records, replayed: false })
    }

    fn ask(&self, command: crate::commit::Command) -> Result<Vec<Event>, Rejection<Failure>> {
        let view = View::new(&self.files.sessions, &self.files.messages);
        let decided = command(&view);
        match view.damaged() {
            None => Ok(decided?),
            Some(database) => {
                suspect(&self.databases, database);
                let reason = format!("{} is damaged; start again, and it is made anew", database.file_name());
                Err(Rejection::Batch(Failure::Fatal(reason)))
            }
        }
    }
}

/// Answers a known key with the records of then. `start` is where the batch began; `fresh` is what it has written so far.
pub(crate) fn replayed(
    key: &IdempotencyKey,
    seen: &Seen,
    start: Position,
    fresh: &[Record],
    reader: &Reader,
) -> Result<Receipt, Refusal> {
    if seen.request_hash != key.request_hash {
        let message = format!("the idempotency key `{}` was used for another request", key.key);
        return Err(
            Refusal::conflict("idempotency_conflict", message).hint("use a new key for a new request")
        );
    }
    let first = seen.first_seq;
    let records = if first > start.cursor.seq {
        // Of this very batch: no reader sees it yet.
        let within = first..=seen.last_seq;
        fresh.iter().filter(|record| within.contains(&record.position.cursor.seq)).cloned().collect()
    } else {
        stored(reader, first, seen.last_seq).map_err(Refusal::internal)?
    };
    Ok(Receipt { records, replayed: true })
}

fn stored(reader: &Reader, first: u64, last: u64) -> Result<Vec<Record>, JournalError> {
    let unknown = |seq| JournalError::UnknownPosition { after: Cursor { epoch: 0, seq } };
    let before = reader.position_at(first - 1)?.ok_or_else(|| unknown(first - 1))?;
    let mut records = Vec::new();
    let mut cursor = before.cursor;
    while cursor.seq < last {
        let wanted = usize::try_from(last - cursor.seq).unwrap_or(usize::MAX);
        match reader.read_after(cursor, wanted)? {
            ReadPage::Records(page) if !page.is_empty() => {
                cursor = page[page.len() - 1].position.cursor;
                records.extend(page);
            }
            _ => return Err(unknown(cursor.seq)),
        }
    }
    Ok(records)
}

fn database_busy() -> Refusal {
    Refusal::new(
        RefusalKind::Busy,
        "database_busy",
        "another program is writing to the workspace's databases",
    )
    .hint("close whatever has sessions.db or messages.db open and try again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rebuild::bring_up;
    use crate::{Opening, SessionFilter};
    use model::{Actor, Clock, Lineage, Namer, Session, SessionId, Timestamp};
    use std::sync::Arc;
    use testkit::{ManualClock, SeededEntropy};

    struct Bench {
        root: tempfile::TempDir,
        clock: ManualClock,
        dice: SeededEntropy,
    }

    impl Bench {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            Self { root, clock: ManualClock::default(), dice: SeededEntropy::default() }
        }

        fn databases(&self) -> PathBuf {
            self.root.path().join("databases")
        }

        /// Opens everything as the store does; says how each database was.
        fn open(&self) -> (Writer, [Opening; 2]) {
            let path = |name| self.root.path().join(name);
            let (clock, dice) = (Arc::new(self.clock.clone()), Arc::new(self.dice.clone()));
            let options = journal::Options::default();
            let opened = Journal::open(&path("journal"), &path("blobs"), clock, dice, options).unwrap();
            let (journal, databases) = (opened.journal, self.databases());
            std::fs::create_dir_all(&databases).unwrap();
            let openings =
                Database::ALL.map(|database| bring_up(&databases, database, &journal.reader()).unwrap());
            let files = Files::open(&databases).unwrap();
            (Writer::new(journal, files, databases), openings)
        }

        fn session(&self, title: &str) -> Event {
            Event::SessionCreated(Session {
                id: SessionId::new(&self.clock, &self.dice),
                workspace: "default".to_owned(),
                title: title.to_owned(),
                repo: None,
                board: None,
                parent: None,
                forked_from: None,
                fork_point: None,
                created_at: self.clock.now(),
                origin: None,
                named_by: Namer::default(),
                lineage: Lineage::default(),
            })
        }

        fn create(&self, title: &str) -> Commit {
            let event = self.session(title);
            Commit::new(Actor::User, move |_| Ok(vec![event]))
        }
    }

    fn titles(writer: &Writer) -> Vec<String> {
        let view = View::new(&writer.files.sessions, &writer.files.messages);
        let sessions = view.sessions(&SessionFilter::default()).unwrap().rows;
        sessions.into_iter().map(|row| row.session.title).collect()
    }

    fn positions(writer: &Writer) -> [Position; 2] {
        writer.files.each().map(|(database, file)| watermark::read(&file.into(), database).unwrap())
    }

    fn key(hash: &str) -> Option<IdempotencyKey> {
        Some(IdempotencyKey { key: "k".to_owned(), request_hash: hash.to_owned() })
    }

    #[test]
    fn a_refusal_takes_back_only_its_own_commit() {
        let bench = Bench::new();
        let (mut writer, _) = bench.open();
        let refused = Commit::new(Actor::User, |view| {
            assert_eq!(view.sessions(&SessionFilter::default())?.rows.len(), 1);
            Err(Refusal::conflict("no", "not now"))
        });
        // A payload over the limit is found only when half of the commit is on its way.
        let mut huge = bench.session("huge");
        if let Event::SessionCreated(session) = &mut huge {
            session.workspace = "x".repeat(journal::PAYLOAD_MAX);
        }
        let small = bench.session("beside huge");
        let too_large = Commit::new(Actor::User, move |_| Ok(vec![small, huge]));
        let batch = vec![bench.create("one"), refused, too_large, bench.create("two")];
        let (verdicts, stop) = writer.batch(batch);
        assert_eq!(stop, None);
        assert!(verdicts[0].is_ok() && verdicts[3].is_ok());
        for (verdict, code) in [(&verdicts[1], "no"), (&verdicts[2], "payload_too_large")] {
            assert!(matches!(verdict, Err(CommitError::Refused(refusal)) if refusal.code == code));
        }
        assert_eq!(titles(&writer), ["two", "one"]);
        assert_eq!(writer.journal.reader().newest().cursor.seq, 2);
        assert_eq!(positions(&writer), [writer.journal.position(); 2]);
    }

    #[test]
    fn a_key_is_known_within_its_own_batch() {
        let bench = Bench::new();
        let (mut writer, _) = bench.open();
        let event = bench.session("one");
        let ask = |hash| {
            let event = event.clone();
            Commit::new(Actor::User, move |_| Ok(vec![event])).key(key(hash))
        };
        let (verdicts, _) = writer.batch(vec![ask("h"), ask("h"), ask("other"), bench.create("two")]);
        let [first, again, conflict, _] = <[Verdict; 4]>::try_from(verdicts).unwrap();
        let (first, again) = (first.unwrap(), again.unwrap());
        assert!(!first.replayed && again.replayed);
        assert_eq!(first.records, again.records);
        assert!(
            matches!(conflict, Err(CommitError::Refused(refusal)) if refusal.code == "idempotency_conflict")
        );
        assert_eq!(writer.journal.reader().newest().cursor.seq, 2);
    }

    #[test]
    fn a_batch_of_refusals_is_not_synced() {
        let bench = Bench::new();
        let (mut writer, _) = bench.open();
        let refused = Commit::new(Actor::User, |_| Err(Refusal::conflict("no", "not now")));
        assert!(writer.batch(vec![refused]).0[0].is_err());
        assert_eq!(writer.journal.position(), Position::START);
        assert!(writer.files.each().iter().all(|(_, file)| file.is_autocommit()));
    }

    /// Makes the commit of messages.db fail, and only that: a deferred check that is found wanting at the end.
    fn break_commit(file: &Connection) {
        file.execute_batch(
            "PRAGMA foreign_keys = ON;
             CREATE TEMP TABLE parent (x INTEGER PRIMARY KEY);
             CREATE TEMP TABLE child (x REFERENCES parent (x) DEFERRABLE INITIALLY DEFERRED);
             CREATE TEMP TRIGGER trap AFTER UPDATE ON main.watermark BEGIN
                 INSERT INTO child VALUES (1);
             END;",
        )
        .unwrap();
    }

    #[test]
    fn a_commit_that_fails_after_the_sync_stops_the_store_and_loses_nothing() {
        let bench = Bench::new();
        let (mut writer, _) = bench.open();
        assert!(writer.batch(vec![bench.create("one")]).0[0].is_ok());
        break_commit(&writer.files.messages);
        let (verdicts, stop) = writer.batch(vec![bench.create("two"), bench.create("three")]);
        assert!(stop.is_some());
        assert!(verdicts.iter().all(|verdict| matches!(verdict, Err(CommitError::Stopped(_)))));
        let newest = writer.journal.reader().newest();
        assert_eq!(newest.cursor.seq, 3, "the journal has them");
        drop(writer);
        let (writer, openings) = bench.open();
        assert_eq!(openings, [Opening::Current, Opening::Replayed { records: 2 }]);
        assert_eq!(titles(&writer), ["three", "two", "one"]);
        assert_eq!(positions(&writer), [newest; 2]);
    }

    #[test]
    fn a_full_disk_refuses_the_batch_and_leaves_no_trace_of_it() {
        let bench = Bench::new();
        let (mut writer, _) = bench.open();
        assert!(writer.batch(vec![bench.create("one")]).0[0].is_ok());
        let newest = writer.journal.position();
        let pages = |file: &Connection, most: i64| -> i64 {
            file.query_row(&format!("PRAGMA max_page_count = {most}"), [], |row| row.get(0)).unwrap()
        };
        let file = &writer.files.sessions;
        let now: i64 = file.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        assert_eq!(pages(file, now), now);
        let large = bench.create(&"x".repeat(64 * 1024));
        let (verdicts, stop) = writer.batch(vec![bench.create("small"), large]);
        assert_eq!(stop, None);
        assert!(verdicts.iter().all(|verdict| matches!(verdict, Err(CommitError::Full))), "{verdicts:?}");
        assert_eq!((writer.journal.position(), writer.journal.reader().newest()), (newest, newest));
        assert_eq!((titles(&writer), positions(&writer)), (vec!["one".to_owned()], [newest; 2]));
        pages(&writer.files.sessions, now * 100);
        assert!(writer.batch(vec![bench.create("two")]).0[0].is_ok());
        drop(writer);
        let (writer, openings) = bench.open();
        assert_eq!(openings, [Opening::Current, Opening::Current]);
        assert_eq!(titles(&writer), ["two", "one"]);
    }

    #[test]
    fn a_stranger_who_writes_to_our_file_makes_us_busy_and_no_more() {
        let bench = Bench::new();
        let (mut writer, _) = bench.open();
        for (_, file) in writer.files.each() {
            file.busy_timeout(std::time::Duration::ZERO).unwrap();
        }
        let stranger = Connection::open(bench.databases().join("messages.db")).unwrap();
        stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
        let (verdicts, stop) = writer.batch(vec![bench.create("one")]);
        assert_eq!(stop, None);
        assert!(
            matches!(&verdicts[0], Err(CommitError::Refused(refusal)) if refusal.code == "database_busy")
        );
        stranger.execute_batch("ROLLBACK").unwrap();
        assert!(writer.batch(vec![bench.create("two")]).0[0].is_ok());
        assert_eq!(titles(&writer), ["two"]);
    }

    #[test]
    fn records_carry_the_time_of_the_clock_they_were_given() {
        let bench = Bench::new();
        let (mut writer, _) = bench.open();
        bench.clock.set_wall(Timestamp::from_millis(1_800_000_000_000));
        let receipt = writer.batch(vec![bench.create("one")]).0.remove(0).unwrap();
        assert_eq!(receipt.records[0].ts, bench.clock.now());
    }
}
