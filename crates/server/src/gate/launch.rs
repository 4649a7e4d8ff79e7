//! Launch codes: how a page gets in without a token in its address for longer than a moment.

use model::{Clock, Entropy, Timestamp};
use protocol::limits::{LAUNCH_MAX, LAUNCH_TTL};
use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

/// Codes that nobody has used yet. Each lets one browser in, once, soon.
#[derive(Default)]
pub(crate) struct LaunchCodes {
    waiting: Mutex<VecDeque<Waiting>>,
}

struct Waiting {
    code: blake3::Hash,
    /// Time since boot at which it is worthless.
    until: Duration,
}

impl LaunchCodes {
    /// A new code and the moment it is worthless at.
    pub(crate) fn make(&self, clock: &dyn Clock, entropy: &dyn Entropy) -> (String, Timestamp) {
        let mut bytes = [0u8; 32];
        entropy.fill(&mut bytes);
        let code = blake3::Hash::from_bytes(bytes);
        let mut waiting = self.waiting();
        while waiting.len() >= LAUNCH_MAX {
            waiting.pop_front();
        }
        waiting.push_back(Waiting { code, until: clock.uptime() + LAUNCH_TTL });
        let lifetime = i64::try_from(LAUNCH_TTL.as_millis()).unwrap_or(i64::MAX);
        (code.to_hex().to_string(), Timestamp::from_millis(clock.now().as_millis().saturating_add(lifetime)))
    }

    /// Uses the code up.
    pub(crate) fn redeem(&self, given: &str, clock: &dyn Clock) -> bool {
        let Ok(given) = blake3::Hash::from_hex(given) else { return false };
        let now = clock.uptime();
        let mut waiting = self.waiting();
        waiting.retain(|one| now < one.until);
        // `blake3::Hash` compares in constant time.
        let found = waiting.iter().position(|one| one.code == given);
        found.is_some_and(|at| waiting.remove(at).is_some())
    }

    /// Forgets all of them; they were made for a token that is gone.
    pub(crate) fn forget(&self) {
        self.waiting().clear();
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, VecDeque<Waiting>> {
        match self.waiting.lock() {
            Ok(waiting) => waiting,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::{ManualClock, SeededEntropy};

    #[test]
    fn a_code_works_once() {
        let (codes, clock, dice) = (LaunchCodes::default(), ManualClock::default(), SeededEntropy::new(1));
        let (code, _) = codes.make(&clock, &dice);
        assert!(!codes.redeem("0", &clock));
        assert!(codes.redeem(&code, &clock));
        assert!(!codes.redeem(&code, &clock));
    }

    #[test]
    fn a_code_is_worthless_after_its_time_and_under_another_token() {
        let (codes, clock, dice) = (LaunchCodes::default(), ManualClock::default(), SeededEntropy::new(1));
        let (late, until) = codes.make(&clock, &dice);
        clock.advance(LAUNCH_TTL);
        assert_eq!(clock.now(), until);
        assert!(!codes.redeem(&late, &clock));
        let (old, _) = codes.make(&clock, &dice);
        codes.forget();
        assert!(!codes.redeem(&old, &clock));
    }

    #[test]
    fn the_oldest_of_too_many_goes() {
        let (codes, clock, dice) = (LaunchCodes::default(), ManualClock::default(), SeededEntropy::new(1));
        let made: Vec<String> = (0..=LAUNCH_MAX).map(|_| codes.make(&clock, &dice).0).collect();
        assert!(!codes.redeem(&made[0], &clock));
        assert!(made[1..].iter().all(|code| codes.redeem(code, &clock)));
    }
}
