//! From the other machines to here: who is there, and what they say.

use super::offers::{self, ANSWER_CHANNEL};
use super::{
    ACK_CHANNEL, CONSUMER, Crossing, Direction, ELSEWHERE_END, LOOK, OWN_CHANNELS, birth, machine_of,
};
use crate::ask::CLAIM_CHANNEL;
use crate::backend::Backend;
use crate::error::BusError;
use crate::inbox::{NoticeQuery, Position};
use crate::notice::{AckRule, NewNotice};
use crate::registration::{Liveness, NewRegistration};
use model::{Notice, Registration, RegistrationId, Timestamp};
use std::collections::{HashMap, HashSet};

/// The name of the cursor on the other bus.
const CURSOR: &str = "in";
/// Most sessions of other machines that are known here; the first ones there count.
const MIRRORED_MAX: usize = 1024;

pub(super) fn run(crossing: &Crossing) {
    let (mut inward, mut known) = (Inward::default(), 0);
    crossing.repeat(Direction::In, |hub, times| {
        if known != times {
            (inward, known) = (Inward::default(), times);
        }
        inward.round(crossing, hub)
    });
}

#[derive(Default)]
struct Inward {
    /// Their last signs of life.
    beats: HashMap<RegistrationId, Timestamp>,
    position: Option<Position>,
}

impl Inward {
    fn round(&mut self, crossing: &Crossing, hub: &dyn Backend) -> Result<(), BusError> {
        self.meet(crossing, hub)?;
        let position = self.position(crossing, hub)?;
        crossing.reached(Direction::In);
        let query = NoticeQuery {
            after: position.id,
            generation: Some(position.generation.clone()),
            ..NoticeQuery::default()
        };
        let page = match hub.wait(&query, LOOK) {
            Ok(page) => page,
            Err(BusError::GenerationChanged { .. }) => {
                self.position = Some(carried_on(crossing, hub, &position)?);
                return Ok(());
            }
            Err(BusError::CursorAhead { .. }) => {
                self.position = Some(Position { id: 0, ..position });
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if page.next == position.id {
            return Ok(());
        }
        // Whoever speaks is met first.
        self.meet(crossing, hub)?;
        let ours = living(crossing)?;
        for notice in &page.notices {
            if crossing.is_stopped() {
                return Ok(());
            }
            let taken = take_in(crossing, hub, birth(&page.generation), notice, &ours);
            if let Err(error) = taken {
                if !is_about_one(&error) {
                    return Err(error);
                }
                // It would be refused for ever, and everything behind it would wait.
                crossing.count(|state| state.left_out += 1);
            }
        }
        let reached = Position { generation: page.generation, id: page.next };
        crossing.bus.move_cursor(CONSUMER, CURSOR, &reached)?;
        self.position = Some(reached);
        Ok(())
    }

    fn position(&mut self, crossing: &Crossing, hub: &dyn Backend) -> Result<Position, BusError> {
        if let Some(known) = &self.position {
            return Ok(known.clone());
        }
        let position = match crossing.bus.cursor(CONSUMER, CURSOR)? {
            Some(stored) => stored,
            None => Position { id: 0, ..hub.newest_position()? },
        };
        self.position = Some(position.clone());
        Ok(position)
    }

    /// Makes the sessions of other machines known here, shows their signs of life, and ends those that are gone.
    fn meet(&mut self, crossing: &Crossing, hub: &dyn Backend) -> Result<(), BusError> {
        let bus = &crossing.bus;
        let ours = crossing.abroad(None);
        let theirs: Vec<Registration> = hub
            .registrations()?
            .into_iter()
            .filter(|known| !known.worktree.as_ref().is_some_and(|tree| tree.starts_with(&ours)))
            .take(MIRRORED_MAX)
            .collect();
        let here: HashSet<RegistrationId> = bus
            .sessions()?
            .into_iter()
            .filter(|session| session.machine.is_some())
            .map(|session| session.registration.id)
            .collect();
        for registration in &theirs {
            let id = registration.id;
            let beat = self.beats.insert(id, registration.heartbeat_at);
            let met = if here.contains(&id) {
                Ok(())
            } else if beat == Some(registration.heartbeat_at) {
                // It was refused before, and has not moved since.
                continue;
            } else {
                bus.register(mirrored(registration)).map(drop)
            };
            let met = met.and_then(|()| match beat {
                Some(beat) if beat != registration.heartbeat_at => bus.heartbeat(id),
                _ => Ok(()),
            });
            // One that cannot be had here (its id is a session's of ours, its name too long) keeps nobody else away.
            met.or_else(|error| if is_about_one(&error) { Ok(()) } else { Err(error) })?;
        }
        let there: HashSet<RegistrationId> = theirs.iter().map(|registration| registration.id).collect();
        for gone in here.difference(&there) {
            match bus.end(*gone, ELSEWHERE_END) {
                Ok(()) | Err(BusError::Ended(_) | BusError::NotRegistered(_)) => {}
                Err(error) => return Err(error),
            }
        }
        self.beats.retain(|id, _| there.contains(id));
        Ok(())
    }
}

/// Where to go on when the generation there is another. Of the same birth it is a server that was promoted or booted: its
/// ids mean what they meant, except those it lost. Else it is another bus under the same address, and all of it is new.
fn carried_on(crossing: &Crossing, hub: &dyn Backend, before: &Position) -> Result<Position, BusError> {
    let newest = hub.newest_position()?;
    if birth(&newest.generation) != birth(&before.generation) {
        return Ok(Position { id: 0, ..newest });
    }
    crossing.bus.forget_mirrors_after(birth(&newest.generation), newest.id)?;
    Ok(Position { id: before.id.min(newest.id), ..newest })
}

/// The fault lies in what came, not in the way it came or in the bus here.
fn is_about_one(error: &BusError) -> bool {
    matches!(
        error,
        BusError::Ended(_)
            | BusError::NotRegistered(_)
            | BusError::Invalid(_)
            | BusError::PayloadTooLarge { .. }
            | BusError::NoNotice(_)
            | BusError::KeyReused { .. }
            | BusError::Malformed { .. }
    )
}

fn mirrored(registration: &Registration) -> NewRegistration {
    NewRegistration {
        id: Some(registration.id),
        agent: registration.agent.clone(),
        vendor: registration.vendor.clone(),
        model: registration.model.clone(),
        session: registration.session,
        worktree: registration.worktree.clone(),
        liveness: Liveness::Elsewhere { machine: machine_of(registration.worktree.as_deref()).to_owned() },
    }
}

/// Sessions of this machine.
fn living(crossing: &Crossing) -> Result<HashSet<RegistrationId>, BusError> {
    let sessions = crossing.bus.sessions()?.into_iter();
    Ok(sessions.filter(|session| session.machine.is_none()).map(|session| session.registration.id).collect())
}

fn take_in(
    crossing: &Crossing,
    hub: &dyn Backend,
    generation: &str,
    notice: &Notice,
    ours: &HashSet<RegistrationId>,
) -> Result<(), BusError> {
    let bus = &crossing.bus;
    // What we sent comes by again, perhaps after its sender has gone.
    let sender = bus.is_of_here(notice.sender)?;
    if sender == Some(true) || bus.here(generation, notice.id)?.is_some() {
        return Ok(());
    }
    match notice.channel.as_str() {
        ACK_CHANNEL => return acknowledge(crossing, generation, notice),
        CLAIM_CHANNEL => return offers::serve(crossing, hub, generation, notice, ours),
        ANSWER_CHANNEL => return offers::take_answer(crossing, hub, generation, notice),
        other if other.starts_with(OWN_CHANNELS) => return Ok(()),
        _ => {}
    }
    let audience: Vec<RegistrationId> =
        notice.envelope.audience.iter().filter(|id| ours.contains(id)).copied().collect();
    let concerns_us = match notice.recipient {
        Some(recipient) => ours.contains(&recipient),
        None => notice.envelope.audience.is_empty() || !audience.is_empty(),
    };
    if !concerns_us {
        return Ok(());
    }
    if sender.is_none() {
        said_and_left(crossing, notice)?;
    }
    let reply_to = match notice.envelope.reply_to {
        Some(there) => bus.here(generation, there)?,
        None => None,
    };
    let ack = notice
        .envelope
        .ack_seconds
        .map(|seconds| AckRule { seconds, attempts: notice.envelope.ack_attempts.unwrap_or(1) });
    let new = NewNotice {
        recipient: notice.recipient,
        recipients: audience,
        // Their clock is not ours: it lives its time again from here on.
        ttl_seconds: Some(notice.ttl_seconds),
        thread: notice.envelope.thread.clone(),
        priority: notice.envelope.priority,
        reply_to,
        ack,
        ..NewNotice::new(notice.sender, notice.channel.clone(), notice.payload.clone())
    };
    if bus.import(generation, notice.id, &new, &notice.agent)? {
        crossing.count(|state| state.imported += 1);
    }
    Ok(())
}

/// Its sender ended before we met: what it said stays its word.
fn said_and_left(crossing: &Crossing, notice: &Notice) -> Result<(), BusError> {
    let left = NewRegistration {
        id: Some(notice.sender),
        agent: notice.agent.clone(),
        vendor: "elsewhere".to_owned(),
        model: None,
        session: None,
        worktree: None,
        liveness: Liveness::Elsewhere { machine: "elsewhere".to_owned() },
    };
    match crossing.bus.register(left) {
        Ok(registration) => crossing.bus.end(registration.id, ELSEWHERE_END),
        Err(BusError::Ended(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// One of theirs has acknowledged a notice of ours.
fn acknowledge(crossing: &Crossing, generation: &str, told: &Notice) -> Result<(), BusError> {
    let Some(there) = told.payload["notice"].as_i64() else { return Ok(()) };
    let Some(here) = crossing.bus.here(generation, there)? else { return Ok(()) };
    match crossing.bus.ack(here, told.sender) {
        Ok(()) | Err(BusError::NoNotice(_) | BusError::Ended(_) | BusError::NotRegistered(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
