//! What a server is told at its start.

use model::{Clock, Entropy};
use protocol::limits;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Everything the server is told instead of looking it up.
#[derive(Clone)]
pub struct ServerOptions {
    /// File with the user's token; made, mode 0600, when it is not there. Its folder becomes mode 0700.
    pub token_file: PathBuf,
    /// Where to put the Unix socket; none: TCP only.
    pub socket: Option<PathBuf>,
    pub port: Port,
    pub version: &'static str,
    pub workspace: String,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub bounds: Bounds,
}

/// Which port of 127.0.0.1 to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// Whatever the system gives.
    Any,
    /// This one or none.
    Fixed(u16),
    /// This one when it is free, else any. A restarted daemon asks for its last one, so that an open page finds it again.
    Preferred(u16),
}

/// The bounds of `protocol::limits` that a test wants smaller.
#[derive(Debug, Clone)]
pub struct Bounds {
    pub connections: usize,
    pub head_timeout: Duration,
    pub body_timeout: Duration,
    pub uploads: usize,
    pub guesses_burst: u32,
    pub requests_burst: u32,
    pub watchers: usize,
    pub ws_write_deadline: Duration,
    pub ws_subscribe_timeout: Duration,
    pub ws_ping_every: Duration,
    pub ws_silence_max: Duration,
    /// Bytes the kernel may hold for one client that does not read.
    pub send_buffer: usize,
    pub drain: Duration,
    /// How often the token file is looked at while somebody let in by it stays; half of `limits::REVOCATION` at most.
    pub token_poll: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: limits::CONNECTIONS_MAX,
            head_timeout: limits::HEAD_TIMEOUT,
            body_timeout: limits::BODY_TIMEOUT,
            uploads: limits::UPLOADS_MAX,
            guesses_burst: limits::GUESSES_BURST,
            requests_burst: limits::REQUESTS_BURST,
            watchers: limits::WS_CLIENTS_MAX,
            ws_write_deadline: limits::WS_WRITE_DEADLINE,
            ws_subscribe_timeout: limits::WS_SUBSCRIBE_TIMEOUT,
            ws_ping_every: limits::WS_PING_EVERY,
            ws_silence_max: limits::WS_SILENCE_MAX,
            send_buffer: 256 * 1024,
            drain: limits::DRAIN,
            token_poll: limits::REVOCATION / 2,
        }
    }
}

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("port {port} of 127.0.0.1 is taken; choose another in config.json (server.port) or 0 for any")]
    PortTaken { port: u16 },
    #[error("cannot listen on 127.0.0.1: {0}")]
    Tcp(std::io::Error),
    #[error("cannot listen at {}: {error}", path.display())]
    Socket { path: PathBuf, error: std::io::Error },
    #[error("the token at {} cannot be used: {reason}", path.display())]
    Token { path: PathBuf, reason: String },
    /// A fault of ours that no daemon should be started with.
    #[error("routes and operations do not match: {}", .0.join(", "))]
    Routes(Vec<String>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_taken_away_is_noticed_in_time() {
        assert!(Bounds::default().token_poll * 2 <= limits::REVOCATION);
    }
}
