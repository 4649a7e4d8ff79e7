//! May this file be changed? The sentences of the answer, for whoever asks: `lock guard` and the vendors' hooks.
//!
//! Invariant: who cannot ask the bus does not guess. It denies when another session lives in the worktree, else it
//! allows and writes that down.

use crate::render::{ahead, span};
use bus::{Neighbour, Undecided, Verdict, guard_undecided};
use model::{Clock, Lock, RegistrationId, Timestamp, WorkspaceDir};
use std::time::Duration;

/// Longest wait for the bus before it is decided without it; who is just making it is waited for longer.
pub(crate) const ASK_MAX: Duration = Duration::from_millis(500);
/// Most holders one sentence names.
const NAMED_MAX: usize = 3;

/// Why a held file is not to be changed, and what to do instead.
pub(crate) fn held(now: Timestamp, path: &str, locks: &[Lock]) -> String {
    let who: Vec<String> = locks.iter().take(NAMED_MAX).map(|lock| holder(now, lock)).collect();
    let more = locks.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    format!(
        "do not change `{path}`: {}{more}. Wait with `coditect lock acquire {path} --wait`, or work on another file and \
         say so: `coditect msg send file_conflict \"I need {path}\" --to {}`",
        who.join("; "),
        locks.first().map(|lock| lock.holder.short()).unwrap_or_default()
    )
}

/// Who holds a lock, since when and for how long.
pub(crate) fn holder(now: Timestamp, lock: &Lock) -> String {
    let (short, end) = (lock.holder.short(), ahead(now, lock.expires_at));
    let since = now.as_millis().saturating_sub(lock.acquired_at.as_millis()).max(0);
    let since = span(Duration::from_millis(since.unsigned_abs()));
    let mode = lock.mode.as_str();
    format!("{} {short} holds `{}` ({mode} for {since}; its lease ends {end})", lock.agent, lock.path)
}

/// What was decided without the bus.
pub(crate) struct Alone {
    pub(crate) allowed: bool,
    pub(crate) recorded: bool,
    pub(crate) others: Vec<Neighbour>,
    pub(crate) sentence: String,
}

/// Decides without the bus, which cannot be asked because of `why`.
pub(crate) fn alone(
    workspace: &WorkspaceDir,
    clock: &dyn Clock,
    (worktree, path): (&str, &str),
    me: Option<RegistrationId>,
    why: &str,
) -> Alone {
    let ask = Undecided { worktree, path, me, why, boot: None };
    match guard_undecided(&workspace.bus(), &ask, clock) {
        Verdict::Allow { recorded } => {
            let noted = if recorded { "it is written down" } else { "not even that could be written down" };
            let sentence = format!(
                "the bus cannot say whether `{path}` is free ({why}); nobody else is seen here, so you may, and {noted}"
            );
            Alone { allowed: true, recorded, others: Vec::new(), sentence }
        }
        Verdict::Deny(others) => {
            let sentence = format!(
                "do not change `{path}`: the bus cannot say whether it is free ({why}), and {} in this worktree. Try again \
                 in a moment; `coditect doctor` says what is wrong",
                neighbours(&others)
            );
            Alone { allowed: false, recorded: false, others, sentence }
        }
    }
}

fn neighbours(others: &[Neighbour]) -> String {
    let name = |one: &Neighbour| match one.pid {
        Some(pid) => format!("{} (pid {pid}, heard {} ago)", one.short_id, span(one.beat_age)),
        None => format!("{} (heard {} ago)", one.short_id, span(one.beat_age)),
    };
    let names: Vec<String> = others.iter().map(name).collect();
    format!("{} {}", names.join(", "), if others.len() == 1 { "works" } else { "work" })
}
