//! Locks: what is asked, what is granted, and the fencing check. `scene` decides, `queue` carries out.

use crate::bus::Bus;
use crate::error::{BusError, Contended, LockLost};
use crate::guard;
use crate::ledger::Ledger;
use crate::lock_rows;
use crate::pattern::Pattern;
use crate::queue;
use crate::scene::{Blockers, Claim, Held, Scene, Scope};
use crate::write::{Moment, nanos};
use model::{Lock, LockMode, LockPhase, RegistrationId, SessionId, Timestamp};
use std::collections::BTreeSet;
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
    /// `spelled` gives a path as locks of the worktree name it.
    pub(crate) fn read(
        request: &LockRequest,
        spelled: impl Fn(&str, &str) -> String,
    ) -> Result<Self, BusError> {
        if request.worktree.is_empty() {
            return Err(BusError::Invalid("a lock needs the path of its worktree".to_owned()));
        }
        if request.paths.is_empty() || request.paths.len() > LOCK_PATHS_MAX {
            return Err(BusError::Invalid(format!("a request names 1 to {LOCK_PATHS_MAX} paths")));
        }
        let mut patterns: Vec<Pattern> = Vec::with_capacity(request.paths.len());
        for path in &request.paths {
            let pattern = Pattern::parse(&spelled(&request.worktree, path))?;
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
pub(crate) fn attempt(w: &mut impl Ledger, wish: &Wish) -> Result<Attempt, BusError> {
    w.living(wish.holder)?;
    let load = w.burden(wish.holder)? + wish.patterns.len() as u64;
    if load > LOCKS_PER_HOLDER_MAX {
        return Err(BusError::Invalid(format!("one session holds at most {LOCKS_PER_HOLDER_MAX} locks")));
    }
    let globs = wish.patterns.iter().filter(|pattern| pattern.is_glob()).count();
    if globs > 0 && globs + w.globs(wish.holder)? > GLOBS_PER_HOLDER_MAX {
        return Err(BusError::Invalid(format!("one session holds at most {GLOBS_PER_HOLDER_MAX} globs")));
    }
    let mut freed: Vec<Held> = Vec::new();
    let mut scene = queue::settle(w, Scope::Worktree(&wish.worktree), Vec::new())?;
    let claim = wish.claim();
    loop {
        let blockers = scene.in_the_way(&claim);
        let dead = dead_among(w, blockers.holders())?;
        if dead.is_empty() {
            break;
        }
        for (holder, reason) in dead {
            freed.extend(w.bury(holder, reason)?);
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

/// Those of them who died and are not cleared away yet.
pub(crate) fn dead_among(
    w: &mut impl Ledger,
    holders: impl Iterator<Item = RegistrationId>,
) -> Result<Vec<(RegistrationId, &'static str)>, BusError> {
    let mut dead: Vec<(RegistrationId, &'static str)> = Vec::new();
    for holder in holders {
        if dead.iter().all(|(known, _)| *known != holder)
            && let Some(reason) = w.death(holder)?
        {
            dead.push((holder, reason));
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

/// One attempt to take the locks now; a conflict is announced.
pub(crate) fn acquire(w: &mut impl Ledger, wish: &Wish) -> Result<Attempt, BusError> {
    let made = attempt(w, wish)?;
    if let Attempt::Blocked(contended, _) = &made {
        guard::announce(w, wish, contended)?;
    }
    Ok(made)
}

impl Attempt {
    pub(crate) fn into_result(self) -> Result<Acquired, BusError> {
        match self {
            Self::Granted(locks) => Ok(Acquired { locks }),
            Self::Blocked(contended, _) => Err(BusError::Contended(contended)),
            Self::Upgrade(path, holders) => Err(BusError::Upgrade { path, holders }),
        }
    }
}

/// Sets a lease to `ttl_ns` from now.
pub(crate) fn renew(
    w: &mut impl Ledger,
    token: u64,
    holder: RegistrationId,
    ttl_ns: i64,
) -> Result<Lock, BusError> {
    let held = own(w.held_under(token)?, token, holder)?;
    if held.expires_ns <= w.now().ns {
        return Err(LockLost::Expired { token }.into());
    }
    w.living(holder)?;
    let expires_ns = w.now().ns.saturating_add(ttl_ns);
    w.extend(token, expires_ns)?;
    Ok(Lock { expires_at: w.now().wall_at(expires_ns), ..held.lock })
}

/// Gives a lock back and hands it on; false when its lease was over before.
pub(crate) fn release(w: &mut impl Ledger, token: u64, holder: RegistrationId) -> Result<bool, BusError> {
    let held = own(w.held_under(token)?, token, holder)?;
    let kept = held.expires_ns > w.now().ns;
    w.free(&held, if kept { LockPhase::Released } else { LockPhase::Expired })?;
    queue::settle(w, Scope::Worktree(&held.lock.worktree), Vec::new())?;
    Ok(kept)
}

/// Gives locks back, then hands on what they kept from others. Those that were not the holder's any more are named.
fn release_each(
    w: &mut impl Ledger,
    tokens: &[u64],
    holder: RegistrationId,
) -> Result<Vec<LockLost>, BusError> {
    let (mut lost, mut worktrees) = (Vec::new(), BTreeSet::new());
    for &token in tokens {
        match own(w.held_under(token)?, token, holder) {
            Ok(held) => {
                let kept = held.expires_ns > w.now().ns;
                w.free(&held, if kept { LockPhase::Released } else { LockPhase::Expired })?;
                lost.extend((!kept).then_some(LockLost::Expired { token }));
                worktrees.insert(held.lock.worktree);
            }
            Err(one) => lost.push(one),
        }
    }
    for worktree in &worktrees {
        queue::settle(w, Scope::Worktree(worktree), Vec::new())?;
    }
    Ok(lost)
}

pub(crate) fn break_lock(w: &mut impl Ledger, token: u64) -> Result<Lock, BusError> {
    let held = w.held_under(token)?.ok_or(LockLost::Gone { token })?;
    w.free(&held, LockPhase::Broken)?;
    queue::settle(w, Scope::Worktree(&held.lock.worktree), Vec::new())?;
    Ok(held.lock)
}

/// Whether what is under this token lets its holder write the path. `now_ns` is read after the row.
pub(crate) fn covers(
    found: Option<Held>,
    (token, holder): (u64, RegistrationId),
    (worktree, path): (&str, &str),
    now_ns: i64,
) -> Result<(), LockLost> {
    let held = own(found, token, holder)?;
    if held.expires_ns <= now_ns {
        Err(LockLost::Expired { token })
    } else if held.lock.worktree != worktree || !held.pattern.matches(path) {
        Err(LockLost::NotCovered { token, held: held.lock.path, path: path.to_owned() })
    } else if held.lock.mode != LockMode::Exclusive {
        Err(LockLost::NotExclusive { token, path: path.to_owned() })
    } else {
        Ok(())
    }
}

/// Names who holds the path now, when that is why the lock was lost.
pub(crate) fn explain(lost: LockLost, present: Vec<Lock>, path: &str, holder: RegistrationId) -> LockLost {
    let (LockLost::Gone { token } | LockLost::Expired { token }) = lost else { return lost };
    let taken = present.into_iter().find(|lock| {
        lock.holder != holder
            && lock.mode != LockMode::Advisory
            && Pattern::from_normal(&lock.path).matches(path)
    });
    taken.map_or(lost, |by| LockLost::Taken { token, by: Box::new(by) })
}

impl Bus {
    /// Takes the locks now or not at all ([`BusError::Contended`]).
    pub fn acquire(&self, request: &LockRequest) -> Result<Acquired, BusError> {
        let wish = Wish::read(request, |tree, path| self.inner.spelled(tree, path))?;
        self.inner.write(|w| acquire(w, &wish))?.into_result()
    }

    /// Sets the lease to `ttl` from now. Refused with [`BusError::Lost`] when it has run out, even if
    /// nobody took the lock: what happened in between is unknown.
    pub fn renew(&self, token: u64, holder: RegistrationId, ttl: Duration) -> Result<Lock, BusError> {
        let ttl_ns = lease(ttl)?;
        self.inner.write(|w| renew(w, token, holder, ttl_ns))
    }

    /// Gives a lock back. [`BusError::Lost`] says that it was lost before, so what was done under it may not stand.
    pub fn release(&self, token: u64, holder: RegistrationId) -> Result<(), BusError> {
        let kept = self.inner.write(|w| release(w, token, holder))?;
        if kept { Ok(()) } else { Err(LockLost::Expired { token }.into()) }
    }

    /// Gives several locks back at once. What is given back says of which the holder had no lock any more, so that what was done
    /// under them may not stand; the others are free all the same. At most [`LOCK_PATHS_MAX`] of them: everybody waits for that write.
    pub fn release_each(&self, tokens: &[u64], holder: RegistrationId) -> Result<Vec<LockLost>, BusError> {
        if tokens.len() > LOCK_PATHS_MAX {
            return Err(BusError::Invalid(format!("at most {LOCK_PATHS_MAX} locks are given back at once")));
        }
        self.inner.write(|w| release_each(w, tokens, holder))
    }

    /// Gives back everything the registration holds and returns what of it was still in force. Its waits stay.
    pub fn release_all(&self, holder: RegistrationId) -> Result<Vec<Lock>, BusError> {
        self.inner.write(|w| {
            let mut released = Vec::new();
            for held in lock_rows::held_by(w.conn, holder, w.now)? {
                let kept = held.expires_ns > w.now.ns;
                w.free(&held, if kept { LockPhase::Released } else { LockPhase::Expired })?;
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
        self.break_lock_by(token, None)
    }

    /// The same, and the history names the session the order came from.
    pub fn break_lock_by(&self, token: u64, by: Option<RegistrationId>) -> Result<Lock, BusError> {
        self.inner.write(|w| {
            let held = w.held_under(token)?.ok_or(LockLost::Gone { token })?;
            w.take_away(&held, LockPhase::Broken, by)?;
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
            let found = lock_rows::held_under(conn, token, Moment::read(&*self.inner.clock))?;
            // The clock is read after the row: whoever took the lock since then did so after the lease ran out.
            let now = Moment::read(&*self.inner.clock);
            Ok(covers(found, (token, holder), (worktree, path), now.ns))
        })?;
        match checked {
            Ok(()) => Ok(()),
            Err(lost @ (LockLost::Gone { .. } | LockLost::Expired { .. })) => {
                Err(explain(lost, self.locks(Some(worktree))?, path, holder).into())
            }
            Err(lost) => Err(lost.into()),
        }
    }

    /// Locks in force, oldest token first; of one worktree or of all.
    pub fn locks(&self, worktree: Option<&str>) -> Result<Vec<Lock>, BusError> {
        let scope = worktree.map_or(Scope::All, Scope::Worktree);
        let (held, now) = self.inner.read(|conn| {
            let held = lock_rows::held(conn, scope, Moment::read(&*self.inner.clock))?;
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
            let mut scene = lock_rows::scene(conn, Scope::All, now)?;
            scene.locks.retain(|held| held.expires_ns > now.ns);
            let waiting = scene.waits.iter().filter(|waiting| waiting.grant.is_none());
            Ok(waiting.map(|waiting| scene.describe(waiting)).collect())
        })
    }
}

/// The lock under this token, if it is the caller's.
fn own(found: Option<Held>, token: u64, holder: RegistrationId) -> Result<Held, LockLost> {
    match found {
        None => Err(LockLost::Gone { token }),
        Some(held) if held.lock.holder != holder => {
            Err(LockLost::NotYours { token, owner: held.lock.holder })
        }
        Some(held) => Ok(held),
    }
}
