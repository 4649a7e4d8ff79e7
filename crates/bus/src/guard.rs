//! The question a hook asks before an edit: may this session write this file? One read, under a millisecond; and the
//! notice that two sessions want one file.

use crate::bus::Bus;
use crate::error::{BusError, Contended};
use crate::ledger::Ledger;
use crate::lock::Wish;
use crate::lock_rows;
use crate::notice::{Durability, NewNotice};
use crate::registry;
use crate::write::Moment;
use model::{Channel, Lock, LockMode, RegistrationId};
use serde_json::json;

/// Most holders one conflict is announced to and about.
const CONFLICTS_MAX: usize = 4;

/// Whether a file may be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
    /// Nobody has it.
    Free,
    /// The asker's own lock covers it.
    Own(Lock),
    /// Locks of others exclude writing it.
    Held(Vec<Lock>),
}

impl Bus {
    /// What a write of `path` (relative to the worktree) would meet. It changes nothing and promises nothing for later:
    /// an edit that must not collide takes a lock.
    pub fn guard(
        &self,
        worktree: &str,
        path: &str,
        asker: Option<RegistrationId>,
    ) -> Result<Guard, BusError> {
        let path: model::RepoPath = path.parse().map_err(|error| BusError::Invalid(format!("{error}")))?;
        let path = self.inner.spelled(worktree, path.as_str());
        self.inner.read(|conn| {
            let now = Moment::read(&*self.inner.clock);
            let mut others = Vec::new();
            for held in lock_rows::held_over(conn, worktree, &path, now)? {
                if held.expires_ns <= now.ns || !held.pattern.matches(&path) {
                    continue;
                }
                if Some(held.lock.holder) == asker {
                    if held.lock.mode == LockMode::Exclusive {
                        return Ok(Guard::Own(held.lock));
                    }
                } else if held.lock.mode != LockMode::Advisory {
                    others.push(held.lock);
                }
            }
            let mut living = Vec::new();
            for lock in others {
                let dead = registry::entry(conn, lock.holder)?
                    .is_none_or(|entry| entry.death(&self.inner, now).is_some());
                if !dead {
                    living.push(lock);
                }
            }
            Ok(if living.is_empty() { Guard::Free } else { Guard::Held(living) })
        })
    }
}

/// Says on `file_conflict` who wants what of whom. Once per pair and path while the last such notice lives, however
/// often somebody tries.
pub(crate) fn announce(w: &mut impl Ledger, wish: &Wish, contended: &Contended) -> Result<(), BusError> {
    let (agent, _) = w.label(wish.holder)?;
    for lock in contended.holders.iter().take(CONFLICTS_MAX) {
        let Some(asked) =
            wish.patterns.iter().find(|pattern| crate::Pattern::from_normal(&lock.path).overlaps(pattern))
        else {
            continue;
        };
        let payload = json!({
            "file": asked.as_str(),
            "held": lock.path,
            "worktree": wish.worktree,
            "mode": wish.mode.as_str(),
            "sessions": [wish.holder, lock.holder],
            "agents": [agent, lock.agent],
        });
        let text = payload.to_string();
        let new = NewNotice {
            key: Some(format!("conflict:{}", blake3::hash(text.as_bytes()).to_hex())),
            durability: Durability::Process,
            ..NewNotice::new(wish.holder, Channel::file_conflict(), payload)
        };
        // A notice's limits: a path is shorter by far.
        w.say(&new, &text, &agent)?;
    }
    Ok(())
}
