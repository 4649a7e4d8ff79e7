//! Every bound of the HTTP face in one table. The server enforces each, a test shows each, and
//! clients read them here. Bounds of what a prompt, a lock or a notice may be are the engine's.

use std::time::Duration;

/// Longest request body, in bytes.
pub const BODY_MAX: usize = 1024 * 1024;
/// Bytes of an artifact, the one body that is no JSON.
pub const ARTIFACT_MAX: usize = model::ARTIFACT_BYTES_MAX;
/// An artifact that takes longer than this is refused.
pub const ARTIFACT_TIMEOUT: Duration = Duration::from_secs(120);
/// Artifacts that are taken in at once; each may be in memory whole.
pub const UPLOADS_MAX: usize = 8;
/// Longest request head (request line and headers together), in bytes.
pub const HEAD_MAX: usize = 32 * 1024;
/// Headers in one request.
pub const HEADERS_MAX: usize = 64;
/// Longest request target, in bytes.
pub const TARGET_MAX: usize = 4 * 1024;
/// A request head that takes longer than this ends its connection; so does a connection idle for as long.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A request body that takes longer than this is refused.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections open at once. At the limit the oldest one that never proved a credential makes room.
pub const CONNECTIONS_MAX: usize = 256;
/// Requests one credential may make a second, on average.
pub const REQUESTS_PER_SECOND: u32 = 1_000;
/// Requests one credential may make at once before the average counts.
pub const REQUESTS_BURST: u32 = 2_000;
/// Wrong credentials the server looks at before it answers 429; shared by everybody, because on
/// loopback everybody has one address. A right credential is never delayed.
pub const GUESSES_BURST: u32 = 20;
/// Wrong credentials looked at a second after that.
pub const GUESSES_PER_SECOND: u32 = 1;
/// Longest idempotency key, in characters.
pub const IDEMPOTENCY_KEY_MAX: usize = 128;
/// Longest correlation id taken over from a client, in characters.
pub const CORRELATION_MAX: usize = 64;

/// Items of a list when the request does not say.
pub const PAGE_DEFAULT: usize = 50;
/// Items of a list at most.
pub const PAGE_MAX: usize = 200;
/// Events of one read at most.
pub const EVENTS_MAX: usize = 1_000;

/// Seconds a launch code can be turned into a cookie.
pub const LAUNCH_TTL: Duration = Duration::from_secs(60);
/// Launch codes that may wait at once; a further one replaces the oldest.
pub const LAUNCH_MAX: usize = 16;
/// How long a cookie is good.
pub const COOKIE_TTL: Duration = Duration::from_secs(30 * 24 * 3600);
/// A credential taken away is refused everywhere, open sockets too, within this.
pub const REVOCATION: Duration = Duration::from_secs(1);

/// WebSocket connections open at once.
pub const WS_CLIENTS_MAX: usize = 64;
/// Longest message and frame a client may send, in bytes.
pub const WS_MESSAGE_MAX: usize = 1024 * 1024;
/// Messages waiting for one client.
pub const WS_QUEUE_MESSAGES: usize = 1_000;
/// Bytes waiting for one client. A single message larger than this still goes through an empty queue.
pub const WS_QUEUE_BYTES: usize = 1024 * 1024;
/// Bytes the WebSocket layer may hold of one message being written.
pub const WS_WRITE_MAX: usize = 8 * 1024 * 1024;
/// A client that takes nothing for this long, with messages waiting, is cut.
pub const WS_WRITE_DEADLINE: Duration = Duration::from_secs(10);
/// A client that does not subscribe within this is cut.
pub const WS_SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the server pings.
pub const WS_PING_EVERY: Duration = Duration::from_secs(20);
/// A client not heard of for this long is cut.
pub const WS_SILENCE_MAX: Duration = Duration::from_secs(60);
/// Messages (pings too) a client may send a second, on average.
pub const WS_INCOMING_PER_SECOND: u32 = 20;
/// Messages a client may send at once before the average counts.
pub const WS_INCOMING_BURST: u32 = 100;

/// What is in flight at shutdown may take this long.
pub const DRAIN: Duration = Duration::from_secs(10);
