//! From the other machines to here: who is there, and what they say.

use super::offers::{self, ANSWER_CHANNEL};
use super::{ACK_CHANNEL, CONSUMER, Crossing, LOOK, OWN_CHANNELS, machine_of};
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

pub(super) fn run(crossing: &Crossing) {
    let mut inward = Inward::default();
    crossing.repeat(|hub| inward.round(crossing, hub));
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
        crossing.reached();
        let query = NoticeQuery {
            after: position.id,
            generation: Some(position.generation.clone()),
            ..NoticeQuery::default()
        };
        let page = match hub.wait(&query, LOOK) {
            Ok(page) => page,
            Err(BusError::GenerationChanged { generation }) => {
                // Another bus under the same address: all that lives there is new to us.
                self.position = Some(Position { generation, id: 0 });
                return Ok(());
            }
            Err(BusError::CursorAhead { .. }) => {
                self.position = Some(Position { id: 0, ..position });
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if page.notices.is_empty() {
            return Ok(());
        }
        // Whoever speaks is met first.
        self.meet(crossing, hub)?;
        let ours = living(crossing)?;
        for notice in &page.notices {
            take_in(crossing, hub, &page.generation, notice, &ours)?;
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
        let ours = crossing.abroad(None);
        let theirs: Vec<Registration> = hub
            .registrations()?
            .into_iter()
            .filter(|known| !known.worktree.as_ref().is_some_and(|tree| tree.starts_with(&ours)))
            .collect();
        let here: HashSet<RegistrationId> = crossing
            .bus
            .sessions()?
            .into_iter()
            .filter(|session| session.machine.is_some())
            .map(|session| session.registration.id)
            .collect();
        for registration in &theirs {
            if !here.contains(&registration.id) {
                match crossing.bus.register(mirrored(registration)) {
                    // It ended here once, and comes no more under that id.
                    Ok(_) | Err(BusError::Ended(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            let beat = self.beats.insert(registration.id, registration.heartbeat_at);
            if beat.is_some_and(|beat| beat != registration.heartbeat_at) {
                crossing.bus.heartbeat(registration.id)?;
            }
        }
        let there: HashSet<RegistrationId> = theirs.iter().map(|registration| registration.id).collect();
        for gone in here.difference(&there) {
            crossing.bus.end(*gone, "ended on its machine")?;
        }
        self.beats.retain(|id, _| there.contains(id));
        Ok(())
    }
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
        ANSWER_CHANNEL => return offers::take_answer(crossing, generation, notice),
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
    match bus.import(generation, notice.id, &new, &notice.agent) {
        Ok(true) => crossing.count(|state| state.imported += 1),
        Ok(false) => {}
        // Who it was for ended just now.
        Err(BusError::Ended(_) | BusError::NotRegistered(_) | BusError::Invalid(_)) => {
            crossing.count(|state| state.left_out += 1);
        }
        Err(error) => return Err(error),
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
        Ok(registration) => crossing.bus.end(registration.id, "ended on its machine"),
        Err(BusError::Ended(_) | BusError::Invalid(_)) => Ok(()),
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
