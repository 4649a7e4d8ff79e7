//! Records: what is asked to be written, and what was written.

use model::{Actor, Cursor, Event, SessionId, Timestamp};

/// Longest idempotency key, in characters.
pub const KEY_MAX: usize = 128;
/// Longest request hash, in bytes.
pub const REQUEST_HASH_MAX: usize = 128;
/// Largest payload of one event, in bytes of JSON.
pub const PAYLOAD_MAX: usize = 32 * 1024 * 1024;

/// A place in the journal: the number of a record, and the hash that stands for it and all before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Position {
    pub cursor: Cursor,
    pub hash: [u8; 32],
}

impl Position {
    /// Before the first record.
    pub const START: Self = Self { cursor: Cursor::START, hash: [0; 32] };
}

/// An event somebody wants committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub event: Event,
    pub actor: Actor,
    pub key: Option<IdempotencyKey>,
    /// When it happened, of what happened elsewhere and is only brought here now.
    pub past: Option<Timestamp>,
}

/// Names a request so that its repetition is recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// 1 to [`KEY_MAX`] characters, chosen by the caller.
    pub key: String,
    /// Hash of the request's content: the same key with another hash is a conflict.
    pub request_hash: String,
}

/// A committed event with what the journal added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub position: Position,
    /// When it happened.
    pub ts: Timestamp,
    /// When it was brought here, of what happened elsewhere before.
    pub imported: Option<Timestamp>,
    pub session: Option<SessionId>,
    pub actor: Actor,
    pub key: Option<IdempotencyKey>,
    pub event: Event,
    /// Version of the payload shape it was written with.
    pub version: u16,
    /// How many records of the same write follow; 0 for the last one.
    pub more: u32,
}
