//! The lines of an archive.

use journal::Record;
use model::{Actor, Block, Event, Refusal, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Bytes of a blob in one line.
pub(super) const BLOB_PIECE: usize = 256 * 1024;

/// The first line: what the archive is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) format: String,
    pub(super) version: u32,
    pub(super) workspace: String,
    /// The session that was asked for.
    pub(super) session: SessionId,
    pub(super) title: String,
    pub(super) family: bool,
    /// All whose events follow.
    pub(super) sessions: Vec<SessionId>,
    pub(super) exported_at: Timestamp,
    /// The last event of the journal the archive could know of, as `epoch.seq`.
    pub(super) through: String,
}

/// A part of something the events name by its hash. It comes before the event.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct BlobPiece<'a> {
    /// BLAKE3 of the whole, in hex.
    pub(super) hash: Cow<'a, str>,
    /// Bytes of the whole.
    pub(super) bytes: u64,
    /// Where the piece begins.
    pub(super) at: u64,
    /// In hex.
    pub(super) data: Cow<'a, str>,
}

/// A committed fact.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EventLine<'a> {
    /// Its place in the journal it was exported from, as `epoch.seq`.
    pub(super) cursor: Cow<'a, str>,
    pub(super) ts: Timestamp,
    pub(super) session: Option<SessionId>,
    pub(super) actor: Actor,
    pub(super) v: u16,
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) payload: Cow<'a, RawValue>,
}

/// The last line. Its `x` is the archive's signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct End {
    /// Lines before this one.
    pub(super) lines: u64,
    pub(super) events: u64,
    pub(super) blobs: u64,
    /// As in the manifest.
    pub(super) through: String,
    /// The hash of that event's record in the journal, which stands for all before it.
    pub(super) journal: String,
}

/// A line as it is written.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Written<'a> {
    Manifest(&'a Manifest),
    Blob(BlobPiece<'a>),
    Event(EventLine<'a>),
    End(&'a End),
}

/// What kind of line it is.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Sort {
    Manifest,
    Blob,
    Event,
    End,
}

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "type")]
    sort: Sort,
}

/// What kind of line it is, of one whose hash is good.
pub(super) fn sort(line: &[u8]) -> Result<Sort, serde_json::Error> {
    Ok(serde_json::from_slice::<Head>(line)?.sort)
}

impl EventLine<'_> {
    pub(super) fn of(record: &Record) -> Result<Self, Refusal> {
        let payload = record.event.payload().map_err(Refusal::internal)?;
        Ok(Self {
            cursor: record.position.cursor.to_string().into(),
            ts: record.ts,
            session: record.session,
            actor: record.actor.clone(),
            v: record.version,
            kind: record.event.kind().into(),
            payload: Cow::Owned(RawValue::from_string(payload).map_err(Refusal::internal)?),
        })
    }
}

/// Hashes, in hex, of what an event names and the blob store holds.
pub(super) fn named_blobs(event: &Event) -> Vec<&str> {
    match event {
        Event::MessageAppended(message) => message
            .blocks
            .iter()
            .filter_map(|block| match block {
                Block::Image { hash, .. } => Some(hash.as_str()),
                _ => None,
            })
            .collect(),
        Event::ArtifactCreated(artifact) => vec![artifact.hash.as_str()],
        _ => Vec::new(),
    }
}

/// The bytes of a hash in hex.
pub(super) fn hash_of(hex: &str) -> Option<[u8; 32]> {
    blake3::Hash::from_hex(hex).ok().map(|hash| *hash.as_bytes())
}

pub(super) fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

pub(super) fn from_hex(hex: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_in_hex_and_read_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(from_hex(&to_hex(&bytes)), Some(bytes));
        assert_eq!(to_hex(&[0, 15, 160]), "000fa0");
        for bad in ["0", "0g", "ä"] {
            assert_eq!(from_hex(bad), None, "{bad}");
        }
    }
}
