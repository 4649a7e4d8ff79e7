//! The WebSocket: one task per client, a bounded outbox between it and the socket.
//!
//! Invariant: events reach a client in order and without a gap, or the client is cut and knows its
//! cursor. Nothing is ever dropped from the middle of a stream, and no client holds more memory than its outbox.

mod incoming;
mod outbox;
mod upgrade;
mod watcher;
mod writer;

use crate::app::{App, Counted};
use crate::failure::Failure;
use crate::gate::Under;
use axum::extract::Request;
use axum::response::Response;
use futures_util::StreamExt;
use outbox::Outbox;
use protocol::{Token, limits};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use upgrade::Socket;
use writer::Outcome;

/// Takes a request that came through the gate over to the WebSocket.
pub(crate) fn accept(app: Arc<App>, request: Request) -> Result<Response, Failure> {
    if app.figures.watchers.load(Ordering::Acquire) as usize >= app.options.bounds.watchers {
        return Err(Failure::too_many("too_many_watchers", "too many WebSockets are open", 5));
    }
    let Under(token) = request.extensions().get::<Under>().cloned().ok_or_else(Failure::unauthorized)?;
    let (response, upgrading) = upgrade::handshake(request)?;
    let tasks = app.tasks.clone();
    tasks.spawn(async move {
        match upgrading.await {
            Ok(upgraded) => serve(app, upgrade::open(upgraded).await, &token).await,
            Err(error) => tracing::debug!(%error, "a WebSocket never came about"),
        }
    });
    Ok(response)
}

async fn serve(app: Arc<App>, socket: Socket, token: &Token) {
    // Counted here: between the look and the upgrade others may have come.
    let Some(counted) = Counted::below(&app.figures.watchers, app.options.bounds.watchers) else { return };
    // Whoever follows could answer what an agent asks.
    let _watching = app.engine.watching();
    let (mut sink, mut stream) = socket.split();
    let outbox = Outbox::new(limits::WS_QUEUE_MESSAGES, limits::WS_QUEUE_BYTES);
    let deadline = app.options.bounds.ws_write_deadline;
    // Each ends the other: the watcher by closing the outbox, the writer by cutting it.
    let outcome = tokio::select! {
        (outcome, ()) = async {
            tokio::join!(writer::write(&outbox, &mut sink, deadline), watcher::watch(&app, token, &outbox, &mut stream))
        } => outcome,
        () = app.closing.cancelled() => return,
    };
    drop(counted);
    match outcome {
        Outcome::Gone => {}
        Outcome::Slow => {
            app.figures.slow_watchers_cut.fetch_add(1, Ordering::Relaxed);
            let lost = outbox.discarded();
            app.engine.count_dropped(lost);
            tracing::warn!(
                lost,
                "a WebSocket client did not read and was cut; it can resume from its cursor"
            );
        }
        Outcome::Closed => tokio::select! {
            () = upgrade::linger(sink, stream, writer::close_patience(deadline)) => {}
            () = app.closing.cancelled() => {}
        },
    }
}
