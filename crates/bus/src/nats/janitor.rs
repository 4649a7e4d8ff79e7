//! Clearing away: registrations that died, answers that are due, notices that are over. Any daemon may, at any time, and
//! two at once do it once: every step is a change that finds out whether it was done.

use super::bell::Bell;
use super::inbox::{GONE, Gone};
use super::receipt::{self, Again, marks};
use super::registration::{self, Entry};
use super::{Nats, cursor, locked, read, written};
use crate::error::BusError;
use crate::purge::{ENDED_KEPT, PURGE_ROWS};
use model::RegistrationId;

/// Most answers one round asks for again.
const ROUND: usize = 500;
/// Most notices that wait to be handed out again to one registration.
const AGAIN_MAX: usize = 1000;

impl Nats {
    pub(super) fn clear(&self) -> Result<(), BusError> {
        let reaped = self.reap();
        let redelivered = match &reaped {
            Ok(entries) => self.redeliver(entries),
            Err(_) => Ok(()),
        };
        // What is over goes, whatever became of the rest: else the streams grow for ever.
        self.purge()?;
        redelivered.and(reaped.map(drop))
    }

    /// Ends who shows no sign of life, and frees what the ended held.
    fn reap(&self) -> Result<Vec<Entry>, BusError> {
        let entries = self.entries()?;
        let now = self.now()?.early();
        let mut dead: Vec<RegistrationId> = Vec::new();
        for entry in entries.iter().filter(|entry| !entry.has_ended()) {
            if let Some(reason) = entry.death(now)
                && self.mark_ended(entry.id(), reason, |entry| entry.death(now).is_some())?
            {
                dead.push(entry.id());
            }
        }
        let ended: Vec<RegistrationId> =
            entries.iter().filter(|entry| entry.death(now).is_some()).map(Entry::id).collect();
        if !dead.is_empty() {
            self.bury(&dead)?;
        }
        if self.needs_settling(&ended)? {
            self.settle_all()?;
        }
        let long_ago = now.ns.saturating_sub(crate::write::nanos(ENDED_KEPT));
        let forgotten: Vec<String> = entries
            .iter()
            .filter(|entry| entry.ended_ns().is_some_and(|ended| ended <= long_ago))
            .flat_map(|entry| {
                let (id, reader) = (entry.id(), cursor::key(&entry.id().to_string()));
                [registration::key(id), receipt::again_key(id), reader]
            })
            .collect();
        if !forgotten.is_empty() {
            self.link.erase(&forgotten)?;
        }
        let living =
            |id: &RegistrationId| entries.iter().any(|entry| entry.id() == *id && !entry.has_ended());
        locked(&self.keys).retain(|sender, _| living(sender));
        Ok(entries)
    }

    /// Hands out again what is due and was not acknowledged, and gives up what had its last attempt.
    fn redeliver(&self, entries: &[Entry]) -> Result<(), BusError> {
        let asking = self.asking(None)?;
        let keys: Vec<String> = asking.iter().map(|(_, letter)| receipt::key(letter.notice.id)).collect();
        let now = self.now()?.early();
        let ended = |id: RegistrationId| {
            entries.iter().find(|entry| entry.id() == id).is_none_or(|entry| entry.death(now).is_some())
        };
        let mut touched = 0;
        for ((batch, letter), doc) in asking.iter().zip(self.link.get(&keys)?) {
            let due: Vec<(RegistrationId, u32)> = marks(batch, letter, doc.as_ref())?
                .into_iter()
                .filter(|(id, mark)| mark.due_ns.is_some_and(|due| due <= now.ns) && !ended(*id))
                .map(|(id, mark)| (id, mark.attempts))
                .collect();
            if due.is_empty() || touched >= ROUND {
                continue;
            }
            touched += due.len();
            for (id, attempts) in due.iter().filter(|(_, attempts)| *attempts < letter.attempts()) {
                // First what the reader finds, then what says that it was put there: killed in between, it is found
                // to be there already.
                self.put_again(*id, Again { notice: letter.notice.id, attempt: attempts + 1 })?;
            }
            self.change(&receipt::key(letter.notice.id), |doc| {
                let mut marks = marks(batch, letter, doc)?;
                for (id, attempts) in &due {
                    let Some(mark) = marks.get_mut(id) else { continue };
                    if mark.attempts != *attempts || mark.due_ns.is_none() {
                        continue;
                    }
                    if mark.attempts < letter.attempts() {
                        mark.attempts += 1;
                        mark.due_ns = Some(now.ns.saturating_add(letter.ack_ns()));
                    } else {
                        mark.dead = true;
                        mark.due_ns = None;
                    }
                }
                Ok((Some(written(&marks, "the receipts of a notice")?), ()))
            })?;
        }
        if touched > 0 {
            self.link.ring(Bell::Notices);
        }
        Ok(())
    }

    fn put_again(&self, id: RegistrationId, again: Again) -> Result<(), BusError> {
        self.change(&receipt::again_key(id), |doc| {
            let mut listed: Vec<Again> = read(doc, "what comes again")?.unwrap_or_default();
            if listed.contains(&again) {
                return Ok((None, ()));
            }
            // Of one notice the last attempt is enough. Who never comes for what is listed loses the oldest, which
            // their next attempt lists again.
            listed.retain(|known| known.notice != again.notice);
            listed.push(again.clone());
            let surplus = listed.len().saturating_sub(AGAIN_MAX);
            listed.drain(..surplus);
            Ok((Some(written(&listed, "what comes again")?), ()))
        })?;
        Ok(())
    }

    /// Deletes messages all of whose notices are over, after it was written down how far they went.
    fn purge(&self) -> Result<(), BusError> {
        loop {
            let now = self.now()?.early();
            let mut over: Vec<u64> = Vec::new();
            let mut notices: Vec<(String, i64)> = Vec::new();
            let mut answered: Vec<i64> = Vec::new();
            self.scan(0, |number, batch| {
                if batch.is_over(now) {
                    over.push(number);
                    for letter in &batch.letters {
                        notices.push((letter.notice.channel.as_str().to_owned(), letter.notice.id));
                        answered.push(letter.notice.id);
                    }
                }
                Ok(notices.len() < PURGE_ROWS)
            })?;
            let Some(upto) = over.last().copied() else { return Ok(()) };
            self.change(GONE, |doc| {
                let mut gone: Gone = read(doc, "what is gone")?.unwrap_or_default();
                for (channel, id) in &notices {
                    let most = gone.channels.entry(channel.clone()).or_insert(*id);
                    *most = (*most).max(*id);
                }
                gone.upto = gone.upto.max(upto);
                Ok((Some(written(&gone, "what is gone")?), ()))
            })?;
            self.link.delete(&over)?;
            self.forget_letters(&over);
            self.forget_answers(&answered)?;
            if notices.len() < PURGE_ROWS {
                return Ok(());
            }
        }
    }

    /// What hangs on notices that are gone.
    fn forget_answers(&self, gone: &[i64]) -> Result<(), BusError> {
        let keys: Vec<String> = gone.iter().map(|notice| receipt::key(*notice)).collect();
        let found: Vec<String> = self.link.get(&keys)?.into_iter().flatten().map(|doc| doc.key).collect();
        if !found.is_empty() {
            self.link.erase(&found)?;
        }
        self.prune_claims(gone)
    }
}
