//! From the outbox to the socket. A client that takes nothing for the length of the deadline is cut.

use super::outbox::{Next, Outbox};
use super::upgrade::Sink;
use futures_util::SinkExt;
use protocol::ws::Close;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

/// How the connection ended, as far as writing to it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// We said good-bye.
    Closed,
    /// The client did not read.
    Slow,
    /// The client was gone.
    Gone,
}

/// What a client that is shown out gets to take its close frame.
pub(crate) fn close_patience(deadline: Duration) -> Duration {
    deadline / 5
}

pub(crate) async fn write(outbox: &Outbox, sink: &mut Sink, deadline: Duration) -> Outcome {
    loop {
        let message = match outbox.next().await {
            Next::Message(text) => Message::text(text),
            Next::Ping => Message::Ping(Default::default()),
            Next::Close(why) => return close(sink, why, deadline).await,
        };
        match tokio::time::timeout(deadline, sink.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => {
                outbox.cut(Close::Protocol);
                return Outcome::Gone;
            }
            Err(_) => {
                outbox.cut(Close::SlowReader);
                return close(sink, Close::SlowReader, deadline).await;
            }
        }
    }
}

async fn close(sink: &mut Sink, why: Close, deadline: Duration) -> Outcome {
    let frame = CloseFrame { code: why.code().into(), reason: why.reason().into() };
    // It may not be read; then the connection is dropped without a word.
    let said = tokio::time::timeout(close_patience(deadline), sink.send(Message::Close(Some(frame)))).await;
    match said {
        _ if why == Close::SlowReader => Outcome::Slow,
        Ok(Ok(())) => Outcome::Closed,
        _ => Outcome::Gone,
    }
}
