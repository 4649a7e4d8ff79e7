//! From the outbox to the socket. A client that takes nothing for the length of the deadline is cut.

use super::outbox::{Next, Outbox};
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::SinkExt;
use futures_util::stream::SplitSink;
use protocol::ws::Close;
use std::time::Duration;

/// What a client that is cut gets to take its close frame: a fifth of the write deadline.
const CLOSE_SHARE: u32 = 5;

/// How the connection ended, as far as writing to it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// We said good-bye, or the client was gone.
    Ended,
    /// The client did not read.
    Slow,
}

pub(crate) async fn write(
    outbox: &Outbox,
    mut sink: SplitSink<WebSocket, Message>,
    deadline: Duration,
) -> Outcome {
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
                return Outcome::Ended;
            }
            Err(_) => {
                outbox.cut(Close::SlowReader);
                return close(sink, Close::SlowReader, deadline).await;
            }
        }
    }
}

async fn close(mut sink: SplitSink<WebSocket, Message>, why: Close, deadline: Duration) -> Outcome {
    let frame = CloseFrame { code: why.code(), reason: why.reason().into() };
    // It may not be read; then the connection is dropped without a word.
    let _ = tokio::time::timeout(deadline / CLOSE_SHARE, sink.send(Message::Close(Some(frame)))).await;
    if why == Close::SlowReader { Outcome::Slow } else { Outcome::Ended }
}
