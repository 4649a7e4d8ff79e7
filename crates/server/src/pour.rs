//! Answers of any length: written on a thread that may wait, sent as they are written.
//!
//! Invariant: **what ends early ends as a broken answer**, never as a whole one; and nobody who does not read keeps a thread.

use crate::app::App;
use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use futures_util::stream;
use model::Refusal;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

/// Bytes sent together.
const PIECE: usize = 64 * 1024;
/// Pieces that wait to be read.
const WAITING_MAX: usize = 4;
/// How long a reader may keep all of them waiting.
const STALL_MAX: Duration = Duration::from_secs(60);

/// A file of JSON lines to be saved, written by `write` as it is read.
pub(crate) fn lines(
    app: &Arc<App>,
    name: &str,
    write: impl FnOnce(&mut BufWriter<Pipe>) -> Result<(), Refusal> + Send + 'static,
) -> Response {
    let (pieces, read) = mpsc::channel(WAITING_MAX);
    let (done, whole) = oneshot::channel::<()>();
    let pipe = Pipe { pieces, runtime: Handle::current(), app: Arc::clone(app) };
    app.tasks.spawn_blocking(move || {
        let mut out = BufWriter::with_capacity(PIECE, pipe);
        let written = write(&mut out).and_then(|()| out.flush().map_err(Refusal::internal));
        match written {
            Ok(()) => drop(done.send(())),
            Err(refusal) => {
                tracing::warn!(%refusal, "an answer was not written to its end");
                // What the buffer still holds must not make it look whole.
                drop(out.into_parts());
            }
        }
    });
    let body = Body::from_stream(stream::unfold((read, Some(whole)), async |(mut read, whole)| {
        if let Some(piece) = read.recv().await {
            return Some((piece, (read, whole)));
        }
        // Without its writer's word it was not written to its end.
        let broken = whole?.await.is_err();
        broken.then(|| (Err(io::Error::other("it was not written to its end")), (read, None)))
    }));
    saved(name, "application/jsonl", body)
}

/// A file to be saved and never shown: a browser opens nothing of it in the page's place.
pub(crate) fn saved(name: &str, kind: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    let named = |quoted: &str| HeaderValue::from_str(&format!("attachment; filename=\"{quoted}\""));
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect();
    let disposition = named(&plain).unwrap_or(HeaderValue::from_static("attachment"));
    for (header, value) in [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_DISPOSITION, disposition),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'")),
        (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    ] {
        response.headers_mut().insert(header, value);
    }
    response
}

/// Where an answer is written to.
pub(crate) struct Pipe {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    runtime: Handle,
    app: Arc<App>,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Bytes::copy_from_slice(&bytes[..bytes.len().min(PIECE)]);
        let length = piece.len();
        let sending = self.pieces.send_timeout(Ok(piece), STALL_MAX);
        let sent = self.runtime.block_on(async {
            tokio::select! {
                sent = sending => sent.map_err(|_| io::Error::other("nobody reads")),
                () = self.app.closing.cancelled() => Err(io::Error::other("the daemon is stopping")),
            }
        });
        sent.map(|()| length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
