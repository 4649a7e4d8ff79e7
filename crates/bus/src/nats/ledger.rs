//! A change of locks and queue: read, decided upon in memory by the code all backends share, and stored if nobody was
//! faster; else once more from the start.
//!
//! What a change does beside (a notice of the conflict, the end of a registration that died) is done after it was stored.
//! A process killed in between leaves a dead registration to whoever meets it next, and a conflict untold.

use super::bell::Bell;
use super::fault::Fault;
use super::queue::{QUEUE_PATHS_MAX, Table, Tokens, WAIT_LEASE};
use super::registration::{Entry, present_in};
use super::{Nats, Pauses, read_bytes};
use crate::error::BusError;
use crate::ledger::Ledger;
use crate::lock::{Wait, Wish};
use crate::notice::NewNotice;
use crate::scene::{Grant, Held, Scene, Scope, Waiting};
use crate::write::{Moment, nanos};
use model::{Event, Lock, LockPhase, RegistrationId, SessionId};
use std::collections::HashMap;

/// The key of all locks and of their queue.
pub(crate) const KEY: &str = "locks";

/// Locks and queue while one change is being made.
pub(crate) struct Draft<'a> {
    nats: &'a Nats,
    pub(crate) table: Table,
    now: Moment,
    changed: bool,
    people: HashMap<RegistrationId, Option<Entry>>,
    said: Vec<NewNotice>,
    buried: Vec<(RegistrationId, String)>,
}

impl Nats {
    /// Changes locks and queue; `step` may be asked again. What it returns has tokens of the change in it, which
    /// [`Tokens::settled`] makes final.
    pub(super) fn locking<T>(
        &self,
        mut step: impl FnMut(&mut Draft<'_>) -> Result<T, BusError>,
    ) -> Result<(T, Tokens), BusError> {
        let mut pauses = Pauses::new();
        loop {
            let doc = self.link.get_one(KEY)?;
            let revision = doc.as_ref().map_or(0, |doc| doc.revision);
            if let Some(doc) = &doc {
                self.saw(doc.stamp);
            }
            // Early: whoever takes what another's lease leaves must be sure that it is over.
            let now = self.now()?.early();
            let table = match read_bytes(doc.as_ref()) {
                Some(bytes) => Table::read(bytes, revision, now)?,
                None => Table::empty(self.token_base()?),
            };
            let mut draft = Draft {
                nats: self,
                table,
                now,
                changed: false,
                people: HashMap::new(),
                said: Vec::new(),
                buried: Vec::new(),
            };
            let out = step(&mut draft)?;
            let Draft { table, changed, said, buried, .. } = draft;
            let stored = match changed {
                false => revision,
                true => {
                    let value = table.write()?;
                    self.fits(&value)?;
                    match self.link.put(KEY, value, revision) {
                        Ok(stored) => stored,
                        Err(Fault::Overtaken) => {
                            pauses.next(self.random())?;
                            continue;
                        }
                        Err(fault) => return Err(self.link.undone(fault)),
                    }
                }
            };
            if changed {
                self.link.ring(Bell::Locks);
            }
            self.follow_up(&said, &buried)?;
            return Ok((out, Tokens { base: table.base, revision: stored }));
        }
    }

    fn follow_up(&self, said: &[NewNotice], buried: &[(RegistrationId, String)]) -> Result<(), BusError> {
        for (id, reason) in buried {
            let now = self.now()?.early();
            // One that showed a sign of life after all keeps its place; what it held it has lost.
            match self.mark_ended(*id, reason, |entry| entry.death(now).is_some()) {
                Ok(true) => self.abandon_claims(&[*id])?,
                Ok(false) | Err(BusError::NotRegistered(_)) => {}
                Err(error) => return Err(error),
            }
        }
        for new in said {
            // The asker learns of the conflict by its answer, whether the notice of it went out or not.
            let _ = self.publish_all(std::slice::from_ref(new));
        }
        Ok(())
    }

    /// Where the tokens of this bucket begin.
    pub(super) fn token_base(&self) -> Result<u64, BusError> {
        Ok(Tokens::base(self.link.bucket_extent()?.made))
    }

    /// Locks and queue as they are, with the time at which they were read.
    pub(super) fn table(&self) -> Result<(Table, super::hour::Span), BusError> {
        let doc = self.link.get_one(KEY)?;
        // The clock is read after the value: whoever took a lock since then did so after its lease was over.
        let now = self.now()?.not_before(doc.as_ref().map_or(0, |doc| doc.stamp));
        let table = match (read_bytes(doc.as_ref()), &doc) {
            (Some(bytes), Some(doc)) => Table::read(bytes, doc.revision, now.middle())?,
            _ => Table::empty(0),
        };
        Ok((table, now))
    }
}

impl Draft<'_> {
    fn entry(&mut self, id: RegistrationId) -> Result<Option<&Entry>, BusError> {
        if !self.people.contains_key(&id) {
            let found = self.nats.known(&[id])?.remove(&id);
            self.people.insert(id, found);
        }
        Ok(self.people.get(&id).and_then(Option::as_ref))
    }

    /// Frees what these held and takes them out of the queue.
    pub(crate) fn free_all_of(&mut self, ended: &[RegistrationId]) -> Vec<Held> {
        let scene = &mut self.table.scene;
        let (freed, rest): (Vec<Held>, Vec<Held>) =
            std::mem::take(&mut scene.locks).into_iter().partition(|held| ended.contains(&held.lock.holder));
        scene.locks = rest;
        let before = scene.waits.len();
        scene.waits.retain(|waiting| !ended.contains(&waiting.wait.holder));
        self.changed |= !freed.is_empty() || scene.waits.len() < before;
        freed
    }

    /// The waiter is still there.
    pub(crate) fn hear(&mut self, id: i64) {
        let until = self.now.ns.saturating_add(nanos(WAIT_LEASE));
        if let Some(waiting) = self.table.scene.waits.iter_mut().find(|waiting| waiting.wait.id == id) {
            waiting.heard_until_ns = Some(until);
            self.changed = true;
        }
    }
}

impl Ledger for Draft<'_> {
    fn now(&self) -> Moment {
        self.now
    }

    fn load(&mut self, _: Scope<'_>) -> Result<Scene, BusError> {
        Ok(Scene { locks: self.table.scene.locks.clone(), waits: self.table.scene.waits.clone() })
    }

    fn held_under(&mut self, token: u64) -> Result<Option<Held>, BusError> {
        Ok(self.table.scene.locks.iter().find(|held| held.lock.token == token).cloned())
    }

    fn mint(&mut self) -> Result<u64, BusError> {
        self.table.mint()
    }

    fn insert(&mut self, lock: &Lock, expires_ns: i64) -> Result<(), BusError> {
        let pattern = crate::Pattern::from_normal(&lock.path);
        self.table.scene.locks.push(Held { lock: lock.clone(), pattern, expires_ns });
        self.changed = true;
        Ok(())
    }

    fn extend(&mut self, token: u64, expires_ns: i64) -> Result<(), BusError> {
        let now = self.now;
        if let Some(held) = self.table.scene.locks.iter_mut().find(|held| held.lock.token == token) {
            held.expires_ns = expires_ns;
            held.lock.expires_at = now.wall_at(expires_ns);
            self.changed = true;
        }
        Ok(())
    }

    fn free(&mut self, held: &Held, _: LockPhase) -> Result<(), BusError> {
        self.table.scene.locks.retain(|other| other.lock.token != held.lock.token);
        self.changed = true;
        Ok(())
    }

    fn touch(&mut self, _: RegistrationId) {}

    fn enqueue(&mut self, wish: &Wish, bell: &str) -> Result<i64, BusError> {
        let waits = &self.table.scene.waits;
        let queued: usize = waits.iter().map(|waiting| waiting.patterns.len()).sum();
        if queued + wish.patterns.len() > QUEUE_PATHS_MAX {
            return Err(BusError::Invalid(format!(
                "all sessions of a workspace on NATS wait for at most {QUEUE_PATHS_MAX} paths together, and {queued} \
                 are waited for; try again later, or for fewer"
            )));
        }
        let (agent, session) = self.label(wish.holder)?;
        let id = self.table.next_wait;
        self.table.next_wait += 1;
        self.table.scene.waits.push(Waiting {
            wait: Wait {
                id,
                worktree: wish.worktree.clone(),
                paths: wish.patterns.iter().map(|pattern| pattern.as_str().to_owned()).collect(),
                mode: wish.mode,
                holder: wish.holder,
                agent,
                session,
                since: self.now.wall,
                blocked_by: Vec::new(),
            },
            patterns: wish.patterns.clone(),
            ttl_ns: wish.ttl_ns,
            bell: bell.to_owned(),
            heard_until_ns: Some(self.now.ns.saturating_add(nanos(WAIT_LEASE))),
            grant: None,
        });
        self.changed = true;
        Ok(id)
    }

    fn forget(&mut self, waiting: &Waiting) -> Result<(), BusError> {
        self.table.scene.waits.retain(|other| other.wait.id != waiting.wait.id);
        self.changed = true;
        Ok(())
    }

    fn give(&mut self, waiting: &Waiting, grant: &Grant) -> Result<(), BusError> {
        let waits = &mut self.table.scene.waits;
        if let Some(own) = waits.iter_mut().find(|other| other.wait.id == waiting.wait.id) {
            own.grant = Some(grant.clone());
            self.changed = true;
        }
        Ok(())
    }

    fn is_heard(&self, waiting: &Waiting) -> bool {
        waiting.heard_until_ns.is_none_or(|until| until > self.now.ns)
    }

    fn living(&mut self, id: RegistrationId) -> Result<(), BusError> {
        let entry = self.nats.living(id)?;
        self.people.insert(id, Some(entry));
        Ok(())
    }

    fn death(&mut self, id: RegistrationId) -> Result<Option<&'static str>, BusError> {
        let now = self.now;
        Ok(match self.entry(id)? {
            Some(entry) => entry.death(now),
            None => Some("died"),
        })
    }

    fn bury(&mut self, id: RegistrationId, reason: &str) -> Result<Vec<Held>, BusError> {
        self.buried.push((id, reason.to_owned()));
        Ok(self.free_all_of(&[id]))
    }

    fn label(&mut self, id: RegistrationId) -> Result<(String, Option<SessionId>), BusError> {
        let found = self.entry(id)?.cloned();
        let known: HashMap<RegistrationId, Entry> = found.into_iter().map(|entry| (id, entry)).collect();
        present_in(&known, id).map(|entry| (entry.agent().to_owned(), entry.session()))
    }

    fn burden(&mut self, id: RegistrationId) -> Result<u64, BusError> {
        let scene = &self.table.scene;
        let held = scene.locks.iter().filter(|held| held.lock.holder == id).count();
        Ok((held + scene.waits.iter().filter(|waiting| waiting.wait.holder == id).count()) as u64)
    }

    fn globs(&mut self, id: RegistrationId) -> Result<usize, BusError> {
        let locks = self.table.scene.locks.iter();
        Ok(locks.filter(|held| held.lock.holder == id && held.pattern.is_glob()).count())
    }

    fn say(&mut self, new: &NewNotice, _: &str, _: &str) -> Result<(), BusError> {
        self.said.push(new.clone());
        Ok(())
    }

    /// Whoever keeps history has the bus of its own machine.
    fn tell(&mut self, _: &Event) -> Result<(), BusError> {
        Ok(())
    }
}
