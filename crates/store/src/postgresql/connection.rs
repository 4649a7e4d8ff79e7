//! One connection: its settings, the statements it has prepared, and a transaction that begins with its first statement.

use super::dialect;
use super::place::Place;
use super::value::Param;
use crate::StoreError;
use crate::statement::Statement;
use postgresql::{Address, Client};
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
/// Writes that are sent together at most.
const TOGETHER_MAX: usize = 256;
/// No statement of a commit or a read takes so long.
const STATEMENT_MS: u32 = 10_000;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Write,
    Read,
    /// Folding, copying, comparing: however long it takes.
    Long,
}

/// Not for two threads at once.
pub(crate) struct Connection {
    client: RefCell<Client>,
    /// By their text, which is as long-lived as the program.
    prepared: RefCell<HashMap<&'static str, tokio_postgres::Statement>>,
    /// Goes in front of the next statement, in the same round trip.
    begin: Cell<Option<&'static str>>,
    in_transaction: Cell<bool>,
    /// Writes that wait for each other, while they do.
    together: RefCell<Option<Vec<Write>>>,
}

/// A statement that returns nothing, with its values.
type Write = (tokio_postgres::Statement, Vec<Param<'static>>);

impl Connection {
    /// The rows in the given schema, and the truth behind them.
    pub(crate) fn open(place: &Place, rows: &str, purpose: Use) -> Result<Self, StoreError> {
        let (address, silence, statement): (&Address, u32, u32) = match purpose {
            Use::Write => (&place.address, SILENT_IN_CHANGE_MS, STATEMENT_MS),
            Use::Read => (&place.address, SILENT_IN_READING_MS, STATEMENT_MS),
            Use::Long => (&place.patient, 0, 0),
        };
        let mut client = Client::connect(address)?;
        // No name of a schema holds what would end the quotes.
        client.batch_execute(&format!(
            "SET search_path TO \"{rows}\", \"{}\", pg_catalog;
             SET idle_in_transaction_session_timeout = {silence};
             SET statement_timeout = {statement};
             SET client_min_messages = error;
             SET jit = off;
             SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
            place.truth
        ))?;
        let connection = Self {
            client: RefCell::new(client),
            prepared: RefCell::default(),
            begin: Cell::new(None),
            in_transaction: Cell::new(false),
            together: RefCell::new(None),
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

    /// Lets a transaction begin with the next statement.
    pub(crate) fn begin(&self, sql: &'static str) {
        self.begin.set(Some(sql));
    }

    /// Ends a reader's transaction without waiting for it; true when the connection can be used again.
    pub(crate) fn leave(&self) -> bool {
        self.begin.set(None);
        if !self.in_transaction.replace(false) {
            return true;
        }
        let mut client = self.client.borrow_mut();
        client.send("ROLLBACK").is_ok() && !client.is_closed()
    }

    /// Statements about transactions and schemas, several of them separated by `;`.
    pub(crate) fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.started()?;
        Ok(self.client.borrow_mut().batch_execute(sql)?)
    }

    /// Sends the writes of this work together, and waits for all of their answers at once: a server's time goes into the
    /// ways there and back. What the work asks meanwhile it is answered after what it has written before.
    pub(crate) fn together(&self, work: impl FnOnce() -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.together.replace(Some(Vec::new()));
        let done = work().and_then(|()| self.send_writes());
        self.together.replace(None);
        done
    }

    fn send_writes(&self) -> Result<(), StoreError> {
        let writes = self.together.borrow_mut().as_mut().map(std::mem::take).unwrap_or_default();
        if writes.is_empty() {
            return Ok(());
        }
        if let Some(begin) = self.begin.take() {
            self.in_transaction.set(true);
            self.client.borrow_mut().batch_execute(begin)?;
        }
        let refs: Vec<_> = writes.iter().map(|(statement, params)| (statement, sent(params))).collect();
        Ok(self.client.borrow_mut().execute_all(&refs)?)
    }

    pub(crate) fn run(&self, statement: &Statement, values: &[&dyn ToSql]) -> Result<(), StoreError> {
        if self.together.borrow().is_none() {
            return self.touched(statement, values).map(drop);
        }
        let prepared = self.prepare(statement)?;
        let owned = |value: &&dyn ToSql| {
            Ok(Param(ToSqlOutput::Owned(Value::try_from(Param(value.to_sql()?).value())?)))
        };
        let params = values.iter().map(owned).collect::<Result<_, rusqlite::Error>>()?;
        let waiting = {
            let mut together = self.together.borrow_mut();
            let writes = together.get_or_insert_default();
            writes.push((prepared, params));
            writes.len()
        };
        if waiting < TOGETHER_MAX { Ok(()) } else { self.send_writes() }
    }

    pub(crate) fn touched(&self, statement: &Statement, values: &[&dyn ToSql]) -> Result<usize, StoreError> {
        self.started()?;
        let prepared = self.prepare(statement)?;
        let touched = with_params(values, |params| self.client.borrow_mut().execute(&prepared, params))?;
        Ok(usize::try_from(touched).unwrap_or(usize::MAX))
    }

    pub(crate) fn rows(&self, statement: &Statement, values: &[&dyn ToSql]) -> Result<Vec<Row>, StoreError> {
        let prepared = self.prepare(statement)?;
        self.send_writes()?;
        with_params(values, |params| {
            let mut client = self.client.borrow_mut();
            match self.begin.take() {
                Some(begin) => {
                    self.in_transaction.set(true);
                    client.query_behind(begin, &prepared, params)
                }
                None => client.query(&prepared, params),
            }
        })
    }

    fn started(&self) -> Result<(), StoreError> {
        self.send_writes()?;
        if let Some(begin) = self.begin.take() {
            self.in_transaction.set(true);
            self.client.borrow_mut().batch_execute(begin)?;
        }
        Ok(())
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
        self.started()?;
        let prepared = self.kept(sql, str::to_owned)?;
        Ok(self.client.borrow_mut().query(&prepared, params)?)
    }

    /// Begins a transaction with such a statement, both in one round trip.
    pub(crate) fn begin_with(
        &self,
        begin: &str,
        sql: &'static str,
        params: &[&(dyn Sent + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        let prepared = self.kept(sql, str::to_owned)?;
        Ok(self.client.borrow_mut().query_behind(begin, &prepared, params)?)
    }

    /// Such a statement that returns nothing; says how many rows it touched.
    pub(crate) fn tell(&self, sql: &'static str, params: &[&(dyn Sent + Sync)]) -> Result<u64, StoreError> {
        self.started()?;
        let prepared = self.kept(sql, str::to_owned)?;
        Ok(self.client.borrow_mut().execute(&prepared, params)?)
    }

    /// A text made for the occasion; not kept.
    pub(crate) fn once(&self, sql: &str) -> Result<Vec<Row>, StoreError> {
        self.started()?;
        Ok(self.client.borrow_mut().query(sql, &[])?)
    }

    pub(crate) fn one(&self, sql: &'static str, params: &[&(dyn Sent + Sync)]) -> Result<Row, StoreError> {
        let missing = || StoreError::Server { why: "an answer has no row".to_owned() };
        self.ask(sql, params)?.into_iter().next().ok_or_else(missing)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.client.borrow().is_closed()
    }
}

fn with_params<T>(
    values: &[&dyn ToSql],
    run: impl FnOnce(&[&(dyn Sent + Sync)]) -> Result<T, postgresql::Trouble>,
) -> Result<T, StoreError> {
    let params: Vec<Param<'_>> =
        values.iter().map(|value| Ok(Param(value.to_sql()?))).collect::<Result<_, rusqlite::Error>>()?;
    Ok(run(&sent(&params))?)
}

fn sent<'p>(params: &'p [Param<'_>]) -> Vec<&'p (dyn Sent + Sync)> {
    params.iter().map(|param| param as &(dyn Sent + Sync)).collect()
}
