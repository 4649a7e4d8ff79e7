//! The WebSocket: one task per client, a bounded outbox between it and the socket.
//!
//! Invariant: events reach a client in order and without a gap, or the client is cut and knows its
//! cursor. Nothing is ever dropped from the middle of a stream, and no client holds more memory than its outbox.

mod incoming;
mod outbox;
mod watcher;
mod writer;

use crate::app::{App, Counted};
use crate::failure::Failure;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::response::Response;
use futures_util::StreamExt;
use outbox::Outbox;
use protocol::limits;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Bytes read from a client at once. It has little to say.
const READ_BUFFER: usize = 8 * 1024;
/// Bytes gathered before they are written.
const WRITE_BUFFER: usize = 16 * 1024;

/// Takes a request that came through the gate over to the WebSocket.
pub(crate) fn accept(app: Arc<App>, upgrade: WebSocketUpgrade) -> Result<Response, Failure> {
    let full = || Failure::too_many("too_many_watchers", "too many WebSockets are open", 5);
    if app.figures.watchers.load(Ordering::Acquire) as usize >= app.options.bounds.watchers {
        return Err(full());
    }
    let tasks = app.tasks.clone();
    Ok(upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(limits::WS_WRITE_MAX)
        .max_message_size(limits::WS_MESSAGE_MAX)
        .max_frame_size(limits::WS_MESSAGE_MAX)
        .on_upgrade(move |socket| tasks.track_future(serve(app, socket))))
}

async fn serve(app: Arc<App>, socket: WebSocket) {
    // Counted again here: between the look and the upgrade others may have come.
    let Some(_counted) = Counted::below(&app.figures.watchers, app.options.bounds.watchers) else { return };
    let (sink, stream) = socket.split();
    let outbox = Outbox::new(limits::WS_QUEUE_MESSAGES, limits::WS_QUEUE_BYTES);
    let writing = writer::write(&outbox, sink, app.options.bounds.ws_write_deadline);
    let watching = watcher::watch(&app, &outbox, stream);
    // Each ends the other: the watcher by closing the outbox, the writer by cutting it.
    let outcome = tokio::select! {
        (outcome, ()) = async { tokio::join!(writing, watching) } => outcome,
        () = app.closing.cancelled() => writer::Outcome::Ended,
    };
    if outcome == writer::Outcome::Slow {
        app.figures.slow_watchers_cut.fetch_add(1, Ordering::Relaxed);
        let lost = outbox.discarded();
        app.engine.count_dropped(lost);
        tracing::warn!(lost, "a WebSocket client did not read and was cut; it can resume from its cursor");
    }
}
