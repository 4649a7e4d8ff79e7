//! One connection: how it is set up, and the statements it has prepared.

use super::BACKEND;
use super::address::Address;
use super::fault;
use crate::error::BusError;
use crate::notice::Durability;
use crate::pool::Lent;
use postgresql::{Client, Trouble};
use std::collections::HashMap;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

/// The oldest server whose functions the schema uses.
const VERSION_MIN: i64 = 13;
/// A client that goes silent in the middle of a change gives up its turn after this long.
const SILENT_IN_CHANGE_MS: u32 = 5_000;
/// No statement of ours takes so long.
const STATEMENT_MS: u32 = 10_000;

pub(crate) type Param<'a> = &'a (dyn ToSql + Sync);

pub(crate) struct Connection {
    pub(crate) client: Client,
    statements: HashMap<String, Statement>,
    /// In the middle of a transaction.
    pub(crate) busy: bool,
    /// Which server and which of its histories it leads to, once that is known.
    pub(crate) home: String,
}

impl Lent for Connection {
    fn is_reusable(&self) -> bool {
        !self.busy && !self.client.is_closed()
    }
}

impl Connection {
    pub(crate) fn open(address: &Address) -> Result<Self, BusError> {
        let mut client = Client::connect(&address.server)?;
        // The schema's name holds nothing that would end the quotes.
        client.batch_execute(&format!(
            "SET search_path TO \"{}\", pg_catalog;
             SET idle_in_transaction_session_timeout = {SILENT_IN_CHANGE_MS};
             SET statement_timeout = {STATEMENT_MS};
             SET client_min_messages = error;
             SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
            address.schema
        ))?;
        let mut connection = Self { client, statements: HashMap::new(), busy: false, home: String::new() };
        connection.check_server()?;
        Ok(connection)
    }

    fn check_server(&mut self) -> Result<(), BusError> {
        let row = self.one(
            "SELECT current_setting('server_version_num')::bigint / 10000, current_setting('server_encoding')",
            &[],
        )?;
        let (version, encoding): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
        let refused = |detail: String| Err(BusError::Refused { backend: BACKEND, detail });
        if version < VERSION_MIN {
            return refused(format!("the server is version {version}; {VERSION_MIN} or newer is needed"));
        }
        if encoding != "UTF8" {
            return refused(format!("the database is in {encoding}; make one in UTF8"));
        }
        Ok(())
    }

    /// What survives once a commit was answered.
    pub(crate) fn durability(&mut self) -> Result<Durability, BusError> {
        let row = self.one("SELECT current_setting('fsync')", &[])?;
        let fsync: String = row.try_get(0)?;
        Ok(if fsync == "on" { Durability::Power } else { Durability::Process })
    }

    fn prepared(&mut self, sql: &str) -> Result<Statement, BusError> {
        if let Some(known) = self.statements.get(sql) {
            return Ok(known.clone());
        }
        let statement = self.client.prepare(sql).map_err(explained)?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    pub(crate) fn rows(&mut self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, BusError> {
        let statement = self.prepared(sql)?;
        self.client.query(&statement, params).map_err(explained)
    }

    pub(crate) fn row(&mut self, sql: &str, params: &[Param<'_>]) -> Result<Option<Row>, BusError> {
        Ok(self.rows(sql, params)?.into_iter().next())
    }

    /// The row there always is.
    pub(crate) fn one(&mut self, sql: &str, params: &[Param<'_>]) -> Result<Row, BusError> {
        let missing = || BusError::Malformed { what: "an answer", detail: "it has no row".to_owned() };
        self.row(sql, params)?.ok_or_else(missing)
    }

    pub(crate) fn run(&mut self, sql: &str, params: &[Param<'_>]) -> Result<u64, BusError> {
        let statement = self.prepared(sql)?;
        self.client.execute(&statement, params).map_err(explained)
    }
}

fn explained(trouble: Trouble) -> BusError {
    if let Trouble::Told(error) = &trouble
        && fault::is_gone(error)
    {
        let detail = "the schema of the bus is gone; open it again".to_owned();
        return BusError::Refused { backend: BACKEND, detail };
    }
    trouble.into()
}
