//! Locks: what is asked, what is granted, and the fencing check. `scene` decides, `queue` carries out.

use crate::bus::{Bus, Inner};
use crate::error::{BusError, Contended, LockLost};
use crate::guard;
use crate::pattern::Pattern;
use crate::queue;
use crate::registration;
use crate::registry;
use crate::scene::{self, Blockers, Claim, Held, Scene, Scope};
use crate::write::{Moment, Write, nanos, signed};
use model::{Lock, LockMode, LockPhase, RegistrationId, SessionId, Timestamp};
use rusqlite::{Connection, params};
use std::time::Duration;

/// Most paths in one request.
pub const LOCK_PATHS_MAX: usize = 256;
/// Longest lease.
pub const LOCK_TTL_MAX: Duration = Duration::from_secs(24 * 3600);
/// Most globs in one request: two of them are compared by walking both, which is the work of a name squared.
pub const LOCK_GLOBS_MAX: usize = 32;
/// Most globs one registration holds or waits for.
pub const GLOBS_PER_HOLDER_MAX: usize = 128;
/// Most locks and waiting requests of one registration, together.
pub const LOCKS_PER_HOLDER_MAX: u64 = 4096;

/// A wish for locks on all of `paths`, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockRequest {
    /// Canonical path of the worktree.
    pub worktree: String,
    /// Paths or globs relative to the worktree; see [`crate::Pattern`]. One to [`LOCK_PATHS_MAX`].
    pub paths: Vec<String>,
    pub mode: LockMode,
    /// A live registration.
    pub holder: RegistrationId,
    /// How long the lease lasts unless renewed, from the moment of the grant; at most [`LOCK_TTL_MAX`].
    pub ttl: Duration,
}

/// Granted locks, in the order of the request's paths. What the holder had already is there under its old token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acquired {
    pub locks: Vec<Lock>,
}

/// A request in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// Place in the queue: lower is earlier.
    pub id: i64,
    pub worktree: String,
    pub paths: Vec<String>,
    pub mode: LockMode,
    pub holder: RegistrationId,
    pub agent: String,
    pub session: Option<SessionId>,
    pub since: Timestamp,
    /// Whom it waits for now: holders, and earlier waiters.
    pub blocked_by: Vec<RegistrationId>,
}

/// A request whose parts have been checked.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) worktree: String,
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) mode: LockMode,
    pub(crate) holder: RegistrationId,
    pub(crate) ttl_ns: i64,
}

impl Wish {
    pub(crate) fn read(inner: &Inner, request: &LockRequest) -> Result<Self, BusError> {
        if request.worktree.is_empty() {
            return Err(BusError::Invalid("a lock needs the path of its worktree".to_owned()));
        }
        if request.paths.is_empty() || request.paths.len() > LOCK_PATHS_MAX {
            return Err(BusError::Invalid(format!("a request names 1 to {LOCK_PATHS_MAX} paths")));
        }
        let mut patterns: Vec<Pattern> = Vec::with_capacity(request.paths.len());
        for path in &request.paths {
            let pattern = Pattern::parse(&inner.spelled(&request.worktree, path))?;
            if patterns.iter().any(|known| known.as_str() == pattern.as_str()) {
                return Err(BusError::Invalid(format!("`{}` is named twice", pattern.as_str())));
            }
            patterns.push(pattern);
        }
        if patterns.iter().filter(|pattern| pattern.is_glob()).count() > LOCK_GLOBS_MAX {
            return Err(BusError::Invalid(format!("a request names at most {LOCK_GLOBS_MAX} globs")));
        }
        Ok(Self {
            worktree: request.worktree.clone(),
            patterns,
            mode: request.mode,
            holder: request.holder,
            ttl_ns: lease(request.ttl)?,
        })
    }

    pub(crate) fn claim(&self) -> Claim<'_> {
        Claim {
            worktree: &self.worktree,
            patterns: &self.patterns,
            mode: self.mode,
            holder: self.holder,
            place: None,
        }
    }
}

pub(crate) fn lease(ttl: Duration) -> Result<i64, BusError> {
    if ttl.is_zero() || ttl > LOCK_TTL_MAX {
        let most = LOCK_TTL_MAX.as_secs();
        return Err(BusError::Invalid(format!("a lock's lease is at most {most} s and not 0")));
    }
    Ok(nanos(ttl))
}

/// How an attempt to take locks came out. What it cleared away on the way is kept in every case.
#[derive(Debug)]
pub(crate) enum Attempt {
    Granted(Vec<Lock>),
    /// The scene and what is in the way.
    Blocked(Contended, Option<Vec<RegistrationId>>),
    Upgrade(String, Vec<Lock>),
}

/// Takes the locks if nothing stands in the way; holders and waiters who turn out to be dead do not.
pub(crate) fn attempt(w: &mut Write<'_>, wish: &Wish) -> Result<Attempt, BusError> {
    registration::living(w, wish.holder)?;
    let load = registry::burden(w.conn, wish.holder)? + wish.patterns.len() as u64;
    if load > LOCKS_PER_HOLDER_MAX {
        return Err(BusError::Invalid(format!("one session holds at most {LOCKS_PER_HOLDER_MAX} locks")));
    }
    let globs = wish.patterns.iter().filter(|pattern| pattern.is_glob()).count();
    if globs > 0 && globs + registry::globs(w.conn, wish.holder)? > GLOBS_PER_HOLDER_MAX {
        return Err(BusError::Invalid(format!("one session holds at most {GLOBS_PER_HOLDER_MAX} globs")));
    }
    let mut freed: Vec<Held> = Vec::new();
    let mut scene = queue::settle(w, Scope::Worktree(&wish.worktree), Vec::new())?;
    let claim = wish.claim();
    loop {
        let blockers = scene.in_the_way(&claim);
        let dead = dead_among(w, &blockers)?;
        if dead.is_empty() {
            break;
        }
        for (entry, reason) in dead {
            freed.extend(registration::bury(w, &entry, reason)?);
        }
        scene = queue::settle(w, Scope::Worktree(&wish.worktree), freed.clone())?;
    }
    let blockers = scene.in_the_way(&claim);
    if !blockers.is_empty() {
        if let Some((path, holders)) = upgrade(&scene, wish, &blockers) {
            return Ok(Attempt::Upgrade(path, holders));
        }
        let ring = scene.ring(wish.holder, &blockers);
        return Ok(Attempt::Blocked(blockers.contended(&scene), ring));
    }
    let grant = queue::grant(w, &mut scene, &claim, wish.ttl_ns, &freed)?;
    Ok(Attempt::Granted(pick(&scene, &grant.tokens)))
}

pub(crate) fn pick(scene: &Scene, tokens: &[u64]) -> Vec<Lock> {
    let find = |token: &u64| scene.locks.iter().find(|held| held.lock.token == *token);
    tokens.iter().filter_map(find).map(|held| held.lock.clone()).collect()
}

pub(crate) fn dead_among(
    w: &Write<'_>,
    blockers: &Blockers<'_>,
) -> Result<Vec<(registry::Entry, &'static str)>, BusError> {
    let mut dead: Vec<(registry::Entry, &'static str)> = Vec::new();
    for holder in blockers.holders() {
        if dead.iter().all(|(entry, _)| entry.registration.id != holder)
            && let Some(entry) = registry::entry(w.conn, holder)?
            && let Some(reason) = entry.death(w.inner, w.now)
        {
            dead.push((entry, reason));
        }
    }
    Ok(dead)
}

/// A shared lock the asker holds on the very path it wants exclusively, while others share it: were it to wait,
/// two who do the same would wait for each other.
fn upgrade(scene: &Scene, wish: &Wish, blockers: &Blockers<'_>) -> Option<(String, Vec<Lock>)> {
    if wish.mode != LockMode::Exclusive {
        return None;
    }
    wish.patterns.iter().find_map(|pattern| {
        let shares = scene.locks.iter().any(|held| {
            held.lock.holder == wish.holder
                && held.lock.worktree == wish.worktree
                && held.lock.mode == LockMode::Shared
                && held.lock.path == pattern.as_str()
        });
        let others: Vec<Lock> = blockers
            .locks
            .iter()
            .filter(|held| held.pattern.overlaps(pattern))
            .map(|held| held.lock.clone())
            .collect();
        (shares && !others.is_empty()).then(|| (pattern.as_str().to_owned(), others))
    })
}

impl Bus {
    /// Takes the locks now or not at all ([`BusError::Contended`]).
    pub fn acquire(&self, request: &LockRequest) -> Result<Acquired, BusError> {
        let wish = Wish::read(&self.inner, request)?;
        let attempt = |w: &mut Write<'_>| {
            let made = attempt(w, &wish)?;
            if let Attempt::Blocked(contended, _) = &made {
                guard::announce(w, &wish, contended)?;
            }
            Ok(made)
        };
        match self.inner.write(attempt)? {
            Attempt::Granted(locks) => Ok(Acquired { locks }),
            Attempt::Blocked(contended, _) => Err(BusError::Contended(contended)),
            Attempt::Upgrade(path, holders) => Err(BusError::Upgrade { path, holders }),
        }
    }

    /// Sets the lease to `ttl` from now. Refused with [`BusError::Lost`] when it has run out, even if
    /// nobody took the lock: what happened in between is unknown.
    pub fn renew(&self, token: u64, holder: RegistrationId, ttl: Duration) -> Result<Lock, BusError> {
        let ttl_ns = lease(ttl)?;
        self.inner.write(|w| {
            let held = own(w.conn, token, holder, w.now)?;
            if held.expires_ns <= w.now.ns {
                return Err(LockLost::Expired { token }.into());
            }
            registration::living(w, holder)?;
            let expires_ns = w.now.ns.saturating_add(ttl_ns);
            w.conn
                .prepare_cached("UPDATE locks SET expires_ns = ?1 WHERE token = ?2")?
                .execute(params![expires_ns, signed(token)])?;
            Ok(Lock { expires_at: w.now.wall_at(expires_ns), ..held.lock })
        })
    }

    /// Gives a lock back. [`BusError::Lost`] says that it was lost before, so what was done under it may not stand.
    pub fn release(&self, token: u64, holder: RegistrationId) -> Result<(), BusError> {
        let kept = self.inner.write(|w| {
            let held = own(w.conn, token, holder, w.now)?;
            let kept = held.expires_ns > w.now.ns;
            queue::free(w, &held, if kept { LockPhase::Released } else { LockPhase::Expired })?;
            queue::settle(w, Scope::Worktree(&held.lock.worktree), Vec::new())?;
            Ok(kept)
        })?;
        if kept { Ok(()) } else { Err(LockLost::Expired { token }.into()) }
    }

    /// Gives back everything the registration holds and returns what of it was still in force. Its waits stay.
    pub fn release_all(&self, holder: RegistrationId) -> Result<Vec<Lock>, BusError> {
        self.inner.write(|w| {
            let mut released = Vec::new();
            for held in scene::held_by(w.conn, holder, w.now)? {
                let kept = held.expires_ns > w.now.ns;
                queue::free(w, &held, if kept { LockPhase::Released } else { LockPhase::Expired })?;
                if kept {
                    released.push(held.lock);
                }
            }
            queue::settle(w, Scope::All, Vec::new())?;
            Ok(released)
        })
    }

    /// Takes a lock from whoever holds it, by order of a person.
    pub fn break_lock(&self, token: u64) -> Result<Lock, BusError> {
        self.inner.write(|w| {
            let held = scene::held_under(w.conn, token, w.now)?.ok_or(LockLost::Gone { token })?;
            queue::free(w, &held, LockPhase::Broken)?;
            queue::settle(w, Scope::Worktree(&held.lock.worktree), Vec::new())?;
            Ok(held.lock)
        })
    }

    /// The fencing check: may `holder` write `path` under `token` now? Ask while nobody else can
    /// write the file, then write. A shared or advisory lock never passes.
    pub fn check(
        &self,
        token: u64,
        worktree: &str,
        path: &str,
        holder: RegistrationId,
    ) -> Result<(), BusError> {
        let path = self.inner.spelled(worktree, path);
        let path = path.as_str();
        let checked = self.inner.read(|conn| {
            let held = match own(conn, token, holder, Moment::read(&*self.inner.clock)) {
                Err(BusError::Lost(lost)) => return Ok(Err(lost)),
                held => held?,
            };
            // The clock is read after the row: whoever took the lock since then did so after the lease ran out.
            let now = Moment::read(&*self.inner.clock);
            Ok(if held.expires_ns <= now.ns {
                Err(LockLost::Expired { token })
            } else if held.lock.worktree != worktree || !held.pattern.matches(path) {
                Err(LockLost::NotCovered { token, held: held.lock.path, path: path.to_owned() })
            } else if held.lock.mode != LockMode::Exclusive {
                Err(LockLost::NotExclusive { token, path: path.to_owned() })
            } else {
                Ok(())
            })
        })?;
        match checked {
            Ok(()) => Ok(()),
            Err(LockLost::Gone { .. } | LockLost::Expired { .. }) => {
                let present = self.locks(Some(worktree))?.into_iter().find(|lock| {
                    lock.holder != holder
                        && lock.mode != LockMode::Advisory
                        && Pattern::from_normal(&lock.path).matches(path)
                });
                Err(match (present, checked) {
                    (Some(by), _) => LockLost::Taken { token, by: Box::new(by) }.into(),
                    (None, Err(lost)) => lost.into(),
                    (None, Ok(())) => LockLost::Gone { token }.into(),
                })
            }
            Err(lost) => Err(lost.into()),
        }
    }

    /// Locks in force, oldest token first; of one worktree or of all.
    pub fn locks(&self, worktree: Option<&str>) -> Result<Vec<Lock>, BusError> {
        let scope = worktree.map_or(Scope::All, Scope::Worktree);
        let (held, now) = self.inner.read(|conn| {
            let held = scene::held(conn, scope, Moment::read(&*self.inner.clock))?;
            Ok((held, Moment::read(&*self.inner.clock)))
        })?;
        Ok(held
            .into_iter()
            .filter(|held| held.expires_ns > now.ns)
            .filter(|held| worktree.is_none_or(|worktree| held.lock.worktree == worktree))
            .map(|held| held.lock)
            .collect())
    }

    /// The queue, earliest first.
    pub fn waits(&self) -> Result<Vec<Wait>, BusError> {
        self.inner.read(|conn| {
            let now = Moment::read(&*self.inner.clock);
            let mut scene = Scene::load(conn, Scope::All, now)?;
            scene.locks.retain(|held| held.expires_ns > now.ns);
            let waiting = scene.waits.iter().filter(|waiting| waiting.grant.is_none());
            Ok(waiting.map(|waiting| scene.describe(waiting)).collect())
        })
    }
}

/// The lock under this token, if it is the caller's.
fn own(conn: &Connection, token: u64, holder: RegistrationId, now: Moment) -> Result<Held, BusError> {
    match scene::held_under(conn, token, now)? {
        None => Err(LockLost::Gone { token }.into()),
        Some(held) if held.lock.holder != holder => {
            Err(LockLost::NotYours { token, owner: held.lock.holder }.into())
        }
        Some(held) => Ok(held),
    }
}
