//! From here to the other machines: who is here, what they say, and what they hold.

use super::{
    ACK_CHANNEL, BEAT, CONSUMER, Crossing, Direction, HERE_CHANNEL, LEASE, OWN_CHANNELS, birth, overlap,
};
use crate::ask::CLAIM_CHANNEL;
use crate::backend::Backend;
use crate::error::BusError;
use crate::inbox::{NoticeQuery, Position};
use crate::mirror::Untold;
use crate::notice::{AckRule, NewNotice};
use crate::registration::{Liveness, NewRegistration};
use model::{Notice, Presence, Registration, RegistrationId, Vitality};
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// The name of the cursor in the notices here.
const CURSOR: &str = "out";
/// Notices sent at once.
const BATCH: usize = 200;
/// How often a bridge clears up there.
const CLEAR_EVERY: Duration = Duration::from_secs(60);
/// How long an acknowledgement looks for the machine it is for.
const ACK_TTL_SECONDS: u32 = 24 * 3600;

pub(super) fn run(crossing: &Crossing) {
    let (mut outward, mut known) = (Outward::default(), 0);
    crossing.repeat(Direction::Out, |hub, times| {
        if known != times {
            (outward, known) = (Outward::default(), times);
        }
        outward.round(crossing, hub)?;
        crossing.rest(BEAT);
        Ok(())
    });
}

#[derive(Default)]
struct Outward {
    /// Ours that the others know; none before the first look.
    announced: Option<HashSet<RegistrationId>>,
    /// Ours that the others do not take. Asked again now and then: what ended there by its lease may return.
    refused: HashSet<RegistrationId>,
    beaten_at: Option<Duration>,
    cleared_at: Option<Duration>,
    overlaps: overlap::Overlaps,
}

impl Outward {
    fn round(&mut self, crossing: &Crossing, hub: &dyn Backend) -> Result<(), BusError> {
        let sessions = crossing.bus.sessions()?;
        let ours: HashMap<RegistrationId, &Presence> = sessions
            .iter()
            .filter(|session| session.machine.is_none() && session.vitality != Vitality::Dead)
            .map(|session| (session.registration.id, session))
            .collect();
        self.remember(crossing, hub)?;
        let beat = is_due(crossing, &mut self.beaten_at, BEAT);
        if beat {
            for session in ours.values().filter(|session| session.vitality == Vitality::Alive) {
                self.beat(hub, session.registration.id)?;
            }
        }
        self.clear(crossing, hub)?;
        for session in ours.values() {
            self.announce(crossing, hub, &session.registration)?;
        }
        let generation = hub.newest_position()?.generation;
        // It may have something to say, which is sent right after.
        self.overlaps.round(crossing, hub, &ours, beat)?;
        self.send(crossing, hub, birth(&generation))?;
        tell_acks(crossing, hub, birth(&generation))?;
        self.part(hub, &ours)?;
        crossing.reached(Direction::Out);
        Ok(())
    }

    /// Every bridge clears up there now and then: nobody else does.
    fn clear(&mut self, crossing: &Crossing, hub: &dyn Backend) -> Result<(), BusError> {
        if is_due(crossing, &mut self.cleared_at, CLEAR_EVERY) {
            self.refused.clear();
            // Nothing rests on it; in a minute it is tried again, by everybody.
            if let Err(error @ (BusError::Unreachable { .. } | BusError::Unanswered { .. })) = hub.clear() {
                return Err(error);
            }
        }
        Ok(())
    }

    /// After a start: what the others still know of us.
    fn remember(&mut self, crossing: &Crossing, hub: &dyn Backend) -> Result<(), BusError> {
        if self.announced.is_none() {
            let ours = crossing.abroad(None);
            let known = hub.registrations()?.into_iter();
            let known = known.filter(|one| one.worktree.as_ref().is_some_and(|tree| tree.starts_with(&ours)));
            self.announced = Some(known.map(|one| one.id).collect());
        }
        Ok(())
    }

    /// True when the others know the session.
    fn announce(
        &mut self,
        crossing: &Crossing,
        hub: &dyn Backend,
        registration: &Registration,
    ) -> Result<bool, BusError> {
        let id = registration.id;
        let announced = self.announced.get_or_insert_default();
        if announced.contains(&id) {
            return Ok(true);
        }
        if self.refused.contains(&id) {
            return Ok(false);
        }
        let made = hub.register(NewRegistration {
            id: Some(id),
            agent: registration.agent.clone(),
            vendor: registration.vendor.clone(),
            model: registration.model.clone(),
            session: registration.session,
            worktree: Some(crossing.abroad(registration.worktree.as_deref())),
            liveness: Liveness::Lease { ttl: LEASE },
        });
        match made {
            Ok(_) => {
                announced.insert(id);
                // Wakes the others, who then look who is there.
                let here = NewNotice::new(id, super::channel(HERE_CHANNEL)?, json!({}));
                hub.publish_all(&[here]).map(|_| true)
            }
            Err(BusError::Ended(_) | BusError::Invalid(_)) => {
                self.refused.insert(id);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn beat(&mut self, hub: &dyn Backend, id: RegistrationId) -> Result<(), BusError> {
        let announced = self.announced.get_or_insert_default();
        if !announced.contains(&id) {
            return Ok(());
        }
        match hub.heartbeat(id) {
            Err(BusError::Ended(_) | BusError::NotRegistered(_)) => {
                announced.remove(&id);
                Ok(())
            }
            done => done,
        }
    }

    /// Ends there what has ended here.
    fn part(&mut self, hub: &dyn Backend, ours: &HashMap<RegistrationId, &Presence>) -> Result<(), BusError> {
        let announced = self.announced.get_or_insert_default();
        let gone: Vec<RegistrationId> =
            announced.iter().filter(|id| !ours.contains_key(id)).copied().collect();
        for id in gone {
            match hub.end(id, "ended") {
                Ok(()) | Err(BusError::Ended(_) | BusError::NotRegistered(_)) => announced.remove(&id),
                Err(error) => return Err(error),
            };
        }
        Ok(())
    }

    /// Sends what was said here since the last time and concerns others. Stops with the bridge; what is left follows at
    /// the next start.
    fn send(&mut self, crossing: &Crossing, hub: &dyn Backend, there: &str) -> Result<(), BusError> {
        let bus = &crossing.bus;
        let mut after = bus.cursor(CONSUMER, CURSOR)?.map_or(0, |position| position.id);
        while !crossing.is_stopped() {
            // Ids go on rising when the machine boots; of a file made anew they begin again.
            after = after.min(bus.newest_position()?.id);
            let page = bus.notices(&NoticeQuery { after, limit: BATCH, ..NoticeQuery::default() })?;
            if page.notices.is_empty() {
                return Ok(());
            }
            let mut batch: Vec<(i64, NewNotice)> = Vec::new();
            for notice in &page.notices {
                let Some(new) = self.outgoing(crossing, hub, notice, &page.generation)? else { continue };
                let replied = notice.envelope.reply_to;
                // One sender at a time, and what a notice answers before it: some backends ask for the one, ids for the other.
                let apart = batch.last().is_some_and(|(_, last)| last.sender != new.sender)
                    || replied.is_some_and(|replied| batch.iter().any(|(here, _)| *here == replied));
                if apart {
                    self.publish(crossing, hub, there, &std::mem::take(&mut batch))?;
                }
                let reply_to = match replied {
                    Some(here) => bus.there(there, here)?,
                    None => None,
                };
                batch.push((notice.id, NewNotice { reply_to, ..new }));
            }
            self.publish(crossing, hub, there, &batch)?;
            bus.move_cursor(CONSUMER, CURSOR, &Position { generation: page.generation, id: page.next })?;
            after = page.next;
        }
        Ok(())
    }

    /// The notice as the others get it; none when it does not concern them, or they do not take its sender.
    fn outgoing(
        &mut self,
        crossing: &Crossing,
        hub: &dyn Backend,
        notice: &Notice,
        generation: &str,
    ) -> Result<Option<NewNotice>, BusError> {
        let bus = &crossing.bus;
        let Some(recipients) = abroad_among(crossing, notice)? else { return Ok(None) };
        // A session that said something and left is announced all the same: it ended after it spoke.
        let Some(sender) = bus.registration(notice.sender)? else { return Ok(None) };
        if !self.announce(crossing, hub, &sender)? {
            crossing.count(|state| state.left_out += 1);
            return Ok(None);
        }
        let envelope = &notice.envelope;
        let ack = envelope
            .ack_seconds
            .map(|seconds| AckRule { seconds, attempts: envelope.ack_attempts.unwrap_or(1) });
        Ok(Some(NewNotice {
            recipient: notice.recipient,
            recipients,
            ttl_seconds: Some(notice.ttl_seconds),
            // The same after a boot, of which the generation tells.
            key: Some(format!("{}:{}:{}", birth(generation), notice.id, notice.created_at.as_millis())),
            thread: envelope.thread.clone(),
            priority: envelope.priority,
            ack,
            ..NewNotice::new(notice.sender, notice.channel.clone(), notice.payload.clone())
        }))
    }

    /// All at once; one by one when the other side refuses one of them.
    fn publish(
        &mut self,
        crossing: &Crossing,
        hub: &dyn Backend,
        there: &str,
        batch: &[(i64, NewNotice)],
    ) -> Result<(), BusError> {
        if batch.is_empty() {
            return Ok(());
        }
        let news: Vec<NewNotice> = batch.iter().map(|(_, new)| new.clone()).collect();
        let mut pairs: Vec<(i64, i64)> = Vec::new();
        match hub.publish_all(&news) {
            Ok(published) => {
                pairs.extend(batch.iter().map(|(here, _)| *here).zip(published.iter().map(|one| one.id)));
            }
            Err(error) if is_its_own_fault(&error) => {
                for (here, new) in batch {
                    match self.publish_one(crossing, hub, new.clone())? {
                        Some(id) => pairs.push((*here, id)),
                        None => crossing.count(|state| state.left_out += 1),
                    }
                }
            }
            Err(error) => return Err(error),
        }
        crossing.count(|state| state.exported += pairs.len() as u64);
        crossing.bus.exported(there, &pairs)
    }

    /// Its id there. Who is not known there any more is left out of the recipients; a sender that was forgotten is
    /// announced again.
    fn publish_one(
        &mut self,
        crossing: &Crossing,
        hub: &dyn Backend,
        mut new: NewNotice,
    ) -> Result<Option<i64>, BusError> {
        let mut announced_again = false;
        loop {
            match hub.publish_all(std::slice::from_ref(&new)) {
                Ok(published) => return Ok(published.first().map(|one| one.id)),
                Err(BusError::NotRegistered(id) | BusError::Ended(id))
                    if id == new.sender && !announced_again =>
                {
                    announced_again = true;
                    self.announced.get_or_insert_default().remove(&id);
                    let Some(sender) = crossing.bus.registration(id)? else { return Ok(None) };
                    if !self.announce(crossing, hub, &sender)? {
                        return Ok(None);
                    }
                }
                Err(BusError::NotRegistered(id) | BusError::Ended(id))
                    if new.recipients.len() > 1 && new.recipients.contains(&id) =>
                {
                    new.recipients.retain(|recipient| *recipient != id);
                }
                Err(error) if is_its_own_fault(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }
}

fn is_due(crossing: &Crossing, last: &mut Option<Duration>, every: Duration) -> bool {
    let now = crossing.bus.inner.clock.uptime();
    let due = last.is_none_or(|at| now.saturating_sub(at) >= every);
    if due {
        *last = Some(now);
    }
    due
}

/// The recipients of a notice of ours that are elsewhere: none of them by name when it goes to everybody or to one. None
/// when it concerns nobody elsewhere, was not sent here, or has crossed. Asked now, and not at the beginning of the round:
/// whoever came in between can be addressed already.
fn abroad_among(crossing: &Crossing, notice: &Notice) -> Result<Option<Vec<RegistrationId>>, BusError> {
    let bus = &crossing.bus;
    let is_abroad = |id: RegistrationId| Ok::<_, BusError>(bus.is_of_here(id)? == Some(false));
    let channel = notice.channel.as_str();
    if channel.starts_with(OWN_CHANNELS) && channel != CLAIM_CHANNEL
        || is_abroad(notice.sender)?
        || bus.has_crossed(notice.id)?
    {
        return Ok(None);
    }
    if let Some(recipient) = notice.recipient {
        return Ok(is_abroad(recipient)?.then(Vec::new));
    }
    let audience = &notice.envelope.audience;
    let mut abroad = Vec::new();
    for id in audience {
        if is_abroad(*id)? {
            abroad.push(*id);
        }
    }
    Ok((audience.is_empty() || !abroad.is_empty()).then_some(abroad))
}

/// Another try would end the same.
fn is_its_own_fault(error: &BusError) -> bool {
    matches!(
        error,
        BusError::Ended(_)
            | BusError::NotRegistered(_)
            | BusError::Invalid(_)
            | BusError::KeyReused { .. }
            | BusError::PayloadTooLarge { .. }
    )
}

/// Tells the senders' machines what was acknowledged here.
fn tell_acks(crossing: &Crossing, hub: &dyn Backend, there: &str) -> Result<(), BusError> {
    let channel = super::channel(ACK_CHANNEL)?;
    while !crossing.is_stopped() {
        let acks: Vec<Untold> = crossing.bus.untold(there)?;
        if acks.is_empty() {
            return Ok(());
        }
        for ack in &acks {
            let news = NewNotice {
                recipient: Some(ack.sender),
                ttl_seconds: Some(ACK_TTL_SECONDS),
                key: Some(format!("ack:{}", ack.there)),
                ..NewNotice::new(ack.by, channel.clone(), json!({ "notice": ack.there }))
            };
            match hub.publish_all(std::slice::from_ref(&news)) {
                // There it is not handed out again either.
                Ok(_) => match hub.ack(ack.there, ack.by) {
                    Ok(()) => {}
                    Err(BusError::NoNotice(_) | BusError::Ended(_) | BusError::NotRegistered(_)) => {}
                    Err(error) => return Err(error),
                },
                // Nobody there waits for it any more.
                Err(error) if is_its_own_fault(&error) => {}
                Err(error) => return Err(error),
            }
        }
        crossing.bus.told(&acks)?;
    }
    Ok(())
}
