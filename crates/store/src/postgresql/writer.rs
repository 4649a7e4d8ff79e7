//! One batch of commits: one transaction over the fence, the journal and the rows.
//!
//! Invariant: nobody is answered before COMMIT was. When its answer is lost, the server is asked afterwards what became of
//! the transaction; only when nobody knows does the store stop.

use super::acquire::{Claim, check, release, shelved};
use super::beside::{Beside, swap};
use super::connection::{COMMIT, Connection, TOGETHER_MAX, Unsent, Use};
use super::dump::differences;
use super::moving::put_later;
use super::place::Place;
use super::reading::Readers;
use super::shelf::{hash_of, put_blob_later};
use crate::batch::replayed;
use crate::statement::Database;
use crate::verdict::{self, Rejection, Verdict};
use crate::{Commit, CommitError, RebuildReport, Receipt, StoreError, View, apply, commit, idempotency};
use journal::{JournalError, Position, Record, Scribe};
use model::{Refusal, RefusalKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the server is asked what became of a transaction whose answer was lost.
const FATE_WAIT: Duration = Duration::from_secs(30);
const FATE_PAUSE: Duration = Duration::from_millis(200);

/// Why a whole batch came to nothing.
#[derive(Debug)]
enum Failure {
    /// The server is away; nothing was changed.
    Away(String),
    /// Somebody holds what we need, or the server gave up; nothing was changed.
    Busy(String),
    Full,
    /// The store cannot go on.
    Fatal(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let why = error.to_string();
        match error {
            error if error.is_away() => Self::Away(why),
            error if error.is_full() => Self::Full,
            error if error.is_busy() => Self::Busy(why),
            _ => Self::Fatal(why),
        }
    }
}

impl From<StoreError> for Rejection<Failure> {
    fn from(error: StoreError) -> Self {
        if error.is_away() || error.is_full() || error.is_busy() {
            return Self::Batch(error.into());
        }
        // Nothing of it is in the journal yet, so what cannot be applied never becomes a fact.
        Self::Commit(CommitError::Refused(error.into()))
    }
}

impl From<JournalError> for Rejection<Failure> {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::PayloadTooLarge { .. } => {
                Refusal::invalid("payload_too_large", error.to_string()).into()
            }
            JournalError::Key => Refusal::invalid("idempotency_key", error.to_string()).into(),
            JournalError::Elsewhere(why) => Self::Batch(Failure::Away(why)),
            error => Self::Batch(Failure::Fatal(error.to_string())),
        }
    }
}

/// What commits write to.
pub(crate) struct Writer {
    place: Arc<Place>,
    pub(crate) claim: Claim,
    connection: Option<Connection>,
    pub(crate) scribe: Scribe,
}

impl Writer {
    pub(crate) fn new(place: Arc<Place>, claim: Claim, scribe: Scribe) -> Self {
        Self { place, claim, connection: None, scribe }
    }

    /// Carries out the commits in order. One verdict each; when the store must stop, the reason too.
    pub(crate) fn batch(&mut self, commits: Vec<Commit>) -> (Vec<Verdict>, Option<String>) {
        let (count, start) = (commits.len(), self.scribe.position());
        let failure = match self.attempt(commits, start) {
            Ok(verdicts) => return (verdicts, None),
            Err(failure) => failure,
        };
        self.scribe.rewind(start);
        // Closing a connection takes back what it began.
        let kept = self.connection.take().filter(|open| open.roll_back().is_ok());
        self.connection = kept;
        let (error, reason) = match failure {
            Failure::Full => (CommitError::Full, None),
            Failure::Away(why) => (CommitError::Refused(unreachable(&why)), None),
            Failure::Busy(why) => (CommitError::Refused(busy(&why)), None),
            Failure::Fatal(reason) => (CommitError::Stopped(reason.clone()), Some(reason)),
        };
        ((0..count).map(|_| Err(error.clone())).collect(), reason)
    }

    /// Puts rows that were made anew in the place of the present ones.
    pub(crate) fn swap(
        &mut self,
        mut beside: Beside,
        readers: &Readers,
    ) -> Result<RebuildReport, StoreError> {
        let journal = self.scribe.reader();
        beside.follow(&journal)?;
        let present = Connection::open(&self.place, &self.place.rows, Use::Long)?;
        let changed = differences(&present, beside.connection());
        // The next batch begins on a new connection, which knows nothing of the old tables.
        self.connection = None;
        let records = readers.exchange(|| swap(beside))?;
        Ok(RebuildReport { records, position: journal.newest().cursor, changed, behind: None })
    }

    /// Leaves in order. Who cannot say so is waited for by the next one.
    pub(crate) fn release(&mut self) {
        let claim = self.claim.clone();
        if let Ok(connection) = self.connected() {
            drop(release(connection, &claim));
        }
    }

    fn connected(&mut self) -> Result<&Connection, StoreError> {
        let open = match self.connection.take() {
            Some(open) if !open.has_hung_up() => open,
            _ => Connection::open(&self.place, &self.place.rows, Use::Write)?,
        };
        Ok(self.connection.insert(open))
    }

    /// The fence goes with the first thing the server is asked; of a commit that asks nothing, with all the rest of it but
    /// COMMIT, which waits for the answer.
    fn attempt(&mut self, commits: Vec<Commit>, start: Position) -> Result<Vec<Verdict>, Failure> {
        let claim = self.claim.clone();
        self.connected()?.begin_fenced(&claim)?;
        // One commit alone is taken back with its transaction.
        let several = commits.len() > 1;
        let mut fresh = Vec::new();
        let mut verdicts = Vec::with_capacity(commits.len());
        for commit in commits {
            verdicts.push(self.one(commit, start, several, &mut fresh)?);
        }
        if !fresh.is_empty() {
            if let Some(error) = self.keep(start, several)? {
                return Ok(vec![Err(error)]);
            }
            self.scribe.publish();
            return Ok(verdicts);
        }
        let connection = self.open()?;
        if verdicts.is_empty() {
            // Nobody wants anything but to know whether we still are the owner.
            connection.flush().map_err(StoreError::from)?;
        }
        connection.roll_back()?;
        Ok(verdicts)
    }

    fn open(&self) -> Result<&Connection, StoreError> {
        self.connection.as_ref().ok_or_else(|| StoreError::Stopped("it has no connection".to_owned()))
    }

    fn one(
        &mut self,
        commit: Commit,
        start: Position,
        several: bool,
        fresh: &mut Vec<Record>,
    ) -> Result<Verdict, Failure> {
        let mark = self.open()?.mark();
        if several {
            self.open()?.say("SAVEPOINT one");
        }
        let before = self.scribe.position();
        let verdict = verdict::reach(fresh, |fresh| self.decide(commit, start, several, fresh));
        if self.open()?.is_lost() {
            return Err(self.succeeded());
        }
        let verdict = verdict?;
        if verdict.is_ok() {
            if several {
                self.open()?.say("RELEASE one");
            }
            return Ok(verdict);
        }
        if several {
            self.open()?.take_back(mark, "ROLLBACK TO one; RELEASE one");
        }
        self.scribe.rewind(before);
        Ok(verdict)
    }

    /// Somebody else is the owner.
    fn succeeded(&self) -> Failure {
        let place = self.open().and_then(|connection| {
            connection.roll_back()?;
            let rows = connection.ask("SELECT place FROM owner WHERE one = 1", &[])?;
            rows.first().map(|row| Ok(row.try_get(0)?)).transpose()
        });
        let nobody = || "nobody: the schema was made anew".to_owned();
        StoreError::Lost { place: place.ok().flatten().unwrap_or_else(nobody) }.into()
    }

    fn decide(
        &mut self,
        commit: Commit,
        start: Position,
        several: bool,
        fresh: &[Record],
    ) -> Result<Receipt, Rejection<Failure>> {
        let Commit { actor, key, command, past, .. } = commit;
        let connection = self.open()?;
        if let Some(key) = &key
            && let Some(seen) = idempotency::seen(&connection.into(), &actor, key)?
        {
            return Ok(replayed(key, &seen, start, fresh, &self.scribe.reader())?);
        }
        let events = command(&View::new(connection, connection))?;
        if events.is_empty() {
            return Ok(Receipt { records: Vec::new(), replayed: false });
        }
        let drafts = commit::drafts(events, &actor, key.as_ref(), past);
        let records = self.scribe.write(&drafts)?;
        let connection = self.open()?;
        for (record, database) in
            records.iter().flat_map(|record| Database::ALL.map(|database| (record, database)))
        {
            apply::apply(database, &connection.into(), record)?;
        }
        // Of several, the one is to be told whose rows the server did not take.
        if several || connection.waiting() >= TOGETHER_MAX {
            connection.flush().map_err(StoreError::from)?;
        }
        Ok(Receipt { records, replayed: false })
    }

    /// Sends what still waits of the rows, the journal's lines, the watermark and COMMIT, all at once. Returns why the only
    /// commit of a batch is refused when the server does not take its rows; a batch of several has sent them before.
    fn keep(&mut self, start: Position, several: bool) -> Result<Option<CommitError>, Failure> {
        let connection = self.open()?;
        let rows = connection.waiting();
        let written = self.scribe.pending();
        for (hash, content) in written.iter().filter_map(|written| written.blob.as_ref()) {
            put_blob_later(connection, hash, content.as_bytes())?;
        }
        put_later(connection, written, self.scribe.position())?;
        connection.say(COMMIT);
        let Err(Unsent { step, error }) = connection.flush() else {
            connection.committed();
            return Ok(None);
        };
        if connection.is_lost() {
            return Err(self.succeeded());
        }
        if !error.was_told() || error.is_away() {
            return self.learn(start, error).map(|()| None);
        }
        // A transaction in which the server has found a fault is not committed, whatever was sent behind it.
        if several || step >= rows {
            return Err(error.into());
        }
        match Rejection::from(error) {
            Rejection::Commit(refused) => {
                self.open()?.roll_back()?;
                self.scribe.rewind(start);
                Ok(Some(refused))
            }
            Rejection::Batch(failure) => Err(failure),
        }
    }

    /// COMMIT was sent and nobody has heard what became of it.
    fn learn(&mut self, start: Position, error: StoreError) -> Result<(), Failure> {
        self.connection = None;
        let deadline = Instant::now() + FATE_WAIT;
        loop {
            match self.fate(start) {
                Ok(true) => return Ok(()),
                Ok(false) => return Err(error.into()),
                Err(Failure::Away(_) | Failure::Busy(_)) if Instant::now() < deadline => {
                    self.connection = None;
                    std::thread::sleep(FATE_PAUSE);
                }
                Err(Failure::Away(why) | Failure::Busy(why)) => {
                    return Err(Failure::Fatal(format!(
                        "nobody knows whether the last changes were kept: {why}"
                    )));
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Whether the transaction whose answer was lost was kept. The lock waits for one that is still under way.
    fn fate(&mut self, start: Position) -> Result<bool, Failure> {
        let (wanted, claim) = (self.scribe.position(), self.claim.clone());
        let connection = self.connected()?;
        let owner = connection.begin_with(
            "BEGIN",
            "SELECT epoch, daemon, place FROM owner WHERE one = 1 FOR UPDATE",
            &[],
        )?;
        let rows =
            connection.ask("SELECT hash FROM journal WHERE seq = $1", &[&wanted.cursor.seq.cast_signed()])?;
        let kept = match rows.first() {
            Some(row) => hash_of(row.try_get(0).map_err(StoreError::from)?)? == wanted.hash,
            None => false,
        };
        let tip = shelved(connection)?.tip;
        connection.batch("ROLLBACK")?;
        if !kept {
            // Who has become the owner since may have written; what we wrote is not there and never will be.
            check(&owner, &claim)?;
            if tip != start {
                return Err(StoreError::Lost { place: self.place.to_string() }.into());
            }
        }
        Ok(kept)
    }
}

fn unreachable(why: &str) -> Refusal {
    Refusal::new(
        RefusalKind::Busy,
        "database_unreachable",
        format!("nothing was changed, the database is away: {why}"),
    )
    .hint("try again when the server of database.url answers")
}

fn busy(why: &str) -> Refusal {
    Refusal::new(RefusalKind::Busy, "database_busy", format!("nothing was changed: {why}"))
        .hint("try again in a moment; look for whoever holds locks on the workspace's schemas")
}
