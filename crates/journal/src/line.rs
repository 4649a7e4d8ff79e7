//! The line a record is on disk: header, salt, payload, hash.
//!
//! `{"h":{…},"s":"salt","p":payload,"x":"hash"}` or `"blob":"hash"` in place of `p`. The header holds
//! `c = BLAKE3(salt ‖ payload)` and the hash of the record before; `x = BLAKE3(prev ‖ header)`. So the
//! chain stands when payload and salt are erased. **A line that parses is the line that was written:**
//! there is one spelling, and every byte of it is under a hash.

use crate::{Draft, IdempotencyKey, JournalError, Position, Record, hex};
use model::{Actor, Cursor, EVENT_VERSION, Event, SessionId, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::io::Write;

/// Longest line in bytes. The writer keeps far below: payloads over [`INLINE_MAX`] are always blobs.
pub(crate) const LINE_MAX: usize = 1024 * 1024;
/// Largest payload a line can hold, whatever the options say.
pub(crate) const INLINE_MAX: usize = 512 * 1024;
/// Bytes of salt per record.
pub(crate) const SALT_LEN: usize = 16;

/// What the journal adds to a draft.
pub(crate) struct Stamp<'a> {
    pub(crate) cursor: Cursor,
    pub(crate) ts: &'a str,
    /// When it was written, of what happened before that.
    pub(crate) imported: Option<&'a str>,
    pub(crate) more: u32,
    pub(crate) prev: [u8; 32],
    pub(crate) salt: [u8; SALT_LEN],
}

/// Appends the record's line to `out` and returns the record's hash.
pub(crate) fn encode(
    out: &mut Vec<u8>,
    draft: &Draft,
    stamp: &Stamp<'_>,
    payload: &str,
    blob: Option<[u8; 32]>,
) -> std::io::Result<[u8; 32]> {
    out.extend_from_slice(b"{\"h\":");
    let start = out.len();
    encode_header(out, draft, stamp, &commitment(&stamp.salt, payload.as_bytes()))?;
    let hash = chain(&stamp.prev, &out[start..]);
    out.extend_from_slice(b",\"s\":\"");
    hex::push(out, &stamp.salt);
    match blob {
        None => {
            out.extend_from_slice(b"\",\"p\":");
            out.extend_from_slice(payload.as_bytes());
        }
        Some(blob) => {
            out.extend_from_slice(b"\",\"blob\":\"");
            hex::push(out, &blob);
            out.push(b'"');
        }
    }
    out.extend_from_slice(b",\"x\":\"");
    hex::push(out, &hash);
    out.extend_from_slice(b"\"}\n");
    Ok(hash)
}

fn encode_header(
    out: &mut Vec<u8>,
    draft: &Draft,
    stamp: &Stamp<'_>,
    commitment: &[u8; 32],
) -> std::io::Result<()> {
    // `epoch` and `seq` come first so that a search can read them from the head of a line.
    write!(out, "{{\"epoch\":{},\"seq\":{},\"ts\":\"{}\"", stamp.cursor.epoch, stamp.cursor.seq, stamp.ts)?;
    if let Some(session) = draft.event.session() {
        write!(out, ",\"session\":\"{session}\"")?;
    }
    write!(out, ",\"kind\":\"{}\",\"v\":{EVENT_VERSION},\"actor\":\"{}\"", draft.event.kind(), draft.actor)?;
    if let Some(key) = &draft.key {
        out.extend_from_slice(b",\"key\":");
        serde_json::to_writer(&mut *out, &key.key)?;
        out.extend_from_slice(b",\"request\":");
        serde_json::to_writer(&mut *out, &key.request_hash)?;
    }
    // Accounting outlives a redacted payload.
    if let Event::ModelAnswered(answer) = &draft.event {
        out.extend_from_slice(b",\"usage\":");
        serde_json::to_writer(&mut *out, &answer.usage)?;
    }
    if let Some(imported) = stamp.imported {
        write!(out, ",\"imported\":\"{imported}\"")?;
    }
    if stamp.more > 0 {
        write!(out, ",\"more\":{}", stamp.more)?;
    }
    out.extend_from_slice(b",\"c\":\"");
    hex::push(out, commitment);
    out.extend_from_slice(b"\",\"prev\":\"");
    hex::push(out, &stamp.prev);
    out.extend_from_slice(b"\"}");
    Ok(())
}

fn commitment(salt: &[u8; SALT_LEN], payload: &[u8]) -> [u8; 32] {
    *blake3::Hasher::new().update(salt).update(payload).finalize().as_bytes()
}

fn chain(prev: &[u8; 32], header: &[u8]) -> [u8; 32] {
    *blake3::Hasher::new().update(prev).update(header).finalize().as_bytes()
}

/// What is wrong with a line or the payload behind it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("the line is malformed ({0})")]
    Malformed(Cow<'static, str>),
    #[error("the header does not match its hash")]
    Hash,
    #[error("the payload does not match its commitment")]
    Commitment,
    #[error("the blob {hash} {what}")]
    Blob { hash: String, what: Cow<'static, str> },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    #[serde(borrow)]
    h: &'a RawValue,
    s: &'a str,
    #[serde(borrow, default)]
    p: Option<&'a RawValue>,
    #[serde(default)]
    blob: Option<&'a str>,
    x: &'a str,
}

/// Unknown fields pass: they are under the hash, and a later version may add some.
#[derive(Deserialize)]
struct Header<'a> {
    epoch: u64,
    seq: u64,
    ts: Timestamp,
    imported: Option<Timestamp>,
    session: Option<SessionId>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    v: u16,
    actor: Actor,
    key: Option<String>,
    request: Option<String>,
    #[serde(default)]
    more: u32,
    c: &'a str,
    prev: &'a str,
}

/// Where a record's payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payload<'a> {
    Inline(&'a str),
    Blob([u8; 32]),
}

/// A parsed line whose header matches its hash. The payload is checked when it is read.
pub(crate) struct Line<'a> {
    header: Header<'a>,
    commitment: [u8; 32],
    salt: [u8; SALT_LEN],
    pub(crate) payload: Payload<'a>,
    pub(crate) prev: [u8; 32],
    pub(crate) position: Position,
}

impl<'a> Line<'a> {
    /// Reads a line without its newline.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Fault> {
        let malformed = |error: serde_json::Error| Fault::Malformed(error.to_string().into());
        let spelling = |what: &'static str| Fault::Malformed(what.into());
        let envelope: Envelope<'a> = serde_json::from_slice(bytes).map_err(malformed)?;
        let (payload, payload_len) = match (envelope.p, envelope.blob) {
            (Some(payload), None) => (Payload::Inline(payload.get()), payload.get().len()),
            (None, Some(hash)) => {
                let hash = hex::decode(hash).ok_or_else(|| spelling("bad blob hash"))?;
                // `"blob":"…"` is longer than `"p":` by five characters, and its value is 66 long.
                (Payload::Blob(hash), 66 + "lob".len())
            }
            _ => return Err(spelling("no payload")),
        };
        let salt = hex::decode(envelope.s).ok_or_else(|| spelling("bad salt"))?;
        let hash = hex::decode(envelope.x).ok_or_else(|| spelling("bad hash"))?;
        let frame = "{\"h\":,\"s\":\"\",\"p\":,\"x\":\"\"}".len();
        if frame + envelope.h.get().len() + 2 * SALT_LEN + payload_len + 64 != bytes.len() {
            return Err(spelling("stray bytes"));
        }
        let header: Header<'a> = serde_json::from_str(envelope.h.get()).map_err(malformed)?;
        let prev = hex::decode(header.prev).ok_or_else(|| spelling("bad previous hash"))?;
        let commitment = hex::decode(header.c).ok_or_else(|| spelling("bad commitment"))?;
        if chain(&prev, envelope.h.get().as_bytes()) != hash {
            return Err(Fault::Hash);
        }
        let position = Position { cursor: Cursor { epoch: header.epoch, seq: header.seq }, hash };
        Ok(Self { header, commitment, salt, payload, prev, position })
    }

    pub(crate) fn seq(&self) -> u64 {
        self.header.seq
    }

    /// The hash of the payload, when the line only names it.
    pub(crate) fn blob(&self) -> Option<[u8; 32]> {
        match self.payload {
            Payload::Inline(_) => None,
            Payload::Blob(hash) => Some(hash),
        }
    }

    pub(crate) fn session(&self) -> Option<SessionId> {
        self.header.session
    }

    pub(crate) fn more(&self) -> u32 {
        self.header.more
    }

    /// Checks payload bytes against what the header committed to.
    pub(crate) fn check(&self, payload: &[u8]) -> Result<(), Fault> {
        if commitment(&self.salt, payload) == self.commitment { Ok(()) } else { Err(Fault::Commitment) }
    }

    /// Decodes a payload that was checked.
    pub(crate) fn event(&self, payload: &str) -> Result<Event, JournalError> {
        // Version 1 is the first: there is no older shape to lift to this one.
        if self.header.v != EVENT_VERSION {
            return Err(JournalError::TooNew {
                what: format!("record {} ({})", self.header.seq, self.header.kind),
                found: self.header.v.into(),
                known: EVENT_VERSION.into(),
            });
        }
        Event::parse(&self.header.kind, payload)
            .map_err(|source| JournalError::Decode { seq: self.header.seq, source })
    }

    pub(crate) fn into_record(self, event: Event) -> Record {
        let Header { ts, imported, session, actor, key, request, v, more, .. } = self.header;
        let key = key.map(|key| IdempotencyKey { key, request_hash: request.unwrap_or_default() });
        Record { position: self.position, ts, imported, session, actor, key, event, version: v, more }
    }
}

/// The number of the record whose line starts here, without reading the line. For searching only.
pub(crate) fn peek_seq(head: &[u8]) -> Option<u64> {
    let after = |bytes: &mut &[u8], prefix: &[u8]| {
        *bytes = bytes.strip_prefix(prefix)?;
        let digits = bytes.iter().take_while(|c| c.is_ascii_digit()).count();
        let (number, rest) = bytes.split_at(digits);
        *bytes = rest;
        std::str::from_utf8(number).ok()?.parse::<u64>().ok()
    };
    let mut head = head;
    after(&mut head, b"{\"h\":{\"epoch\":")?;
    after(&mut head, b",\"seq\":")
}
