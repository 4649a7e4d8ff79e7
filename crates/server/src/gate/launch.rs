//! Launch codes: how a page gets in without a token in its address for longer than a moment.

use model::{Clock, Entropy, Timestamp};
use protocol::Token;
use protocol::limits::{LAUNCH_MAX, LAUNCH_TTL};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Codes that nobody has used yet. Each lets one browser in, once, soon.
#[derive(Default)]
pub(crate) struct LaunchCodes {
    waiting: Mutex<VecDeque<Waiting>>,
}

struct Waiting {
    code: blake3::Hash,
    /// The token it was made under; under another it is worthless.
    token: Arc<Token>,
    /// Time since boot at which it is worthless.
    until: Duration,
}

impl LaunchCodes {
    /// A new code and the moment it is worthless at.
    pub(crate) fn make(
        &self,
        token: Arc<Token>,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> (String, Timestamp) {
        let mut bytes = [0u8; 32];
        entropy.fill(&mut bytes);
        let code = blake3::Hash::from_bytes(bytes);
        let mut waiting = self.waiting();
        while waiting.len() >= LAUNCH_MAX {
            waiting.pop_front();
        }
        waiting.push_back(Waiting { code, token, until: clock.uptime() + LAUNCH_TTL });
        let lifetime = i64::try_from(LAUNCH_TTL.as_millis()).unwrap_or(i64::MAX);
        (code.to_hex().to_string(), Timestamp::from_millis(clock.now().as_millis().saturating_add(lifetime)))
    }

    /// Uses the code up. True when it was made under this token.
    pub(crate) fn redeem(&self, given: &str, token: &Token, clock: &dyn Clock) -> bool {
        let Ok(given) = blake3::Hash::from_hex(given) else { return false };
        let now = clock.uptime();
        let mut waiting = self.waiting();
        waiting.retain(|one| now < one.until && *one.token == *token);
        // `blake3::Hash` compares in constant time.
        let found = waiting.iter().position(|one| one.code == given);
        found.is_some_and(|at| waiting.remove(at).is_some())
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

    struct Scene {
        codes: LaunchCodes,
        clock: ManualClock,
        dice: SeededEntropy,
        token: Arc<Token>,
    }

    impl Scene {
        fn new() -> Self {
            let dice = SeededEntropy::new(1);
            let token = Arc::new(Token::generate(&dice));
            Self { codes: LaunchCodes::default(), clock: ManualClock::default(), dice, token }
        }

        fn make(&self) -> (String, Timestamp) {
            self.codes.make(Arc::clone(&self.token), &self.clock, &self.dice)
        }

        fn redeem(&self, code: &str) -> bool {
            self.codes.redeem(code, &self.token, &self.clock)
        }
    }

    #[test]
    fn a_code_works_once() {
        let scene = Scene::new();
        let (code, _) = scene.make();
        assert!(!scene.redeem("0"));
        assert!(scene.redeem(&code));
        assert!(!scene.redeem(&code));
    }

    #[test]
    fn a_code_is_worthless_after_its_time_and_under_another_token() {
        let scene = Scene::new();
        let (late, until) = scene.make();
        scene.clock.advance(LAUNCH_TTL);
        assert_eq!(scene.clock.now(), until);
        assert!(!scene.redeem(&late));
        let (old, _) = scene.make();
        let fresh = Token::generate(&scene.dice);
        assert!(!scene.codes.redeem(&old, &fresh, &scene.clock));
        assert!(!scene.redeem(&old), "a rotation takes it away for good");
    }

    #[test]
    fn the_oldest_of_too_many_goes() {
        let scene = Scene::new();
        let made: Vec<String> = (0..=LAUNCH_MAX).map(|_| scene.make().0).collect();
        assert!(!scene.redeem(&made[0]));
        assert!(made[1..].iter().all(|code| scene.redeem(code)));
    }
}
