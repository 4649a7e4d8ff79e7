//! Overlaps: two machines that hold the same path of one repo. Each has a worktree of its own, so nobody waits; both are
//! told at once, before the merge tells them.
//!
//! A lock held here lies on the other bus as an advisory one under the name of the repo. It is put there before the
//! others' are looked at, so of two that come at the same time at least one sees the other.

use super::{BEAT, Crossing};
use crate::backend::Backend;
use crate::error::BusError;
use crate::lock::LockRequest;
use crate::notice::NewNotice;
use crate::pattern::Pattern;
use model::{Channel, Lock, LockMode, Presence, RegistrationId};
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// What a lock lives there without a beat.
const LEASE: Duration = Duration::from_secs(BEAT.as_secs() * 4);

/// Holder, scope and path of a lock that lies there.
type Place = (RegistrationId, String, String);

#[derive(Default)]
pub(super) struct Overlaps {
    /// With its token there.
    shown: BTreeMap<Place, u64>,
}

impl Overlaps {
    pub(super) fn round(
        &mut self,
        crossing: &Crossing,
        hub: &dyn Backend,
        ours: &HashMap<RegistrationId, &Presence>,
        beat: bool,
    ) -> Result<(), BusError> {
        let mut held: BTreeMap<Place, Lock> = BTreeMap::new();
        for lock in crossing.bus.locks(None)?.into_iter().filter(|lock| lock.mode == LockMode::Exclusive) {
            let repo = ours.get(&lock.holder).and_then(|session| session.repo.as_ref());
            if let Some(repo) = repo {
                held.insert((lock.holder, format!("repo:{repo}"), lock.path.clone()), lock);
            }
        }
        if beat {
            self.renew(hub)?;
        }
        for (place, lock) in &held {
            if !self.shown.contains_key(place)
                && let Some(token) = show(hub, place)?
            {
                // Written down last: shown again is the same lock, and not told of is a conflict missed.
                warn(crossing, hub, place, lock, ours)?;
                self.shown.insert(place.clone(), token);
            }
        }
        let gone: Vec<Place> = self.shown.keys().filter(|place| !held.contains_key(place)).cloned().collect();
        for place in gone {
            if let Some(token) = self.shown.get(&place) {
                gone_there(hub.release(*token, place.0))?;
            }
            self.shown.remove(&place);
        }
        Ok(())
    }

    fn renew(&mut self, hub: &dyn Backend) -> Result<(), BusError> {
        let mut lost = Vec::new();
        for (place, token) in &self.shown {
            match hub.renew(*token, place.0, LEASE) {
                Ok(_) => {}
                Err(BusError::Lost(_) | BusError::Ended(_) | BusError::NotRegistered(_)) => {
                    lost.push(place.clone())
                }
                Err(error) => return Err(error),
            }
        }
        // What was lost there is shown again.
        self.shown.retain(|place, _| !lost.contains(place));
        Ok(())
    }
}

fn gone_there(done: Result<(), BusError>) -> Result<(), BusError> {
    match done {
        Err(BusError::Lost(_) | BusError::Ended(_) | BusError::NotRegistered(_)) => Ok(()),
        done => done,
    }
}

/// The token it has there; none when its holder is not known there.
fn show(hub: &dyn Backend, (holder, scope, path): &Place) -> Result<Option<u64>, BusError> {
    let request = LockRequest {
        worktree: scope.clone(),
        paths: vec![path.clone()],
        mode: LockMode::Advisory,
        holder: *holder,
        ttl: LEASE,
    };
    match hub.acquire(&request) {
        Ok(acquired) => Ok(acquired.locks.first().map(|lock| lock.token)),
        Err(BusError::Ended(_) | BusError::NotRegistered(_) | BusError::Invalid(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Tells our session and each of another machine that holds the same.
fn warn(
    crossing: &Crossing,
    hub: &dyn Backend,
    (holder, scope, path): &Place,
    lock: &Lock,
    ours: &HashMap<RegistrationId, &Presence>,
) -> Result<(), BusError> {
    let pattern = Pattern::from_normal(path);
    for other in hub.locks(Some(scope))? {
        if ours.contains_key(&other.holder) || !Pattern::from_normal(&other.path).overlaps(&pattern) {
            continue;
        }
        let payload = json!({
            "file": path,
            "held": other.path,
            "repo": scope.trim_start_matches("repo:"),
            "worktree": lock.worktree,
            "mode": lock.mode.as_str(),
            "sessions": [holder, other.holder],
            "agents": [lock.agent, other.agent],
            "elsewhere": true,
        });
        let key = Some(format!("overlap:{}", blake3::hash(payload.to_string().as_bytes()).to_hex()));
        // Nobody hears what he says himself: each is told in the other's name.
        for (sender, recipient) in [(*holder, other.holder), (other.holder, *holder)] {
            let new = NewNotice {
                recipient: Some(recipient),
                key: key.clone(),
                ..NewNotice::new(sender, Channel::file_conflict(), payload.clone())
            };
            match crossing.bus.publish(new) {
                // One of them ended, or is not met yet: there is no conflict to tell of.
                Ok(_) | Err(BusError::Ended(_) | BusError::NotRegistered(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}
