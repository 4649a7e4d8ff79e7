//! Registrations: one key each, written anew at every sign of life, so that the server's stamp on it is the heartbeat and
//! the lease runs from there. Nobody sees the processes of another machine: a registration lives by lease.

use super::bell::Bell;
use super::reading::Doc;
use super::{Nats, read, written};
use crate::cursor::check_channels;
use crate::error::BusError;
use crate::liveness;
use crate::registration::{HEARTBEAT_FLUSH, Liveness, NewRegistration};
use crate::write::{Moment, nanos};
use model::{Channel, Id, Registration, RegistrationId, RegistrationPhase, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What the key of a registration holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Member {
    registration: Registration,
    lease_ns: i64,
    /// What it listens to by name; none means every channel.
    #[serde(default)]
    channels: Vec<Channel>,
    #[serde(default)]
    ended: Option<End>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct End {
    ns: i64,
    reason: String,
}

/// Why a registration ended whose lease ran out; it may be announced again.
const EXPIRED: &str = "expired";

/// A registration and when it last showed a sign of life.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    member: Member,
    stamp: i64,
}

impl Entry {
    pub(crate) fn read(doc: Option<&Doc>) -> Result<Option<Self>, BusError> {
        let member: Option<Member> = read(doc, "a registration")?;
        Ok(member.zip(doc).map(|(member, doc)| Self { member, stamp: doc.stamp }))
    }

    pub(crate) fn id(&self) -> RegistrationId {
        self.member.registration.id
    }

    pub(crate) fn agent(&self) -> &str {
        &self.member.registration.agent
    }

    pub(crate) fn session(&self) -> Option<model::SessionId> {
        self.member.registration.session
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.member.ended.is_some()
    }

    pub(crate) fn ended_ns(&self) -> Option<i64> {
        self.member.ended.as_ref().map(|end| end.ns)
    }

    pub(crate) fn stamp(&self) -> i64 {
        self.stamp
    }

    pub(crate) fn lease_over_ns(&self) -> i64 {
        self.stamp.saturating_add(self.member.lease_ns)
    }

    /// Why it counts as dead, if it does.
    pub(crate) fn death(&self, now: Moment) -> Option<&'static str> {
        if self.has_ended() { Some("died") } else { (self.lease_over_ns() <= now.ns).then_some(EXPIRED) }
    }

    pub(crate) fn hears(&self, channel: &Channel) -> bool {
        self.member.channels.is_empty() || self.member.channels.contains(channel)
    }

    /// As others see it.
    pub(crate) fn shown(&self) -> Registration {
        let mut registration = self.member.registration.clone();
        registration.heartbeat_at = Timestamp::from_millis(self.stamp.div_euclid(1_000_000));
        if self.has_ended() {
            registration.phase = RegistrationPhase::Terminated;
        }
        registration
    }

    /// Whether this announces the same again; refused when it may not be.
    fn check_again(&self, new: &NewRegistration, lease_ns: i64) -> Result<(), BusError> {
        let known = &self.member.registration;
        if self.member.ended.as_ref().is_some_and(|end| end.reason != EXPIRED) {
            return Err(BusError::Ended(known.id));
        }
        if self.member.lease_ns == lease_ns && new.is_again(known) {
            Ok(())
        } else {
            Err(BusError::Invalid(format!("{} is registered with other data", known.id)))
        }
    }
}

pub(crate) fn key(id: RegistrationId) -> String {
    format!("registry.{id}")
}

impl Nats {
    pub(super) fn register(&self, new: NewRegistration) -> Result<Registration, BusError> {
        new.check()?;
        let Liveness::Lease { ttl } = new.liveness else {
            return Err(BusError::Invalid(
                "between machines a registration lives by lease: nobody sees the processes of another one"
                    .to_owned(),
            ));
        };
        liveness::prove(&new.liveness, 0)?;
        let id = new.id.unwrap_or_else(|| Id::new(&*self.clock, &*self.entropy));
        let now = self.now()?.middle();
        let registration = Registration {
            id,
            agent: new.agent.clone(),
            vendor: new.vendor.clone(),
            model: new.model.clone(),
            session: new.session,
            worktree: new.worktree.clone(),
            pid: None,
            phase: RegistrationPhase::Active,
            registered_at: now.wall,
            heartbeat_at: now.wall,
        };
        let lease_ns = nanos(ttl);
        let member = Member { registration, lease_ns, channels: Vec::new(), ended: None };
        let value = written(&member, "a registration")?;
        let (known, _) = self.change(&key(id), |doc| match Entry::read(doc)? {
            Some(known) => Ok((None, Some(known))),
            None => Ok((Some(value.clone()), None)),
        })?;
        match known {
            Some(known) => {
                known.check_again(&new, lease_ns)?;
                if known.death(self.now()?.late()).is_some() { self.revive(id) } else { Ok(known.shown()) }
            }
            None => {
                self.link.ring(Bell::Notices);
                // With the server's stamp, as everybody sees it.
                present_in(&self.known(&[id])?, id).map(Entry::shown)
            }
        }
    }

    /// Announces again what ended because its lease ran out. What it held is not its any more.
    fn revive(&self, id: RegistrationId) -> Result<Registration, BusError> {
        let now = self.now()?.late();
        self.mark_ended(id, EXPIRED, |entry| entry.death(now).is_some())?;
        // Its end may have been written by one who was killed before it freed anything. Who was revived by another in
        // between keeps what it took.
        if self.known(&[id])?.get(&id).is_some_and(Entry::has_ended) {
            self.bury(&[id])?;
        }
        self.change(&key(id), |doc| {
            let mut entry = Entry::read(doc)?.ok_or(BusError::NotRegistered(id))?;
            match entry.member.ended.take() {
                // Somebody was faster.
                None => Ok((None, ())),
                Some(end) if end.reason == EXPIRED => {
                    Ok((Some(written(&entry.member, "a registration")?), ()))
                }
                Some(_) => Err(BusError::Ended(id)),
            }
        })?;
        self.link.ring(Bell::Notices);
        present_in(&self.known(&[id])?, id).map(Entry::shown)
    }

    pub(super) fn heartbeat(&self, id: RegistrationId) -> Result<(), BusError> {
        self.touch(id, |_| {})
    }

    /// Writes the key anew, which is a sign of life.
    fn touch(&self, id: RegistrationId, edit: impl Fn(&mut Member)) -> Result<(), BusError> {
        self.change(&key(id), |doc| {
            let mut entry = Entry::read(doc)?.ok_or(BusError::NotRegistered(id))?;
            self.saw(entry.stamp);
            if entry.death(self.now()?.late()).is_some() {
                return Err(BusError::Ended(id));
            }
            edit(&mut entry.member);
            Ok((Some(written(&entry.member, "a registration")?), ()))
        })?;
        Ok(())
    }

    pub(super) fn listen_to(&self, id: RegistrationId, channels: &[Channel]) -> Result<(), BusError> {
        check_channels(channels)?;
        self.touch(id, |member| {
            member.channels.clear();
            for channel in channels {
                if !member.channels.contains(channel) {
                    member.channels.push(channel.clone());
                }
            }
        })?;
        self.link.ring(Bell::Notices);
        Ok(())
    }

    pub(super) fn registrations(&self) -> Result<Vec<Registration>, BusError> {
        let now = self.now()?.early();
        let mut all: Vec<Registration> =
            self.entries()?.iter().filter(|entry| entry.death(now).is_none()).map(Entry::shown).collect();
        all.sort_by_key(|registration| (registration.registered_at, registration.id));
        Ok(all)
    }

    /// Everybody there is a key of, the ended too.
    pub(super) fn entries(&self) -> Result<Vec<Entry>, BusError> {
        let docs = self.link.list("registry")?;
        // One that cannot be read keeps nobody from the others.
        Ok(docs.iter().filter_map(|doc| Entry::read(Some(doc)).ok().flatten()).collect())
    }

    /// What is known of these; who is not among the keys was never registered, or is long gone.
    pub(super) fn known(&self, ids: &[RegistrationId]) -> Result<HashMap<RegistrationId, Entry>, BusError> {
        let keys: Vec<String> = ids.iter().map(|id| key(*id)).collect();
        let mut all = HashMap::new();
        for doc in self.link.get(&keys)?.into_iter().flatten() {
            if let Some(entry) = Entry::read(Some(&doc))? {
                self.saw(entry.stamp);
                all.insert(entry.id(), entry);
            }
        }
        Ok(all)
    }

    /// The registration if it may act. Acting is a sign of life, so its key is written anew when it is due.
    pub(super) fn living(&self, id: RegistrationId) -> Result<Entry, BusError> {
        self.living_in(&self.known(&[id])?, id)
    }

    pub(super) fn living_in(
        &self,
        known: &HashMap<RegistrationId, Entry>,
        id: RegistrationId,
    ) -> Result<Entry, BusError> {
        let entry = present_in(known, id)?;
        let now = self.now()?.late();
        if entry.death(now).is_some() {
            return Err(BusError::Ended(id));
        }
        let due = (entry.member.lease_ns / 4).min(nanos(HEARTBEAT_FLUSH));
        if now.ns.saturating_sub(entry.stamp) >= due {
            self.heartbeat(id)?;
        }
        Ok(entry.clone())
    }

    pub(super) fn end(&self, id: RegistrationId, reason: &str) -> Result<(), BusError> {
        if self.mark_ended(id, reason, |_| true)? {
            self.bury(&[id])?;
        }
        Ok(())
    }

    /// Writes that it has ended, if `still` says so of what is there; false when it had ended before.
    pub(super) fn mark_ended(
        &self,
        id: RegistrationId,
        reason: &str,
        still: impl Fn(&Entry) -> bool,
    ) -> Result<bool, BusError> {
        let ns = self.now()?.middle().ns;
        let (ended, _) = self.change(&key(id), |doc| {
            let mut entry = Entry::read(doc)?.ok_or(BusError::NotRegistered(id))?;
            if entry.has_ended() || !still(&entry) {
                return Ok((None, false));
            }
            entry.member.ended = Some(End { ns, reason: reason.to_owned() });
            Ok((Some(written(&entry.member, "a registration")?), true))
        })?;
        Ok(ended)
    }

    /// Frees what the ended held and waited for. A process that dies in between leaves it to whoever comes by, since an
    /// ended registration keeps nobody out.
    pub(super) fn bury(&self, ended: &[RegistrationId]) -> Result<(), BusError> {
        self.free_all_of(ended)?;
        self.abandon_claims(ended)?;
        self.link.ring(Bell::Locks);
        self.link.ring(Bell::Notices);
        Ok(())
    }
}

pub(crate) fn present_in(
    known: &HashMap<RegistrationId, Entry>,
    id: RegistrationId,
) -> Result<&Entry, BusError> {
    let entry = known.get(&id).ok_or(BusError::NotRegistered(id))?;
    if entry.has_ended() { Err(BusError::Ended(id)) } else { Ok(entry) }
}
