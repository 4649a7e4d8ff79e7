//! Pieces of a growing text, collected so that not every token becomes a line on the wire.

use std::time::Duration;
use tokio::time::Instant;

use crate::run::wire::{RunEvent, TextKind};

/// How long a piece may wait for company.
pub(crate) const COLLECT: Duration = Duration::from_millis(30);
/// A piece of this size goes at once, in bytes.
pub(crate) const FULL: usize = 4 * 1024;

#[derive(Default)]
pub(crate) struct Deltas {
    waiting: Option<(TextKind, String, Instant)>,
}

impl Deltas {
    /// Adds text, and gives what has to go first.
    pub(crate) fn push(&mut self, kind: TextKind, text: &str) -> Option<RunEvent> {
        if text.is_empty() {
            return None;
        }
        match &mut self.waiting {
            Some((waiting, collected, _)) if *waiting == kind => {
                collected.push_str(text);
                if collected.len() >= FULL { self.flush() } else { None }
            }
            _ => {
                let before = self.flush();
                self.waiting = Some((kind, text.to_owned(), Instant::now() + COLLECT));
                before
            }
        }
    }

    /// When what waits has to go; none when nothing waits.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.waiting.as_ref().map(|(_, _, due)| *due)
    }

    pub(crate) fn flush(&mut self) -> Option<RunEvent> {
        self.waiting.take().map(|(kind, text, _)| RunEvent::Delta { kind, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(kind: TextKind, text: &str) -> Option<RunEvent> {
        Some(RunEvent::Delta { kind, text: text.into() })
    }

    #[tokio::test(start_paused = true)]
    async fn pieces_of_one_kind_are_joined_and_kinds_keep_their_order() {
        let mut deltas = Deltas::default();
        assert_eq!(deltas.push(TextKind::Thinking, "hm"), None);
        assert_eq!(deltas.push(TextKind::Thinking, "m"), None);
        assert_eq!(deltas.push(TextKind::Text, "a"), delta(TextKind::Thinking, "hmm"));
        assert_eq!(deltas.due(), Some(Instant::now() + COLLECT));
        assert_eq!(deltas.push(TextKind::Text, ""), None);
        assert_eq!(deltas.flush(), delta(TextKind::Text, "a"));
        assert_eq!((deltas.flush(), deltas.due()), (None, None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_piece_does_not_wait() {
        let mut deltas = Deltas::default();
        assert_eq!(deltas.push(TextKind::Text, "a"), None);
        let large = "b".repeat(FULL);
        assert_eq!(deltas.push(TextKind::Text, &large), delta(TextKind::Text, &format!("a{large}")));
    }
}
