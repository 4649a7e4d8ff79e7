//! The connection with an agent: its program's lines on one side, the protocol's crate in between, and what was heard on the other.
//!
//! The crate keeps the numbers of requests and answers; we keep the program, so that its environment is clean and its lines are
//! bounded. It needs no executor of its own: it is one future, polled where we listen.
//!
//! Invariant: what is heard comes in the order in which the agent wrote it, an answer after all that was written before it.

use crate::driver::program::VendorProgram;
use crate::driver::{About, DriverError};
use agent_client_protocol::v1::{ConnectionTo, Dispatch, Responder};
use agent_client_protocol::{Agent, Client, Error, Lines, UntypedMessage, on_receive_dispatch};
use futures_util::stream::FuturesUnordered;
use futures_util::{Sink, Stream, StreamExt};
use serde_json::Value;
use serde_json::value::RawValue;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The agent wants a session to be there for somebody who has logged in.
pub(crate) const AUTH_REQUIRED: i32 = -32000;

type Answering = Pin<Box<dyn Future<Output = (u64, Result<Value, Fault>)>>>;

pub(crate) struct Link {
    about: &'static About,
    program: VendorProgram,
    /// Lines of the agent for the crate.
    lines: UnboundedSender<io::Result<String>>,
    /// Lines of the crate for the agent.
    written: UnboundedReceiver<String>,
    connection: Pin<Box<dyn Future<Output = Result<(), Error>>>>,
    heard: UnboundedReceiver<Heard>,
    agent: Option<ConnectionTo<Agent>>,
    agents: UnboundedReceiver<ConnectionTo<Agent>>,
    answers: FuturesUnordered<Answering>,
    last_id: u64,
}

pub(crate) enum Heard {
    /// A line as it was, and which update it is if it is one; what it means follows.
    Line {
        line: String,
        update: Option<String>,
    },
    Notice {
        method: String,
        params: Value,
    },
    /// The agent wants an answer.
    Asked {
        method: String,
        params: Value,
        answer: Answer,
    },
    /// The answer to a request of ours.
    Answered {
        id: u64,
        result: Result<Value, Fault>,
    },
}

/// What the agent waits for.
pub(crate) struct Answer(Box<Responder>);

/// An error the agent answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub code: i32,
    pub message: String,
}

impl Fault {
    fn of(error: &Error) -> Self {
        let details = error.data.as_ref().and_then(|data| data.get("details")?.as_str().map(str::to_owned));
        let message = match details {
            Some(details) => format!("{}: {}", error.message, details.lines().next().unwrap_or_default()),
            None => error.message.clone(),
        };
        Self { code: i32::from(error.code), message }
    }
}

impl Answer {
    pub(crate) fn give(self, result: Value) {
        // It fails when the agent is gone, which is noticed where it is listened to.
        let _ = self.0.respond(result);
    }

    pub(crate) fn refuse(self, code: i32, why: &str) {
        let _ = self.0.respond_with_error(Error::new(code, why));
    }
}

impl Link {
    pub(crate) fn new(about: &'static About, program: VendorProgram) -> Self {
        let (lines, read) = unbounded_channel();
        let (write, written) = unbounded_channel();
        let (hear, heard) = unbounded_channel();
        let (meet, agents) = unbounded_channel();
        let transport = Lines::new(Outgoing(write), Incoming(read));
        let connection = Client
            .v1()
            .on_receive_dispatch(
                async move |dispatch: Dispatch, _agent| {
                    let heard = match dispatch {
                        Dispatch::Response(result, router) => return router.route_with_result(result),
                        Dispatch::Notification(message) => {
                            let (method, params) = message.into_parts();
                            Heard::Notice { method, params }
                        }
                        Dispatch::Request(message, responder) => {
                            let (method, params) = message.into_parts();
                            Heard::Asked { method, params, answer: Answer(Box::new(responder)) }
                        }
                    };
                    let _ = hear.send(heard);
                    Ok(())
                },
                on_receive_dispatch!(),
            )
            .connect_with(transport, async move |agent: ConnectionTo<Agent>| {
                let _ = meet.send(agent);
                std::future::pending().await
            });
        Self {
            about,
            program,
            lines,
            written,
            connection: Box::pin(connection),
            heard,
            agent: None,
            agents,
            answers: FuturesUnordered::new(),
            last_id: 0,
        }
    }

    /// See [`VendorProgram::turn_begins`].
    pub(crate) fn turn_begins(&mut self) {
        self.program.turn_begins();
    }

    /// Sends a request; its answer comes by [`Link::next`].
    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Result<u64, DriverError> {
        self.last_id += 1;
        let id = self.last_id;
        let message = UntypedMessage::new(method, params).map_err(|error| self.broken(&error))?;
        let asked = self.agent().await?.send_request(message);
        self.answers.push(Box::pin(async move {
            let result = asked.block_task().await;
            (id, result.map_err(|error| Fault::of(&error)))
        }));
        Ok(id)
    }

    pub(crate) async fn tell(&mut self, method: &str, params: Value) -> Result<(), DriverError> {
        let message = UntypedMessage::new(method, params).map_err(|error| self.broken(&error))?;
        let sent = self.agent().await?.send_notification(message);
        sent.map_err(|error| self.broken(&error))
    }

    /// Who is at the other end; known as soon as the connection has been polled once.
    async fn agent(&mut self) -> Result<ConnectionTo<Agent>, DriverError> {
        if self.agent.is_none() {
            self.agent = tokio::select! {
                agent = self.agents.recv() => agent,
                _ = &mut self.connection => None,
            };
        }
        let about = self.about;
        let gone = || DriverError::Garbage { about, what: "the connection could not be made".to_owned() };
        self.agent.clone().ok_or_else(gone)
    }

    fn broken(&self, error: &Error) -> DriverError {
        DriverError::Garbage { about: self.about, what: error.message.clone() }
    }

    /// What is heard next. Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Result<Heard, DriverError> {
        loop {
            tokio::select! {
                biased;
                Some(heard) = self.heard.recv() => return Ok(heard),
                Some((id, result)) = self.answers.next() => return Ok(Heard::Answered { id, result }),
                over = &mut self.connection => {
                    let what = over.err().map_or_else(|| "it ended the connection".to_owned(), |error| error.message);
                    return Err(DriverError::Garbage { about: self.about, what });
                }
                Some(line) = self.written.recv() => {
                    let line = RawValue::from_string(line).map_err(|error| self.program.nonsense(&error.to_string()))?;
                    self.program.send(&line)?;
                }
                read = self.program.next() => {
                    let (line, value) = read?;
                    let update = value.pointer("/params/update/sessionUpdate").and_then(Value::as_str).map(str::to_owned);
                    let _ = self.lines.send(Ok(line.clone()));
                    return Ok(Heard::Line { line, update });
                }
            }
        }
    }

    /// Waits for one answer, and gives what else was heard meanwhile to `aside`.
    pub(crate) async fn answer(
        &mut self,
        wanted: u64,
        patience: Duration,
        aside: &mut Vec<Heard>,
    ) -> Result<Result<Value, Fault>, DriverError> {
        let silent = DriverError::Silent { about: self.about, seconds: patience.as_secs() };
        let listening = async {
            loop {
                match self.next().await? {
                    Heard::Answered { id, result } if id == wanted => return Ok(result),
                    other => aside.push(other),
                }
            }
        };
        tokio::time::timeout(patience, listening).await.unwrap_or(Err(silent))
    }

    pub(crate) async fn stop(self) {
        self.program.stop().await;
    }
}

/// Where the crate reads.
struct Incoming(UnboundedReceiver<io::Result<String>>);

impl Stream for Incoming {
    type Item = io::Result<String>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

/// Where the crate writes. It never waits: what is queued is bounded where it goes to the program.
struct Outgoing(UnboundedSender<String>);

impl Sink<String> for Outgoing {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, line: String) -> io::Result<()> {
        self.0.send(line).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
