//! From here to the other machines: who is here, what they say, and what they hold.

use super::{ACK_CHANNEL, BEAT, CONSUMER, Crossing, HERE_CHANNEL, LEASE, OWN_CHANNELS, overlap};
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
/// How long an acknowledgement looks for the machine it is for.
const ACK_TTL_SECONDS: u32 = 24 * 3600;

pub(super) fn run(crossing: &Crossing) {
    let mut outward = Outward::default();
    crossing.repeat(|hub| {
        outward.round(crossing, hub)?;
        crossing.rest(BEAT);
        Ok(())
    });
}

#[derive(Default)]
struct Outward {
    /// Ours that the others know; none before the first look.
    announced: Option<HashSet<RegistrationId>>,
    /// Ours that ended there, which no id comes back from.
    refused: HashSet<RegistrationId>,
    beaten_at: Option<Duration>,
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
        let theirs: HashSet<RegistrationId> = sessions
            .iter()
            .filter(|session| session.machine.is_some())
            .map(|session| session.registration.id)
            .collect();
        self.remember(crossing, hub)?;
        for session in ours.values() {
            self.announce(crossing, hub, &session.registration)?;
        }
        let generation = hub.newest_position()?.generation;
        let due = self.is_beat_due(crossing);
        // It may have something to say, which is sent right after.
        self.overlaps.round(crossing, hub, &ours, due)?;
        self.send(crossing, hub, &generation, &theirs)?;
        tell_acks(crossing, hub, &generation)?;
        self.part(hub, &ours)?;
        if due {
            for session in ours.values().filter(|session| session.vitality == Vitality::Alive) {
                self.beat(hub, session.registration.id)?;
            }
        }
        crossing.reached();
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

    fn is_beat_due(&mut self, crossing: &Crossing) -> bool {
        let now = crossing.bus.inner.clock.uptime();
        let due = self.beaten_at.is_none_or(|at| now.saturating_sub(at) >= BEAT);
        if due {
            self.beaten_at = Some(now);
        }
        due
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
        match hub.heartbeat(id) {
            Err(BusError::Ended(_) | BusError::NotRegistered(_)) => {
                self.announced.get_or_insert_default().remove(&id);
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
        self.refused.retain(|id| ours.contains_key(id));
        Ok(())
    }

    /// Sends what was said here since the last time and concerns others.
    fn send(
        &mut self,
        crossing: &Crossing,
        hub: &dyn Backend,
        generation: &str,
        theirs: &HashSet<RegistrationId>,
    ) -> Result<(), BusError> {
        let bus = &crossing.bus;
        let mut after = bus.cursor(CONSUMER, CURSOR)?.map_or(0, |position| position.id);
        loop {
            // Ids go on rising when the machine boots; of a file made anew they begin again.
            after = after.min(bus.newest_position()?.id);
            let page = bus.notices(&NoticeQuery { after, limit: BATCH, ..NoticeQuery::default() })?;
            if page.notices.is_empty() {
                return Ok(());
            }
            let mut batch: Vec<(i64, NewNotice)> = Vec::new();
            for notice in &page.notices {
                if !concerns(crossing, theirs, notice)? {
                    continue;
                }
                match self.outgoing(crossing, hub, notice, theirs)? {
                    Some(new) => {
                        let key = Some(format!("{}:{}", page.generation, notice.id));
                        let reply_to = match notice.envelope.reply_to {
                            Some(here) => bus.there(generation, here)?,
                            None => None,
                        };
                        batch.push((notice.id, NewNotice { key, reply_to, ..new }));
                    }
                    None => crossing.count(|state| state.left_out += 1),
                }
            }
            publish(crossing, hub, generation, &batch)?;
            bus.move_cursor(CONSUMER, CURSOR, &Position { generation: page.generation, id: page.next })?;
            after = page.next;
        }
    }

    /// The notice as the others get it; none when they do not take its sender.
    fn outgoing(
        &mut self,
        crossing: &Crossing,
        hub: &dyn Backend,
        notice: &Notice,
        theirs: &HashSet<RegistrationId>,
    ) -> Result<Option<NewNotice>, BusError> {
        // A session that said something and left is announced all the same: it ended after it spoke.
        let Some(sender) = crossing.bus.registration(notice.sender)? else { return Ok(None) };
        if !self.announce(crossing, hub, &sender)? {
            return Ok(None);
        }
        let envelope = &notice.envelope;
        let ack = envelope
            .ack_seconds
            .map(|seconds| AckRule { seconds, attempts: envelope.ack_attempts.unwrap_or(1) });
        Ok(Some(NewNotice {
            recipient: notice.recipient,
            recipients: envelope.audience.iter().filter(|id| theirs.contains(id)).copied().collect(),
            ttl_seconds: Some(notice.ttl_seconds),
            thread: envelope.thread.clone(),
            priority: envelope.priority,
            ack,
            ..NewNotice::new(notice.sender, notice.channel.clone(), notice.payload.clone())
        }))
    }
}

/// Whether a notice was sent here, to somebody elsewhere, and has not crossed yet.
fn concerns(
    crossing: &Crossing,
    theirs: &HashSet<RegistrationId>,
    notice: &Notice,
) -> Result<bool, BusError> {
    let audience = &notice.envelope.audience;
    let addressed = match notice.recipient {
        Some(recipient) => theirs.contains(&recipient),
        None => audience.is_empty() || audience.iter().any(|id| theirs.contains(id)),
    };
    let channel = notice.channel.as_str();
    let own = channel.starts_with(OWN_CHANNELS) && channel != CLAIM_CHANNEL;
    Ok(addressed && !own && !theirs.contains(&notice.sender) && !crossing.bus.has_crossed(notice.id)?)
}

/// All at once; one by one when the other side refuses one of them.
fn publish(
    crossing: &Crossing,
    hub: &dyn Backend,
    generation: &str,
    batch: &[(i64, NewNotice)],
) -> Result<(), BusError> {
    if batch.is_empty() {
        return Ok(());
    }
    let news: Vec<NewNotice> = batch.iter().map(|(_, new)| new.clone()).collect();
    let mut pairs: Vec<(i64, i64)> = Vec::new();
    match hub.publish_all(&news) {
        Ok(published) => {
            pairs.extend(batch.iter().map(|(here, _)| *here).zip(published.iter().map(|one| one.id)))
        }
        Err(error) if is_its_own_fault(&error) => {
            for ((here, _), new) in batch.iter().zip(&news) {
                match hub.publish_all(std::slice::from_ref(new)) {
                    Ok(published) => pairs.extend(published.iter().map(|one| (*here, one.id))),
                    Err(error) if is_its_own_fault(&error) => crossing.count(|state| state.left_out += 1),
                    Err(error) => return Err(error),
                }
            }
        }
        Err(error) => return Err(error),
    }
    crossing.count(|state| state.exported += pairs.len() as u64);
    crossing.bus.exported(generation, &pairs)
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
fn tell_acks(crossing: &Crossing, hub: &dyn Backend, generation: &str) -> Result<(), BusError> {
    let channel = super::channel(ACK_CHANNEL)?;
    loop {
        let acks: Vec<Untold> = crossing.bus.untold(generation)?;
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
                Ok(_) => {}
                // Nobody there waits for it any more.
                Err(error) if is_its_own_fault(&error) => {}
                Err(error) => return Err(error),
            }
        }
        crossing.bus.told(&acks)?;
    }
}
