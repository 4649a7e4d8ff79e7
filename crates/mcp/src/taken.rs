//! Which locks were taken by the tools, and not otherwise.
//!
//! A driven run holds the locks of its own edits under the same registration with which its agent calls the tools, and a
//! hook takes locks for its session. Those are not the agent's to give back: the turn's checkpoint rests on them.

use model::RegistrationId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

type Tokens = BTreeMap<RegistrationId, BTreeSet<u64>>;

/// By caller. It is forgotten with the server: what it knows nothing of goes by its token, with its turn, or with its lease.
#[derive(Default)]
pub(crate) struct Taken(Mutex<Tokens>);

impl Taken {
    /// Notes what came to the caller by a tool. `present` are all locks there are; what is gone is forgotten.
    pub(crate) fn note(&self, me: RegistrationId, tokens: &[u64], present: &BTreeSet<u64>) {
        let mut taken = self.locked();
        taken.retain(|_, tokens| {
            tokens.retain(|token| present.contains(token));
            !tokens.is_empty()
        });
        if !tokens.is_empty() {
            taken.entry(me).or_default().extend(tokens);
        }
    }

    pub(crate) fn of(&self, me: RegistrationId) -> BTreeSet<u64> {
        self.locked().get(&me).cloned().unwrap_or_default()
    }

    fn locked(&self) -> MutexGuard<'_, Tokens> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_has_its_own_and_what_is_gone_is_forgotten() {
        let (clock, dice) = (testkit::ManualClock::default(), testkit::SeededEntropy::default());
        let (ada, bob): (RegistrationId, RegistrationId) =
            (model::Id::new(&clock, &dice), model::Id::new(&clock, &dice));
        let taken = Taken::default();
        taken.note(ada, &[1, 2], &BTreeSet::from([1, 2]));
        taken.note(bob, &[3], &BTreeSet::from([1, 2, 3]));
        assert_eq!((taken.of(ada), taken.of(bob)), (BTreeSet::from([1, 2]), BTreeSet::from([3])));
        taken.note(bob, &[], &BTreeSet::from([2]));
        assert_eq!((taken.of(ada), taken.of(bob)), (BTreeSet::from([2]), BTreeSet::new()));
    }
}
