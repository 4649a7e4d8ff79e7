//! What became of a notice at its recipients: a key per notice, which holds what differs from the beginning. Who has to
//! answer, by when and how often is in the notice itself, so a publisher that dies leaves nothing half.

use super::letter::{Batch, Letter};
use super::reading::Doc;
use super::{Nats, read, written};
use crate::error::BusError;
use crate::receipt::{DeadLetter, Receipt};
use model::{RegistrationId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// Most dead letters in one answer.
const DEAD_LETTERS_MAX: usize = 1000;

/// One recipient's marks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    acked_ms: Option<i64>,
    pub(crate) attempts: u32,
    /// When the present attempt is over; none when nothing is due any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) due_ns: Option<i64>,
    #[serde(default)]
    pub(crate) dead: bool,
}

impl Mark {
    const NONE: Self = Self { seen_ms: None, acked_ms: None, attempts: 1, due_ns: None, dead: false };
}

pub(crate) type Marks = BTreeMap<RegistrationId, Mark>;

/// A notice to be handed out once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Again {
    pub(crate) notice: i64,
    pub(crate) attempt: u32,
}

pub(crate) fn key(notice: i64) -> String {
    format!("receipts.{notice}")
}

pub(crate) fn again_key(id: RegistrationId) -> String {
    format!("again.{id}")
}

/// The marks of a notice: as it was sent, and what has been marked since.
pub(crate) fn marks(batch: &Batch, letter: &Letter, doc: Option<&Doc>) -> Result<Marks, BusError> {
    let due_ns = Some(batch.stamp.saturating_add(letter.ack_ns()));
    let mut marks: Marks = letter.expects.iter().map(|id| (*id, Mark { due_ns, ..Mark::NONE })).collect();
    marks.extend(read::<Marks>(doc, "the receipts of a notice")?.unwrap_or_default());
    Ok(marks)
}

impl Nats {
    pub(super) fn mark_seen(&self, notice: i64, registration: RegistrationId) -> Result<(), BusError> {
        self.mark(notice, registration, |mark, now| {
            mark.seen_ms.get_or_insert(now);
        })
    }

    pub(super) fn ack(&self, notice: i64, registration: RegistrationId) -> Result<(), BusError> {
        self.mark(notice, registration, |mark, now| {
            mark.seen_ms.get_or_insert(now);
            mark.acked_ms.get_or_insert(now);
            mark.due_ns = None;
            mark.dead = false;
        })
    }

    fn mark(
        &self,
        notice: i64,
        registration: RegistrationId,
        set: impl Fn(&mut Mark, i64),
    ) -> Result<(), BusError> {
        self.living(registration)?;
        let (batch, letter) = self.letter(notice)?.ok_or(BusError::NoNotice(notice))?;
        let sent = &letter.notice;
        let audience = &sent.envelope.audience;
        let addressed = match sent.recipient {
            Some(recipient) => recipient == registration,
            None => audience.is_empty() || audience.contains(&registration),
        };
        if !addressed {
            return Err(BusError::NoNotice(notice));
        }
        let now = self.now()?.middle().wall.as_millis();
        self.change(&key(notice), |doc| {
            let mut marks = marks(&batch, &letter, doc)?;
            let before = marks.get(&registration).cloned();
            let mark = marks.entry(registration).or_insert(Mark::NONE);
            set(mark, now);
            let changed = before.as_ref() != Some(&*mark);
            let value = changed.then(|| written(&marks, "the receipts of a notice")).transpose()?;
            Ok((value, ()))
        })?;
        Ok(())
    }

    pub(super) fn has_acked(&self, letter: &Letter, id: RegistrationId) -> Result<bool, BusError> {
        let doc = self.link.get_one(&key(letter.notice.id))?;
        let marks: Marks = read(doc.as_ref(), "the receipts of a notice")?.unwrap_or_default();
        Ok(marks.get(&id).is_some_and(|mark| mark.acked_ms.is_some()))
    }

    pub(super) fn receipts(&self, notice: i64) -> Result<Vec<Receipt>, BusError> {
        let Some((batch, letter)) = self.letter(notice)? else { return Ok(Vec::new()) };
        let marks = marks(&batch, &letter, self.link.get_one(&key(notice))?.as_ref())?;
        let ids: Vec<RegistrationId> = marks.keys().copied().collect();
        let known = self.known(&ids)?;
        let reached = self.reached(&ids)?;
        let time = |ms: Option<i64>| ms.map(Timestamp::from_millis);
        Ok(marks
            .into_iter()
            .map(|(registration, mark)| Receipt {
                registration,
                delivered: mark.seen_ms.is_some()
                    || reached.get(&registration).is_some_and(|reached| *reached >= notice),
                seen_at: time(mark.seen_ms),
                acked_at: time(mark.acked_ms),
                attempts: mark.attempts,
                dead: is_dead(
                    &mark,
                    known.get(&registration).is_none_or(super::registration::Entry::has_ended),
                ),
            })
            .collect())
    }

    pub(super) fn dead_letters(&self, sender: Option<RegistrationId>) -> Result<Vec<DeadLetter>, BusError> {
        let asked = self.asking(sender)?;
        let keys: Vec<String> = asked.iter().map(|(_, letter)| key(letter.notice.id)).collect();
        let docs = self.link.get(&keys)?;
        let mut people: Vec<RegistrationId> = Vec::new();
        let mut all: Vec<(&Letter, Marks)> = Vec::new();
        for ((batch, letter), doc) in asked.iter().zip(docs) {
            let marks = marks(batch, letter, doc.as_ref())?;
            people.extend(marks.keys());
            all.push((letter, marks));
        }
        people.sort_unstable();
        people.dedup();
        let known = self.known(&people)?;
        let mut dead = Vec::new();
        for (letter, marks) in all {
            for (recipient, mark) in marks {
                let ended = known.get(&recipient).is_none_or(super::registration::Entry::has_ended);
                if is_dead(&mark, ended) && dead.len() < DEAD_LETTERS_MAX {
                    dead.push(DeadLetter {
                        notice: letter.notice.clone(),
                        recipient,
                        attempts: mark.attempts,
                    });
                }
            }
        }
        Ok(dead)
    }

    /// Every notice that asks for an answer, of one sender or of all, alive or over.
    pub(super) fn asking(
        &self,
        sender: Option<RegistrationId>,
    ) -> Result<Vec<(std::sync::Arc<Batch>, Letter)>, BusError> {
        let mut found: Vec<i64> = Vec::new();
        self.scan(0, |_, batch| {
            let asking = batch.letters.iter().filter(|letter| {
                letter.attempts() > 0 && sender.is_none_or(|sender| letter.notice.sender == sender)
            });
            found.extend(asking.map(|letter| letter.notice.id));
            Ok(true)
        })?;
        let mut all = Vec::with_capacity(found.len());
        for notice in found {
            all.extend(self.letter(notice)?);
        }
        Ok(all)
    }

    /// How far each of these has read, by the cursors that bear their name.
    fn reached(&self, ids: &[RegistrationId]) -> Result<HashMap<RegistrationId, i64>, BusError> {
        let keys: Vec<String> = ids.iter().map(|id| super::cursor::key(&id.to_string())).collect();
        let mut reached = HashMap::new();
        for (id, doc) in ids.iter().zip(self.link.get(&keys)?) {
            let cursors: super::cursor::Cursors = read(doc.as_ref(), "a cursor")?.unwrap_or_default();
            if let Some(most) = cursors.values().map(|position| position.id).max() {
                reached.insert(*id, most);
            }
        }
        Ok(reached)
    }
}

/// Given up after its last attempt, or its recipient has ended without an answer.
fn is_dead(mark: &Mark, ended: bool) -> bool {
    mark.dead || (ended && mark.due_ns.is_some())
}
