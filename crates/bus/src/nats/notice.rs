//! Publishing. A batch is one message, so it is stored whole or not at all, and its sender knows when the server says so.
//!
//! A message with a key goes on a subject of its sender's own, and only if the subject's last message is the one the
//! sender last knew of; so of two who use one key at the same time one is told to look again, and finds the other's. A key
//! lives as long as its notice. `Nats-Msg-Id` names the call: a second try after a lost answer is not a second message.

use super::fault::Fault;
use super::letter::{Batch, Body, Letter, PLACES, position};
use super::reading::PIPELINE;
use super::registration::{Entry, present_in};
use super::{HEADERS_MAX, Nats, Pauses, locked, written};
use crate::error::BusError;
use crate::notice::{Durability, NewNotice, checked};
use model::{Notice, RegistrationId};
use std::collections::hash_map::Entry as Slot;
use std::collections::{HashMap, HashSet};

/// How often a message is sent when no answer comes.
const SENDS_MAX: u32 = 2;
/// Keys of one sender from which on those that are over are looked for.
const KEYS_SWEEP: usize = 4096;
/// Spans of the stream no wider than this are not cut further when a sender's messages are looked for.
const SPAN_MIN: u64 = 2;

/// The keys of one sender's living notices.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    /// When the stream was made.
    made: i64,
    /// The last message on the sender's subject for keys, when all up to it had been read.
    last: u64,
    /// So far it was looked for messages, but for what is unread.
    upto: u64,
    /// First and last numbers of what was not looked through yet: a try that was cut off is gone on with.
    unread: Vec<(u64, u64)>,
    /// Positions, with the time each is over.
    places: HashMap<String, (i64, i64)>,
}

impl Keys {
    fn sweep(&mut self, now: i64) {
        if self.places.len() > KEYS_SWEEP {
            self.places.retain(|_, (_, over)| *over > now);
        }
    }
}

/// What became of each notice of a batch.
enum Fate {
    /// It was published before, under the same key.
    Known(Box<Notice>),
    /// It is the one at this place of the message.
    New(usize),
}

impl Nats {
    pub(super) fn publish_all(&self, batch: &[NewNotice]) -> Result<Vec<Notice>, BusError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        checked(batch)?;
        if batch.iter().any(|new| new.durability == Durability::Power) {
            return Err(BusError::NotDurable { backend: "nats" });
        }
        let sender = batch[0].sender;
        if batch.iter().any(|new| new.key.is_some()) && batch.iter().any(|new| new.sender != sender) {
            return Err(BusError::Invalid(
                "on NATS a batch with keys is of one sender; send one batch for each".to_owned(),
            ));
        }
        let letters = self.letters_of(batch)?;
        if batch.iter().all(|new| new.key.is_none()) {
            let subject = self.link.names.subject(&sender.to_string(), false);
            let number = self.send(&subject, &letters)?;
            return Ok(placed(letters, number));
        }
        self.send_keyed(batch, letters)
    }

    /// The notices as they travel, after everybody in them has been looked up.
    fn letters_of(&self, batch: &[NewNotice]) -> Result<Vec<Letter>, BusError> {
        let mut people: Vec<RegistrationId> = batch
            .iter()
            .flat_map(|new| {
                [new.sender].into_iter().chain(new.recipient).chain(new.recipients.iter().copied())
            })
            .collect();
        people.sort_unstable();
        people.dedup();
        let known = self.known(&people)?;
        let to_everybody = |new: &NewNotice| new.recipient.is_none() && new.recipients.is_empty();
        let everybody = match batch.iter().any(|new| new.ack.is_some() && to_everybody(new)) {
            true => self.entries()?,
            false => Vec::new(),
        };
        let mut senders: HashMap<RegistrationId, Entry> = HashMap::new();
        let mut letters = Vec::with_capacity(batch.len());
        for new in batch {
            let sender = match senders.entry(new.sender) {
                Slot::Occupied(known) => known.into_mut(),
                Slot::Vacant(slot) => slot.insert(self.living_in(&known, new.sender)?),
            };
            for recipient in new.recipient.iter().chain(&new.recipients) {
                // Nobody would ever read it.
                present_in(&known, *recipient)?;
            }
            let now = self.now()?;
            let mut expects: Vec<RegistrationId> = Vec::new();
            if new.ack.is_some() {
                expects.extend(new.recipient.iter().chain(&new.recipients));
                expects.extend(
                    everybody
                        .iter()
                        .filter(|entry| to_everybody(new) && entry.id() != new.sender)
                        .filter(|entry| entry.death(now.early()).is_none() && entry.hears(&new.channel))
                        .map(Entry::id),
                );
                let mut seen = HashSet::new();
                expects.retain(|id| seen.insert(*id));
            }
            letters.push(Letter {
                notice: new.sent(0, sender.agent(), now.middle().wall),
                key: new.key.clone(),
                expects,
            });
        }
        Ok(letters)
    }

    /// Sends a message and waits until the server has it.
    fn send(&self, subject: &str, letters: &[Letter]) -> Result<u64, BusError> {
        self.try_send(subject, letters, None)?.map_err(|fault| self.link.undone(fault))
    }

    fn try_send(
        &self,
        subject: &str,
        letters: &[Letter],
        after: Option<u64>,
    ) -> Result<Result<u64, Fault>, BusError> {
        let body = written(&Body { letters: letters.to_vec() }, "a notice")?;
        let most = self.link.payload_max().saturating_sub(HEADERS_MAX);
        if body.len() > most {
            return Err(BusError::Invalid(format!(
                "a batch of {} bytes does not fit one message of this NATS server, which takes {most}; send it in parts",
                body.len()
            )));
        }
        let mut random = [0u8; 16];
        self.entropy.fill(&mut random);
        let id = format!("{:032x}", u128::from_le_bytes(random));
        let mut sends = 1;
        loop {
            match self.link.publish(subject, &id, body.clone(), after) {
                Err(Fault::Lost(_)) if sends < SENDS_MAX => sends += 1,
                done => return Ok(done),
            }
        }
    }

    fn send_keyed(&self, batch: &[NewNotice], letters: Vec<Letter>) -> Result<Vec<Notice>, BusError> {
        let sender = batch[0].sender;
        let subject = self.link.names.subject(&sender.to_string(), true);
        let mut pauses = Pauses::new();
        // What is known of the sender's keys may be old: then the server refuses the message, and they are read anew.
        let mut known = locked(&self.keys).get(&sender).map(|keys| keys.last);
        loop {
            let last = known.take().map_or_else(|| self.refresh_keys(sender, &subject), Ok)?;
            let (fates, fresh) = self.fates(batch, &letters)?;
            let number = match fresh.is_empty() {
                true => 0,
                false => match self.try_send(&subject, &fresh, Some(last))? {
                    Ok(number) => number,
                    Err(Fault::Overtaken) => {
                        pauses.next(self.random())?;
                        continue;
                    }
                    Err(fault) => return Err(self.link.undone(fault)),
                },
            };
            self.remember_keys(sender, &fresh, number)?;
            let sent = placed(fresh, number);
            return Ok(fates
                .into_iter()
                .map(|fate| match fate {
                    Fate::Known(notice) => *notice,
                    Fate::New(place) => sent[place].clone(),
                })
                .collect());
        }
    }

    /// Brings what is known of a sender's keys up to date, and returns the number of its last message with keys.
    fn refresh_keys(&self, sender: RegistrationId, subject: &str) -> Result<u64, BusError> {
        let extent = self.link.extent()?;
        let last = self.link.last_of(subject)?;
        let (mut unread, upto) = {
            let mut all = locked(&self.keys);
            let keys = all.entry(sender).or_default();
            if keys.made != extent.made {
                *keys = Keys { made: extent.made, ..Keys::default() };
            }
            let mut unread = keys.unread.clone();
            unread.push((keys.upto + 1, last));
            (unread, keys.upto.max(last))
        };
        // What was cleared away gave its keys back.
        for (first, _) in &mut unread {
            *first = extent.first.max(*first);
        }
        unread.retain(|(first, end)| first <= end);
        while !unread.is_empty() {
            split(&mut unread);
            let starts: Vec<u64> = unread.iter().map(|(first, _)| *first).collect();
            let mut batches: Vec<Batch> = Vec::new();
            let mut rest = Vec::with_capacity(unread.len());
            for ((_, end), message) in unread.iter().zip(self.link.following(subject, &starts)?) {
                let Some(message) = message.filter(|message| message.sequence <= *end) else { continue };
                rest.push((message.sequence + 1, *end));
                batches.push(Batch::read(&message));
            }
            rest.retain(|(first, end)| first <= end);
            unread = rest;
            self.learn_keys(sender, extent.made, &batches, (upto, &unread));
        }
        if let Some(keys) = locked(&self.keys).get_mut(&sender).filter(|keys| keys.made == extent.made) {
            keys.last = last;
        }
        Ok(last)
    }

    /// Notes the keys of messages that were read, and how far it went.
    fn learn_keys(
        &self,
        sender: RegistrationId,
        made: i64,
        batches: &[Batch],
        (upto, unread): (u64, &[(u64, u64)]),
    ) {
        let mut all = locked(&self.keys);
        let Some(keys) = all.get_mut(&sender).filter(|keys| keys.made == made) else { return };
        for batch in batches {
            self.saw(batch.stamp);
            for letter in &batch.letters {
                let Some(key) = &letter.key else { continue };
                let place = (letter.notice.id, batch.over_ns(letter));
                // Messages are read in any order, and a key may have been given back and used again.
                let known = keys.places.entry(key.clone()).or_insert(place);
                *known = place.max(*known);
            }
        }
        // Another thread may have gone further.
        if keys.upto <= upto {
            keys.upto = upto;
            keys.unread = unread.to_vec();
        }
    }

    /// What was just published is known without asking.
    fn remember_keys(&self, sender: RegistrationId, sent: &[Letter], number: u64) -> Result<(), BusError> {
        let now = self.now()?.early().ns;
        if let Some(keys) = locked(&self.keys).get_mut(&sender).filter(|keys| keys.last < number) {
            keys.last = number;
            keys.upto = keys.upto.max(number);
            for (place, letter) in sent.iter().enumerate() {
                if let Some(key) = &letter.key {
                    let over = now.saturating_add(i64::from(letter.notice.ttl_seconds) * 1_000_000_000);
                    keys.places.insert(key.clone(), (position(number, place), over));
                }
            }
            keys.sweep(now);
        }
        Ok(())
    }

    /// Which of the letters were published before, and those that were not.
    fn fates(&self, batch: &[NewNotice], letters: &[Letter]) -> Result<(Vec<Fate>, Vec<Letter>), BusError> {
        let mut fates = Vec::with_capacity(letters.len());
        let mut fresh: Vec<Letter> = Vec::new();
        for (new, letter) in batch.iter().zip(letters) {
            let Some(key) = &new.key else {
                fates.push(Fate::New(fresh.len()));
                fresh.push(letter.clone());
                continue;
            };
            if let Some(place) = fresh.iter().position(|other| other.key.as_ref() == Some(key)) {
                if !new.is_again(&fresh[place].notice) {
                    return Err(BusError::KeyReused { key: key.clone() });
                }
                fates.push(Fate::New(place));
                continue;
            }
            match self.under_key(new.sender, key)? {
                Some(known) if new.is_again(&known) => fates.push(Fate::Known(Box::new(known))),
                Some(_) => return Err(BusError::KeyReused { key: key.clone() }),
                None => {
                    fates.push(Fate::New(fresh.len()));
                    fresh.push(letter.clone());
                }
            }
        }
        Ok((fates, fresh))
    }

    /// The living notice a sender has published under a key.
    fn under_key(&self, sender: RegistrationId, key: &str) -> Result<Option<Notice>, BusError> {
        let place = locked(&self.keys).get(&sender).and_then(|keys| keys.places.get(key).copied());
        let now = self.now()?.middle().ns;
        let Some((position, _)) = place.filter(|(_, over)| *over > now) else { return Ok(None) };
        Ok(self.letter(position)?.map(|(_, letter)| letter.notice))
    }
}

/// Cuts spans in half, the widest first, until as many are asked at the same time as may be.
fn split(spans: &mut Vec<(u64, u64)>) {
    while spans.len() < PIPELINE {
        let Some(widest) = spans.iter_mut().max_by_key(|(first, end)| end - first) else { return };
        let (first, end) = *widest;
        if end - first < SPAN_MIN {
            return;
        }
        let middle = first + (end - first) / 2;
        *widest = (first, middle);
        spans.push((middle + 1, end));
    }
}

/// The notices with the positions a message's number gives them.
fn placed(letters: Vec<Letter>, number: u64) -> Vec<Notice> {
    let notices = letters.into_iter().map(|letter| letter.notice).enumerate();
    notices.map(|(place, notice)| Notice { id: position(number, place), ..notice }).collect()
}

/// The last position a message can have given out.
pub(crate) fn end_of(number: u64) -> i64 {
    position(number, usize::try_from(PLACES - 1).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_cut_until_enough_are_asked_at_once_and_none_is_lost() {
        let mut spans = vec![(1, 1_000), (2_000, 2_000)];
        split(&mut spans);
        assert_eq!(spans.len(), PIPELINE);
        spans.sort_unstable();
        let covered: u64 = spans.iter().map(|(first, end)| end - first + 1).sum();
        assert_eq!((covered, spans[0].0, spans[PIPELINE - 2].1), (1_001, 1, 1_000));
        assert!(spans.windows(2).all(|two| two[0].1 < two[1].0));
        let mut few = vec![(5, 6)];
        split(&mut few);
        assert_eq!(few, [(5, 6)]);
    }
}
