//! Locks: leased claims on paths of a worktree.

use crate::{RegistrationId, SessionId, Timestamp};
use serde::{Deserialize, Serialize};

/// How a lock excludes others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockMode {
    Shared,
    Exclusive,
    /// Recorded and reported, excludes nobody.
    Advisory,
}

impl LockMode {
    pub const ALL: [Self; 3] = [Self::Shared, Self::Exclusive, Self::Advisory];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Exclusive => "exclusive",
            Self::Advisory => "advisory",
        }
    }

    /// True when both can be held on one path by two holders.
    pub const fn admits(self, other: Self) -> bool {
        !matches!(
            (self, other),
            (Self::Exclusive, Self::Exclusive | Self::Shared) | (Self::Shared, Self::Exclusive)
        )
    }
}

/// A held lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Canonical path of the worktree the lock is keyed on.
    pub worktree: String,
    /// A path or glob relative to the worktree.
    pub path: String,
    pub mode: LockMode,
    pub holder: RegistrationId,
    /// The holder's label: an agent's name, or what a terminal session called itself.
    pub agent: String,
    pub session: Option<SessionId>,
    /// Fencing token; strictly rises, also across restarts and restores.
    pub token: u64,
    pub acquired_at: Timestamp,
    pub expires_at: Timestamp,
}

/// One change of a lock as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockChange {
    pub phase: LockPhase,
    pub worktree: String,
    pub path: String,
    pub mode: LockMode,
    pub holder: RegistrationId,
    pub agent: String,
    pub session: Option<SessionId>,
    /// 0 while the holder is only waiting.
    pub token: u64,
    /// Who stood in the way, for `Waiting`; who lost it, for `TakenOver`; who ordered it, for `Broken`.
    pub other: Option<RegistrationId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockPhase {
    Waiting,
    Acquired,
    Released,
    /// The lease ran out.
    Expired,
    /// The holder died and its lock was freed for somebody who waited; `holder` is the new one.
    TakenOver,
    /// A person broke it.
    Broken,
}

impl LockPhase {
    pub const ALL: [Self; 6] =
        [Self::Waiting, Self::Acquired, Self::Released, Self::Expired, Self::TakenOver, Self::Broken];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exclusive_admits_only_advisory() {
        use LockMode::{Advisory, Exclusive, Shared};
        assert!(Shared.admits(Shared));
        assert!(!Shared.admits(Exclusive) && !Exclusive.admits(Shared) && !Exclusive.admits(Exclusive));
        for mode in [Shared, Exclusive, Advisory] {
            assert!(mode.admits(Advisory) && Advisory.admits(mode));
        }
    }
}
