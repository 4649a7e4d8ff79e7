//! Carrying out what the scene decides: freeing, granting, handing on.
//!
//! Whoever frees a lock hands it to the next in line in the same transaction, so a lock is never free
//! while somebody entitled waits for it, and a newcomer cannot slip in between.

use crate::error::BusError;
use crate::ledger::Ledger;
use crate::scene::{Claim, Grant, Held, Scene, Scope};
use model::{Event, Lock, LockChange, LockMode, LockPhase, RegistrationId};

pub(crate) fn change(lock: &Lock, phase: LockPhase, other: Option<RegistrationId>) -> Event {
    Event::LockChanged(LockChange {
        phase,
        worktree: lock.worktree.clone(),
        path: lock.path.clone(),
        mode: lock.mode,
        holder: lock.holder,
        agent: lock.agent.clone(),
        session: lock.session,
        token: lock.token,
        other,
    })
}

/// Brings the scene up to date: ends leases that ran
/// out, forgets waiters nobody listens for, and grants what has become free, in the order of the queue. `dead` are
/// locks this transaction has already freed because their holders died. Returns what is left.
pub(crate) fn settle(w: &mut impl Ledger, scope: Scope<'_>, mut dead: Vec<Held>) -> Result<Scene, BusError> {
    let mut scene = w.load(scope)?;
    let (gone, rest): (Vec<Held>, Vec<Held>) =
        scene.locks.into_iter().partition(|held| held.expires_ns <= w.now().ns);
    scene.locks = rest;
    for held in gone {
        w.free(&held, LockPhase::Expired)?;
        if w.death(held.lock.holder)?.is_some() {
            dead.push(held);
        }
    }
    forget_unheard(w, &mut scene)?;
    let mut index = 0;
    while index < scene.waits.len() {
        let waiting = scene.waits[index].clone();
        // One that is dead and not cleared away yet gets nothing; who waits behind it will notice.
        if waiting.grant.is_none()
            && scene.in_the_way(&waiting.claim()).is_empty()
            && w.death(waiting.wait.holder)?.is_none()
        {
            let grant = grant(w, &mut scene, &waiting.claim(), waiting.ttl_ns, &dead)?;
            w.give(&waiting, &grant)?;
            scene.waits[index].grant = Some(grant);
        }
        index += 1;
    }
    Ok(scene)
}

/// A waiter whose bell nobody has open is gone: its process died, or its thread gave up without a word. What
/// it was granted and never collected goes back.
fn forget_unheard(w: &mut impl Ledger, scene: &mut Scene) -> Result<(), BusError> {
    let unheard: Vec<usize> =
        (0..scene.waits.len()).filter(|index| !w.is_heard(&scene.waits[*index])).collect();
    for index in unheard.into_iter().rev() {
        let waiting = scene.waits.remove(index);
        w.forget(&waiting)?;
        let fresh = waiting.grant.map(|grant| grant.fresh).unwrap_or_default();
        for token in fresh {
            if let Some(at) = scene.locks.iter().position(|held| held.lock.token == token) {
                let held = scene.locks.remove(at);
                w.free(&held, LockPhase::Released)?;
            }
        }
    }
    Ok(())
}

/// Gives the claimant all it claims; the caller has made sure that nothing stands in the way.
pub(crate) fn grant(
    w: &mut impl Ledger,
    scene: &mut Scene,
    claim: &Claim<'_>,
    ttl_ns: i64,
    dead: &[Held],
) -> Result<Grant, BusError> {
    let expires_ns = w.now().ns.saturating_add(ttl_ns);
    let (agent, session) = w.label(claim.holder)?;
    let mut grant = Grant { tokens: Vec::new(), fresh: Vec::new() };
    for pattern in claim.patterns {
        let own = |mode: LockMode| {
            move |held: &Held| {
                held.lock.holder == claim.holder
                    && held.lock.worktree == claim.worktree
                    && held.lock.path == pattern.as_str()
                    && held.lock.mode == mode
            }
        };
        // What is held already is held on; an exclusive lock serves as a shared one.
        let enough = scene.locks.iter().position(own(claim.mode)).or_else(|| {
            (claim.mode == LockMode::Shared).then(|| scene.locks.iter().position(own(LockMode::Exclusive)))?
        });
        if let Some(at) = enough {
            extend(w, &mut scene.locks[at], expires_ns)?;
            grant.tokens.push(scene.locks[at].lock.token);
            continue;
        }
        if claim.mode == LockMode::Exclusive
            && let Some(at) = scene.locks.iter().position(own(LockMode::Shared))
        {
            let shared = scene.locks.remove(at);
            w.free(&shared, LockPhase::Released)?;
        }
        let lock = Lock {
            worktree: claim.worktree.to_owned(),
            path: pattern.as_str().to_owned(),
            mode: claim.mode,
            holder: claim.holder,
            agent: agent.clone(),
            session,
            token: w.mint()?,
            acquired_at: w.now().wall,
            expires_at: w.now().wall_at(expires_ns),
        };
        w.insert(&lock, expires_ns)?;
        let heir_of = dead.iter().find(|held| {
            held.lock.worktree == lock.worktree
                && !held.lock.mode.admits(lock.mode)
                && held.pattern.overlaps(pattern)
        });
        let phase = if heir_of.is_some() { LockPhase::TakenOver } else { LockPhase::Acquired };
        w.tell(&change(&lock, phase, heir_of.map(|held| held.lock.holder)))?;
        grant.tokens.push(lock.token);
        grant.fresh.push(lock.token);
        scene.locks.push(Held { lock, pattern: pattern.clone(), expires_ns });
    }
    w.touch(claim.holder);
    Ok(grant)
}

/// A lease asked for again gets longer, never shorter.
fn extend(w: &mut impl Ledger, held: &mut Held, expires_ns: i64) -> Result<(), BusError> {
    if expires_ns > held.expires_ns {
        held.expires_ns = expires_ns;
        held.lock.expires_at = w.now().wall_at(expires_ns);
        w.extend(held.lock.token, expires_ns)?;
    }
    Ok(())
}
