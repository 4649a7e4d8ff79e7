//! The client of a server, each of whose answers is waited for so long and no longer.
//!
//! The server may stop without closing anything: its kernel goes on taking bytes, so no limit of TCP ends the wait. A
//! client that was kept waiting is of no more use, since nobody knows what of its stream would come next.

use crate::Trouble;
use crate::address::Address;
use crate::tls::Tls;
use std::cell::Cell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn, ready};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Row, SimpleQueryMessage, Statement, ToStatement};

/// How long a server has for the whole of a connection: name, TCP, TLS, login and the first settings.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// One of several things a server is told together.
pub enum Step<'a> {
    /// Statements as text that answer nothing, separated by `;`.
    Say(&'a str),
    /// A prepared statement whose answer is not wanted, and its values.
    Do(&'a Statement, Vec<&'a (dyn ToSql + Sync)>),
    /// A prepared statement whose rows are wanted, and its values.
    Ask(&'a Statement, Vec<&'a (dyn ToSql + Sync)>),
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Vec<Row>, tokio_postgres::Error>> + 'a>>;

impl Step<'_> {
    /// Sends it: that happens when its answer is first looked at.
    fn send<'a>(
        &'a self,
        client: &'a tokio_postgres::Client,
        context: &mut Context<'_>,
    ) -> Result<Answer<'a>, tokio_postgres::Error> {
        let mut answer: Answer<'a> = match self {
            Self::Say(sql) => Box::pin(async move { client.batch_execute(sql).await.map(|()| Vec::new()) }),
            Self::Do(statement, params) => {
                Box::pin(async move { client.execute(*statement, params).await.map(|_| Vec::new()) })
            }
            Self::Ask(statement, params) => Box::pin(client.query(*statement, params)),
        };
        match answer.as_mut().poll(context) {
            Poll::Pending => Ok(answer),
            Poll::Ready(rows) => Ok(Box::pin(ready(Ok(rows?)))),
        }
    }
}

/// What the last of several steps waits for.
#[derive(Clone, Copy)]
pub struct Gate<'a> {
    /// The step whose rows are looked at, counted from 0.
    pub step: usize,
    pub opens: &'a dyn Fn(&[Row]) -> bool,
}

/// Which of several steps failed, counted from 0, and why.
#[derive(Debug)]
pub struct Failed {
    pub step: usize,
    pub trouble: Trouble,
}

/// A connection. Its calls block, so they are not for a thread that drives tasks of an asynchronous runtime.
pub struct Client {
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
        // Whoever unwinds lets go without a word: where that is a task, to wait would be a second panic, and the process's end.
        if std::thread::panicking() {
            return None;
        }
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
    pub fn connect(address: &Address) -> Result<Self, Trouble> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (tls, patience) = (Tls::of(address)?, address.patience);
        // An address may name several hosts, of which the first is down.
        let hosts = u32::try_from(address.config.get_hosts().len()).unwrap_or(1).max(1);
        let within = CONNECT_WITHIN.min(patience) * hosts;
        let turn = Turn(Some(runtime));
        let connected = turn.run(async { timeout(within, address.config.connect(tls)).await });
        let connected = connected.ok_or(Trouble::Over)?;
        let (inner, mut connection) = connected.map_err(|_| Trouble::Silent(within))??;
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

    pub fn is_closed(&self) -> bool {
        self.over || self.inner.is_closed()
    }

    /// [`Client::is_closed`], once the connection was given the chance to notice that the server has hung up: it looks only
    /// while a call is under way.
    pub fn has_hung_up(&mut self) -> bool {
        // The first pause lets bytes come in, the second lets the connection read them.
        let noticed = self.turn.run(async {
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
        });
        noticed.is_none() || self.is_closed()
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

    pub fn batch_execute(&mut self, sql: &str) -> Result<(), Trouble> {
        self.call(async |client| client.batch_execute(sql).await)
    }

    pub fn simple_query(&mut self, sql: &str) -> Result<Vec<SimpleQueryMessage>, Trouble> {
        self.call(async |client| client.simple_query(sql).await)
    }

    pub fn prepare(&mut self, sql: &str) -> Result<Statement, Trouble> {
        self.call(async |client| client.prepare(sql).await)
    }

    /// A statement that was prepared, or its text.
    pub fn query<S: ?Sized + ToStatement>(
        &mut self,
        statement: &S,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Trouble> {
        self.call(async |client| client.query(statement, params).await)
    }

    /// The one row there is; none or more are an error.
    pub fn query_one<S: ?Sized + ToStatement>(
        &mut self,
        statement: &S,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, Trouble> {
        self.call(async |client| client.query_one(statement, params).await)
    }

    pub fn execute<S: ?Sized + ToStatement>(
        &mut self,
        statement: &S,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Trouble> {
        self.call(async |client| client.execute(statement, params).await)
    }

    /// Takes the steps in order: all of them are sent before the first answer is waited for, so that together they cost one
    /// way there and one back. The rows of each step; none of those that ask for none. The first that fails is the error: in
    /// a transaction those behind it do nothing, and one that cannot even be sent keeps those behind it from being sent.
    ///
    /// With a gate the last step is held back. It is sent when the gate opens, while the others may still be under way; when it
    /// does not, the answers end there.
    pub fn take(&mut self, steps: &[Step<'_>], gate: Option<Gate<'_>>) -> Result<Vec<Vec<Row>>, Failed> {
        let answered = Cell::new(0);
        let done = self.call(async |client| {
            let (mut sent, mut rows) =
                (VecDeque::with_capacity(steps.len()), Vec::with_capacity(steps.len()));
            let at_once = if gate.is_some() { steps.len().saturating_sub(1) } else { steps.len() };
            let mut to_send = 0..at_once;
            poll_fn(|context| {
                loop {
                    for at in to_send.by_ref() {
                        match steps[at].send(client, context) {
                            Ok(answer) => sent.push_back(answer),
                            Err(error) => {
                                answered.set(at);
                                return Poll::Ready(Err(error));
                            }
                        }
                    }
                    let Some(answer) = sent.front_mut() else { return Poll::Ready(Ok(())) };
                    match answer.as_mut().poll(context) {
                        Poll::Ready(answer) => rows.push(answer?),
                        Poll::Pending => return Poll::Pending,
                    }
                    sent.pop_front();
                    answered.set(rows.len());
                    if let Some(gate) = gate.filter(|gate| gate.step + 1 == rows.len()) {
                        if !rows.last().is_some_and(|rows| (gate.opens)(rows)) {
                            return Poll::Ready(Ok(()));
                        }
                        to_send = at_once..steps.len();
                    }
                }
            })
            .await?;
            Ok(rows)
        });
        done.map_err(|trouble| Failed { step: answered.get(), trouble })
    }

    /// Sends what answers nothing, and does not wait: whatever is asked next comes after it. What goes wrong with it
    /// goes wrong with the connection, and shows there.
    pub fn send(&mut self, sql: &str) -> Result<(), Trouble> {
        self.call(async |client| {
            let mut answer = Box::pin(client.batch_execute(sql));
            let first = poll_fn(|context| Poll::Ready(answer.as_mut().poll(context))).await;
            // Lets the connection write it.
            tokio::task::yield_now().await;
            match first {
                Poll::Ready(answered) => answered,
                Poll::Pending => Ok(()),
            }
        })
    }

    /// Whether it rang within this time; one answer stands for all that rang together.
    pub fn hear(&mut self, most: Duration) -> Result<bool, Trouble> {
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
