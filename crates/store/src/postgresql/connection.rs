//! One connection: its settings, the statements it has prepared, what waits to be sent with the next question, and reads
//! that need no transaction.
//!
//! A server's time goes into the ways there and back, so what answers nothing waits for what does. Invariant: things are done
//! in the order in which they were said, and nothing is asked before all that was said before is done.

use super::acquire::{Claim, FENCE, check};
use super::dialect;
use super::place::Place;
use super::value::Param;
use crate::statement::{Database, Statement};
use crate::{StoreError, watermark};
use journal::Position;
use postgresql::{Address, Client, Failed, Gate, Step};
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, Value};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql as Sent;

/// The oldest server the product is tested with.
const VERSION_MIN: i64 = 15;
/// A writer that goes silent in the middle of a transaction gives it up after this long.
pub(crate) const SILENT_IN_CHANGE_MS: u32 = 5_000;
/// A reader may think between two of its questions.
const SILENT_IN_READING_MS: u32 = 60_000;
/// Writes that wait for each other at most.
pub(crate) const TOGETHER_MAX: usize = 256;
/// No statement of a commit or a read takes so long.
const STATEMENT_MS: u32 = 10_000;
/// Sent only when the look at the owner has answered: from then on its lock is held, so that whoever asks what became of a
/// transaction waits for its end.
pub(crate) const COMMIT: &str = "COMMIT";
/// A reader's transaction. What it sees is fixed by its first question.
pub(crate) const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Write,
    Read,
    /// Only reads, and a view looks through it.
    View,
    /// Folding, copying, comparing: however long it takes.
    Long,
}

/// Not for two threads at once.
pub(crate) struct Connection {
    client: RefCell<Client>,
    /// By their text, which is as long-lived as the program.
    prepared: RefCell<HashMap<&'static str, tokio_postgres::Statement>>,
    /// Goes in front of the next question, in the same round trip.
    waiting: RefCell<Vec<Waiting>>,
    /// Writes wait for each other.
    gathering: Cell<bool>,
    in_transaction: Cell<bool>,
    /// Round trips so far that took something along that had waited.
    exchanges: Cell<u64>,
    /// The look found another owner.
    lost: Cell<bool>,
    /// The server did not answer once.
    away: Cell<bool>,
    loose: Cell<Loose>,
}

/// What was said and is not sent yet.
enum Waiting {
    Say(&'static str),
    /// A statement that answers nothing, with its values.
    Write(tokio_postgres::Statement, Vec<Param<'static>>),
    /// The same about the truth.
    Tell(tokio_postgres::Statement, Vec<Told>),
    /// The look at the owner, who must be this one.
    Fence(tokio_postgres::Statement, Claim),
}

/// A value on its way to the truth.
pub(crate) type Told = Box<dyn Sent + Send + Sync>;

impl Waiting {
    fn step(&self) -> Step<'_> {
        match self {
            Self::Say(sql) => Step::Say(sql),
            Self::Write(statement, params) => Step::Do(statement, sent(params)),
            Self::Tell(statement, params) => {
                Step::Do(statement, params.iter().map(|param| &**param as &(dyn Sent + Sync)).collect())
            }
            Self::Fence(statement, _) => Step::Ask(statement, Vec::new()),
        }
    }
}

/// What became of it when several things that had waited were sent together.
#[derive(Debug)]
pub(crate) struct Unsent {
    /// Which of them failed, counted from 0.
    pub(crate) step: usize,
    pub(crate) error: StoreError,
}

impl From<Unsent> for StoreError {
    fn from(unsent: Unsent) -> Self {
        unsent.error
    }
}

/// How a read goes for which no transaction was begun.
#[derive(Clone, Copy)]
enum Loose {
    /// There is a transaction, or none is wanted.
    No,
    /// Nothing was asked yet; the rows are of this position or of a later one.
    Unasked(Position),
    /// One question was asked, which is a snapshot by itself.
    Asked(Position),
    /// Something was committed between two questions.
    Torn,
}

/// A place in what was said to the server.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    waiting: usize,
    exchanges: u64,
}

type Question<'q> = (&'q tokio_postgres::Statement, &'q [&'q (dyn Sent + Sync)]);

impl Connection {
    /// The rows in the given schema, and the truth behind them.
    pub(crate) fn open(place: &Place, rows: &str, purpose: Use) -> Result<Self, StoreError> {
        let (address, silence, statement): (&Address, u32, u32) = match purpose {
            Use::Write => (&place.address, SILENT_IN_CHANGE_MS, STATEMENT_MS),
            Use::Read | Use::View => (&place.address, SILENT_IN_READING_MS, STATEMENT_MS),
            Use::Long => (&place.patient, 0, 0),
        };
        let read_only = if purpose == Use::View { "on" } else { "off" };
        let mut client = Client::connect(address)?;
        // No name of a schema holds what would end the quotes.
        client.batch_execute(&format!(
            "SET search_path TO \"{rows}\", \"{}\", pg_catalog;
             SET idle_in_transaction_session_timeout = {silence};
             SET statement_timeout = {statement};
             SET client_min_messages = error;
             SET jit = off;
             SET default_transaction_read_only = {read_only};
             SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
            place.truth
        ))?;
        let connection = Self {
            client: RefCell::new(client),
            prepared: RefCell::default(),
            waiting: RefCell::default(),
            gathering: Cell::new(false),
            in_transaction: Cell::new(false),
            exchanges: Cell::new(0),
            lost: Cell::new(false),
            away: Cell::new(false),
            loose: Cell::new(Loose::No),
        };
        connection.check_server()?;
        Ok(connection)
    }

    fn check_server(&self) -> Result<(), StoreError> {
        let row = self.one(
            "SELECT current_setting('server_version_num')::bigint / 10000, current_setting('server_encoding')",
            &[],
        )?;
        let (version, encoding): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
        if version < VERSION_MIN {
            let why = format!("the server is version {version}; {VERSION_MIN} or newer is needed");
            return Err(StoreError::Server { why });
        }
        if encoding != "UTF8" {
            return Err(StoreError::Server {
                why: format!("the database is in {encoding}; make one in UTF8"),
            });
        }
        Ok(())
    }

    /// Lets a transaction begin with the next question.
    pub(crate) fn begin(&self, sql: &'static str) {
        self.loose.set(Loose::No);
        self.say(sql);
    }

    /// Lets a reader ask without a transaction: one statement is a snapshot by itself, and most reads are one. A second one
    /// begins a transaction, and the read is torn unless that still sees the position of before the first.
    pub(crate) fn begin_loosely(&self, newest: Position) {
        self.loose.set(Loose::Unasked(newest));
    }

    /// True when a loose read's questions were answered from different states.
    pub(crate) fn is_torn(&self) -> bool {
        matches!(self.loose.get(), Loose::Torn)
    }

    /// Begins a writer's transaction with the look at the owner. From now on what answers nothing waits; what is asked is
    /// answered after it.
    pub(crate) fn begin_fenced(&self, claim: &Claim) -> Result<(), StoreError> {
        self.waiting.borrow_mut().clear();
        self.lost.set(false);
        self.in_transaction.set(false);
        self.gathering.set(true);
        let look = self.kept(FENCE, str::to_owned)?;
        self.say("BEGIN");
        self.waiting.borrow_mut().push(Waiting::Fence(look, claim.clone()));
        Ok(())
    }

    /// True when the look found another owner: whatever the error was told as, nothing can be written any more.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.get()
    }

    /// Says something that answers nothing with the next question.
    pub(crate) fn say(&self, sql: &'static str) {
        self.waiting.borrow_mut().push(Waiting::Say(sql));
    }

    /// Writes something to the truth with the next question.
    pub(crate) fn tell_later(&self, sql: &'static str, params: Vec<Told>) -> Result<(), StoreError> {
        let prepared = self.kept(sql, str::to_owned)?;
        self.waiting.borrow_mut().push(Waiting::Tell(prepared, params));
        Ok(())
    }

    /// How much waits.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.borrow().len()
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark { waiting: self.waiting(), exchanges: self.exchanges.get() }
    }

    /// Takes back what was said since a savepoint was, first of all, said at the mark.
    pub(crate) fn take_back(&self, mark: Mark, to_savepoint: &'static str) {
        if self.exchanges.get() == mark.exchanges {
            return self.waiting.borrow_mut().truncate(mark.waiting);
        }
        self.waiting.borrow_mut().clear();
        self.say(to_savepoint);
    }

    /// Sends what waits, and waits for all of it to be done.
    pub(crate) fn flush(&self) -> Result<(), Unsent> {
        if self.waiting() == 0 { Ok(()) } else { self.exchange(None).map(drop) }
    }

    /// The transaction was committed.
    pub(crate) fn committed(&self) {
        self.gathering.set(false);
        self.in_transaction.set(false);
    }

    /// Takes everything back that was said since the transaction began.
    pub(crate) fn roll_back(&self) -> Result<(), StoreError> {
        self.waiting.borrow_mut().clear();
        self.gathering.set(false);
        if self.in_transaction.replace(false) { self.batch("ROLLBACK") } else { Ok(()) }
    }

    /// Ends a reader's transaction without waiting for it; true when the connection can be used again.
    pub(crate) fn leave(&self) -> bool {
        self.waiting.borrow_mut().clear();
        self.loose.set(Loose::No);
        let mut client = self.client.borrow_mut();
        if self.in_transaction.replace(false) && client.send("ROLLBACK").is_err() {
            return false;
        }
        !self.away.get() && !client.is_closed()
    }

    /// Statements about transactions and schemas, several of them separated by `;`.
    pub(crate) fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.flush()?;
        Ok(self.client.borrow_mut().batch_execute(sql)?)
    }

    /// Sends the writes of this work together, and waits for all of their answers at once.
    pub(crate) fn together(&self, work: impl FnOnce() -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.gathering.set(true);
        let done = work().and_then(|()| Ok(self.flush()?));
        self.gathering.set(false);
        done
    }

    /// Sends what waits and the question behind it: one way there and one back, and once more for a COMMIT
    /// that waits for the fence among them.
    fn exchange(&self, question: Option<Question<'_>>) -> Result<Vec<Row>, Unsent> {
        let waiting = self.waiting.take();
        let mut client = self.client.borrow_mut();
        if let (true, Some((statement, params))) = (waiting.is_empty(), question) {
            let answer = client.query(statement, params);
            return answer.map_err(|trouble| self.failed(Failed { step: 0, trouble }));
        }
        let mut steps: Vec<Step<'_>> = waiting.iter().map(Waiting::step).collect();
        steps.extend(question.map(|(statement, params)| Step::Ask(statement, params.to_vec())));
        self.exchanges.set(self.exchanges.get() + 1);
        if waiting.iter().any(|said| matches!(said, Waiting::Say(sql) if sql.starts_with("BEGIN"))) {
            self.in_transaction.set(true);
        }
        let fence = waiting.iter().enumerate().find_map(|(step, said)| match said {
            Waiting::Fence(_, claim) => Some((step, claim)),
            _ => None,
        });
        let opens = |rows: &[Row]| fence.is_none_or(|(_, claim)| check(rows, claim).is_ok());
        let commits = matches!(waiting.last(), Some(Waiting::Say(COMMIT)));
        let gate = fence.filter(|_| commits).map(|(step, _)| Gate { step, opens: &opens });
        let mut answers = client.take(&steps, gate).map_err(|failed| self.failed(failed))?;
        if let Some((step, claim)) = fence {
            check(answers.get(step).map_or(&[], Vec::as_slice), claim).map_err(|error| {
                self.lost.set(true);
                Unsent { step, error }
            })?;
        }
        Ok(question.and_then(|_| answers.pop()).unwrap_or_default())
    }

    fn failed(&self, Failed { step, trouble }: Failed) -> Unsent {
        self.away.set(self.away.get() || trouble.is_away());
        Unsent { step, error: trouble.into() }
    }

    pub(crate) fn run(&self, statement: &Statement, values: &[&dyn ToSql]) -> Result<(), StoreError> {
        if !self.gathering.get() {
            return self.touched(statement, values).map(drop);
        }
        if self.waiting() >= TOGETHER_MAX {
            self.flush()?;
        }
        let prepared = self.prepare(statement)?;
        let owned = |value: &&dyn ToSql| {
            Ok(Param(ToSqlOutput::Owned(Value::try_from(Param(value.to_sql()?).value())?)))
        };
        let params = values.iter().map(owned).collect::<Result<_, rusqlite::Error>>()?;
        self.waiting.borrow_mut().push(Waiting::Write(prepared, params));
        Ok(())
    }

    pub(crate) fn touched(&self, statement: &Statement, values: &[&dyn ToSql]) -> Result<usize, StoreError> {
        let prepared = self.prepare(statement)?;
        self.flush()?;
        let touched =
            with_params(values, |params| Ok(self.client.borrow_mut().execute(&prepared, params)?))?;
        Ok(usize::try_from(touched).unwrap_or(usize::MAX))
    }

    pub(crate) fn rows(&self, statement: &Statement, values: &[&dyn ToSql]) -> Result<Vec<Row>, StoreError> {
        let prepared = self.prepare(statement)?;
        with_params(values, |params| match self.loose.get() {
            Loose::No => Ok(self.exchange(Some((&prepared, params)))?),
            Loose::Unasked(newest) => {
                self.loose.set(Loose::Asked(newest));
                Ok(self.exchange(Some((&prepared, params)))?)
            }
            Loose::Asked(newest) => self.look_again(newest, (&prepared, params)),
            Loose::Torn => Err(StoreError::Torn),
        })
    }

    /// The second question of a loose read, in a transaction that goes on from here. Whoever commits moves the watermark; the
    /// first answer was of `newest` or of something later, and when this transaction sees `newest` nothing later was there.
    fn look_again(&self, newest: Position, question: Question<'_>) -> Result<Vec<Row>, StoreError> {
        let reached = self.prepare(watermark::statement(Database::Sessions))?;
        let steps = [
            Step::Say(SNAPSHOT),
            Step::Ask(&reached, Vec::new()),
            Step::Ask(question.0, question.1.to_vec()),
        ];
        self.in_transaction.set(true);
        let answers = self.client.borrow_mut().take(&steps, None).map_err(|failed| self.failed(failed))?;
        let [_, reached, rows] = <[Vec<Row>; 3]>::try_from(answers).unwrap_or_default();
        if watermark::of_answer(&reached)? != newest {
            self.loose.set(Loose::Torn);
            return Err(StoreError::Torn);
        }
        self.loose.set(Loose::No);
        Ok(rows)
    }

    fn prepare(&self, statement: &Statement) -> Result<tokio_postgres::Statement, StoreError> {
        let sql = statement.postgresql.unwrap_or(statement.sql);
        self.kept(sql, dialect::statement)
    }

    fn kept(
        &self,
        sql: &'static str,
        translated: impl FnOnce(&str) -> String,
    ) -> Result<tokio_postgres::Statement, StoreError> {
        if let Some(known) = self.prepared.borrow().get(sql) {
            return Ok(known.clone());
        }
        let prepared = self.client.borrow_mut().prepare(&translated(sql))?;
        self.prepared.borrow_mut().insert(sql, prepared.clone());
        Ok(prepared)
    }

    /// A statement about the truth, written for PostgreSQL alone; prepared once.
    pub(crate) fn ask(
        &self,
        sql: &'static str,
        params: &[&(dyn Sent + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        let prepared = self.kept(sql, str::to_owned)?;
        Ok(self.exchange(Some((&prepared, params)))?)
    }

    /// Begins a transaction with such a statement, both in one round trip.
    pub(crate) fn begin_with(
        &self,
        begin: &'static str,
        sql: &'static str,
        params: &[&(dyn Sent + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        self.say(begin);
        self.ask(sql, params)
    }

    /// Such a statement that returns nothing; says how many rows it touched.
    pub(crate) fn tell(&self, sql: &'static str, params: &[&(dyn Sent + Sync)]) -> Result<u64, StoreError> {
        let prepared = self.kept(sql, str::to_owned)?;
        self.flush()?;
        Ok(self.client.borrow_mut().execute(&prepared, params)?)
    }

    /// A text made for the occasion; not kept.
    pub(crate) fn once(&self, sql: &str) -> Result<Vec<Row>, StoreError> {
        self.flush()?;
        Ok(self.client.borrow_mut().query(sql, &[])?)
    }

    pub(crate) fn one(&self, sql: &'static str, params: &[&(dyn Sent + Sync)]) -> Result<Row, StoreError> {
        let missing = || StoreError::Server { why: "an answer has no row".to_owned() };
        self.ask(sql, params)?.into_iter().next().ok_or_else(missing)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.client.borrow().is_closed()
    }

    /// [`Connection::is_closed`], also when the server hung up since the last call.
    pub(crate) fn has_hung_up(&self) -> bool {
        self.client.borrow_mut().has_hung_up()
    }
}

fn with_params<T>(
    values: &[&dyn ToSql],
    run: impl FnOnce(&[&(dyn Sent + Sync)]) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let params: Vec<Param<'_>> =
        values.iter().map(|value| Ok(Param(value.to_sql()?))).collect::<Result<_, rusqlite::Error>>()?;
    run(&sent(&params))
}

fn sent<'p>(params: &'p [Param<'_>]) -> Vec<&'p (dyn Sent + Sync)> {
    params.iter().map(|param| param as &(dyn Sent + Sync)).collect()
}
