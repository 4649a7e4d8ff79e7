//! The client of a server, each of whose answers is waited for so long and no longer.
//!
//! The server may stop without closing anything: its kernel goes on taking bytes, so no limit of TCP ends the wait. A
//! client that was kept waiting is of no more use, since nobody knows what of its stream would come next.

use super::address::Address;
use super::fault;
use super::tls::Tls;
use crate::error::BusError;
use std::future::{Future, poll_fn};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Row, SimpleQueryMessage, Statement};

/// How long a server has for the whole of a connection: name, TCP, TLS, login and the first settings.
pub(crate) const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Why a call came to nothing.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The server or the connection said so.
    Told(tokio_postgres::Error),
    /// No answer came for so long.
    Silent(Duration),
    /// A call before this one got no answer.
    Over,
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Told(error)
    }
}

impl From<Trouble> for BusError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Told(error) => error.into(),
            Trouble::Silent(waited) => fault::silent(waited),
            Trouble::Over => fault::closed(),
        }
    }
}

pub(crate) struct Client {
    inner: tokio_postgres::Client,
    /// Rings of this connection's channel.
    heard: UnboundedReceiver<()>,
    patience: Duration,
    over: bool,
    /// Last, so that what runs on it goes first.
    turn: Turn,
}

/// A runtime that runs only while a call is under way. It is let go of without waiting: a name that is still being
/// looked up keeps nobody.
struct Turn(Option<Runtime>);

impl Turn {
    fn run<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.0.as_ref().map(|runtime| runtime.block_on(work))
    }

    /// What goes on beside each call.
    fn beside(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.0 {
            drop(runtime.spawn(work));
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Client {
    pub(crate) fn connect(address: &Address) -> Result<Self, BusError> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(BusError::io("starting the connection to PostgreSQL"))?;
        let (tls, patience) = (Tls::of(address)?, address.patience);
        // An address may name several hosts, of which the first is down.
        let hosts = u32::try_from(address.config.get_hosts().len()).unwrap_or(1).max(1);
        let within = CONNECT_WITHIN.min(patience) * hosts;
        let turn = Turn(Some(runtime));
        let connected = turn.run(async { timeout(within, address.config.connect(tls)).await });
        let connected = connected.ok_or_else(fault::closed)?;
        let (inner, mut connection) = connected.map_err(|_| fault::silent(within))??;
        let (ring, heard) = unbounded_channel();
        let driving = async move {
            // Ends with the connection, or with the runtime.
            while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
                if let AsyncMessage::Notification(_) = message {
                    // Who listens no more is about to drop the client.
                    let _ = ring.send(());
                }
            }
        };
        turn.beside(driving);
        Ok(Self { inner, heard, patience, over: false, turn })
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.over || self.inner.is_closed()
    }

    fn call<T>(
        &mut self,
        work: impl AsyncFnOnce(&tokio_postgres::Client) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, Trouble> {
        if self.over {
            return Err(Trouble::Over);
        }
        let (inner, patience) = (&self.inner, self.patience);
        match self.turn.run(async { timeout(patience, work(inner)).await }) {
            Some(Ok(done)) => Ok(done?),
            Some(Err(_)) => {
                self.over = true;
                Err(Trouble::Silent(patience))
            }
            None => Err(Trouble::Over),
        }
    }

    pub(crate) fn batch_execute(&mut self, sql: &str) -> Result<(), Trouble> {
        self.call(async |client| client.batch_execute(sql).await)
    }

    pub(crate) fn simple_query(&mut self, sql: &str) -> Result<Vec<SimpleQueryMessage>, Trouble> {
        self.call(async |client| client.simple_query(sql).await)
    }

    pub(crate) fn prepare(&mut self, sql: &str) -> Result<Statement, Trouble> {
        self.call(async |client| client.prepare(sql).await)
    }

    pub(crate) fn query(
        &mut self,
        statement: &Statement,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Trouble> {
        self.call(async |client| client.query(statement, params).await)
    }

    pub(crate) fn execute(
        &mut self,
        statement: &Statement,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Trouble> {
        self.call(async |client| client.execute(statement, params).await)
    }

    /// Whether it rang within this time; one answer stands for all that rang together.
    pub(crate) fn hear(&mut self, most: Duration) -> Result<bool, Trouble> {
        let heard = &mut self.heard;
        match self.turn.run(async { timeout(most, heard.recv()).await }) {
            Some(Ok(Some(()))) => {
                while self.heard.try_recv().is_ok() {}
                Ok(true)
            }
            Some(Err(_)) => Ok(false),
            Some(Ok(None)) | None => Err(Trouble::Over),
        }
    }
}
