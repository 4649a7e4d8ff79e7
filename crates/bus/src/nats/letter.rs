//! Messages of the stream: each carries a batch, which is how a batch is published whole or not at all.
//!
//! A position is (number of the message) × [`PLACES`] + (place in it), so positions rise in the order in which the server
//! committed, and are not dense. A message never changes, so what was read once is kept, as far as it fits.

use super::reading::stamped;
use super::{Nats, locked};
use crate::error::BusError;
use crate::notice::{NOTICE_BATCH_MAX, NOTICE_TTL_MAX};
use crate::write::Moment;
use async_nats::jetstream::message::StreamMessage;
use model::{Notice, RegistrationId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Places for notices in one message.
pub(crate) const PLACES: i64 = 1024;
const _: () = assert!(NOTICE_BATCH_MAX as i64 <= PLACES);
/// Most bytes of messages kept in memory.
pub(crate) const KEPT_MAX: usize = 32 << 20;
/// Messages asked for at once by a reader.
const CHUNK: u64 = 64;

/// A notice as it travels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Letter {
    /// Its id is the position, filled in by who reads.
    pub(crate) notice: Notice,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// Who has to answer, as it was when it was sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) expects: Vec<RegistrationId>,
}

impl Letter {
    /// How often it is handed out; 0 when it asks for no answer.
    pub(crate) fn attempts(&self) -> u32 {
        self.notice.envelope.ack_attempts.unwrap_or(0)
    }

    /// How long each attempt lasts.
    pub(crate) fn ack_ns(&self) -> i64 {
        i64::from(self.notice.envelope.ack_seconds.unwrap_or(0)) * 1_000_000_000
    }
}

/// A message.
#[derive(Debug, PartialEq)]
pub(crate) struct Batch {
    /// When the server stored it, in ns since 1970.
    pub(crate) stamp: i64,
    pub(crate) letters: Vec<Letter>,
    /// Everything in it could be read.
    pub(crate) whole: bool,
}

/// What a message's body is.
#[derive(Serialize, Deserialize)]
pub(crate) struct Body {
    pub(crate) letters: Vec<Letter>,
}

/// The letters with their places, and whether those are all there are.
fn letters_in(payload: &[u8]) -> (Vec<(usize, Letter)>, bool) {
    #[derive(Deserialize)]
    struct Loose {
        letters: Vec<serde_json::Value>,
    }
    if let Ok(body) = serde_json::from_slice::<Body>(payload) {
        let whole = body.letters.len() as i64 <= PLACES;
        return (body.letters.into_iter().take(PLACES as usize).enumerate().collect(), whole);
    }
    let Ok(loose) = serde_json::from_slice::<Loose>(payload) else { return (Vec::new(), false) };
    let letters = loose.letters.into_iter().take(PLACES as usize).enumerate();
    (
        letters.filter_map(|(place, letter)| Some((place, serde_json::from_value(letter).ok()?))).collect(),
        false,
    )
}

impl Batch {
    /// What cannot be read, because another tool or a newer version wrote it, is passed over: it stops no reader.
    pub(crate) fn read(message: &StreamMessage) -> Self {
        let stamp = stamped(message);
        let (letters, whole) = letters_in(&message.payload);
        let letters = letters.into_iter().map(|(place, mut letter)| {
            letter.notice.id = position(message.sequence, place);
            letter
        });
        Self { stamp, letters: letters.collect(), whole }
    }

    /// All of it is over. What cannot be read may live as long as any notice.
    pub(crate) fn is_over(&self, now: Moment) -> bool {
        let longest = i64::from(NOTICE_TTL_MAX) * 1_000_000_000;
        let unread_lives = !self.whole && self.stamp.saturating_add(longest) > now.ns;
        !unread_lives && !self.letters.iter().any(|letter| self.lives(letter, now))
    }

    pub(crate) fn lives(&self, letter: &Letter, now: Moment) -> bool {
        self.over_ns(letter) > now.ns
    }

    pub(crate) fn over_ns(&self, letter: &Letter) -> i64 {
        self.stamp.saturating_add(i64::from(letter.notice.ttl_seconds) * 1_000_000_000)
    }
}

/// Messages by number; none is gone for good.
#[derive(Debug, Default)]
pub(crate) struct Letters {
    /// When the stream they belong to was made.
    made: i64,
    kept: BTreeMap<u64, (usize, Option<Arc<Batch>>)>,
    bytes: usize,
}

impl Letters {
    fn keep(&mut self, number: u64, bytes: usize, batch: Option<Arc<Batch>>) {
        // The oldest go first; a reader far behind does not push out what everybody reads.
        while self.bytes + bytes > KEPT_MAX {
            match self.kept.first_key_value() {
                Some((oldest, _)) if *oldest < number => {
                    self.bytes -= self.kept.pop_first().map_or(0, |(_, (bytes, _))| bytes);
                }
                _ => return,
            }
        }
        if let Some((before, _)) = self.kept.insert(number, (bytes, batch)) {
            self.bytes -= before;
        }
        self.bytes += bytes;
    }
}

pub(crate) fn position(number: u64, place: usize) -> i64 {
    signed(number).saturating_mul(PLACES).saturating_add(place as i64)
}

/// The number of the message a position is in.
pub(crate) fn number(position: i64) -> u64 {
    u64::try_from(position / PLACES).unwrap_or(0)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Nats {
    /// The messages under these numbers; none for one that is gone. `made` names the stream they are of.
    pub(super) fn batches(&self, made: i64, numbers: &[u64]) -> Result<Vec<Option<Arc<Batch>>>, BusError> {
        let mut found: BTreeMap<u64, Option<Arc<Batch>>> = BTreeMap::new();
        {
            let mut letters = locked(&self.letters);
            if letters.made != made {
                *letters = Letters { made, ..Letters::default() };
            }
            found.extend(
                numbers
                    .iter()
                    .filter_map(|number| letters.kept.get(number).map(|(_, batch)| (*number, batch.clone()))),
            );
        }
        let missing: Vec<u64> =
            numbers.iter().copied().filter(|number| !found.contains_key(number)).collect();
        if !missing.is_empty() {
            let fetched = self.link.fetch(&missing)?;
            let mut letters = locked(&self.letters);
            for (number, message) in missing.into_iter().zip(fetched) {
                let bytes = message.as_ref().map_or(0, |message| message.payload.len()) + 64;
                let batch = message.as_ref().map(|message| Arc::new(Batch::read(message)));
                if let Some(batch) = &batch {
                    self.saw(batch.stamp);
                }
                if letters.made == made {
                    letters.keep(number, bytes, batch.clone());
                }
                found.insert(number, batch);
            }
        }
        Ok(numbers.iter().map(|number| found.get(number).cloned().flatten()).collect())
    }

    /// Shows every message after a position to `look`, oldest first, until it has seen enough (false).
    pub(super) fn scan(
        &self,
        after: i64,
        mut look: impl FnMut(u64, &Batch) -> Result<bool, BusError>,
    ) -> Result<super::reading::Extent, BusError> {
        let extent = self.link.extent()?;
        let mut next = number(after).max(extent.first).max(1);
        while next <= extent.last {
            let end = extent.last.min(next + CHUNK - 1);
            let numbers: Vec<u64> = (next..=end).collect();
            for (number, batch) in numbers.iter().zip(self.batches(extent.made, &numbers)?) {
                if let Some(batch) = batch
                    && !look(*number, &batch)?
                {
                    return Ok(extent);
                }
            }
            next = end + 1;
        }
        Ok(extent)
    }

    /// The notice at a position and its message, alive or over; none when it is gone or never was.
    pub(super) fn letter(&self, position: i64) -> Result<Option<(Arc<Batch>, Letter)>, BusError> {
        if position < PLACES {
            return Ok(None);
        }
        let extent = self.link.extent()?;
        let number = number(position);
        if number < extent.first || number > extent.last {
            return Ok(None);
        }
        let batch = self.batches(extent.made, &[number])?.pop().flatten();
        Ok(batch.and_then(|batch| {
            let letter = batch.letters.iter().find(|letter| letter.notice.id == position)?.clone();
            Some((batch, letter))
        }))
    }

    pub(super) fn forget_letters(&self, numbers: &[u64]) {
        let mut letters = locked(&self.letters);
        for number in numbers {
            letters.keep(*number, 64, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_rise_with_the_message_and_the_place() {
        assert!(position(1, 0) > position(0, NOTICE_BATCH_MAX - 1));
        assert_eq!((number(position(7, 0)), number(position(7, 1023))), (7, 7));
        assert_eq!((number(0), number(-5)), (0, 0));
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_oldest_goes_first() {
        let mut letters = Letters::default();
        for number in 10..14 {
            letters.keep(number, KEPT_MAX / 3, None);
        }
        assert_eq!(letters.kept.keys().copied().collect::<Vec<_>>(), [11, 12, 13]);
        letters.keep(1, KEPT_MAX / 3, None);
        assert!(!letters.kept.contains_key(&1), "who reads far behind pushes nobody out");
        letters.keep(13, 1, None);
        assert_eq!(letters.bytes, KEPT_MAX / 3 * 2 + 1);
    }
}
