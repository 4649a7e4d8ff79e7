//! Whether a task whose turn failed is tried again, and when.
//!
//! Invariant: a task is not tried for ever. What the daemon itself cut off does not count; everything else has a bound.

use super::finish::{CRASHED, Ending, INTERRUPTED};
use crate::plan::land::HANDED_BACK;
use model::{MERGE_TRIES, Refusal, RetryOn, Timestamp, TurnOutcome};
use store::{TaskRow, View};

/// Failures of a task up to which it goes back to the queue when a vendor says when it takes calls again.
pub(super) const PAUSES_MAX: u32 = 10;

/// When a task that has failed so may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    No,
    At(Option<Timestamp>),
}

pub(super) fn again(view: &View<'_>, ending: &Ending, row: &TaskRow, code: &str) -> Result<Again, Refusal> {
    if INTERRUPTED.contains(&code) {
        return Ok(Again::At(None));
    }
    // It was done, and does not go together with what others have landed; whoever did it settles that.
    if code == HANDED_BACK {
        let again = made(view, ending, |code| code == HANDED_BACK)? < MERGE_TRIES;
        return Ok(if again { Again::At(None) } else { Again::No });
    }
    // The vendor's pause holds it back, and says so.
    if ending.pause.is_some() && made(view, ending, |_| true)? < PAUSES_MAX {
        return Ok(Again::At(None));
    }
    let Some(policy) = &row.task.terms.retry else {
        let crashes = |code: &str| code == CRASHED;
        let again = crashes(code) && made(view, ending, crashes)? < ending.max_attempts;
        return Ok(if again { Again::At(None) } else { Again::No });
    };
    let counts = |code: &str| RetryOn::of_code(code).is_some_and(|kind| policy.on.contains(&kind));
    let tries = made(view, ending, counts)?;
    if !counts(code) || tries >= policy.max_attempts {
        return Ok(Again::No);
    }
    let pause = i64::try_from(policy.pause_ms(tries)).unwrap_or(i64::MAX);
    let at = Timestamp::from_millis(ending.now.as_millis().saturating_add(pause));
    Ok(Again::At((pause > 0).then_some(at)))
}

/// How many turns of the task failed so, this one included.
fn made(view: &View<'_>, ending: &Ending, counts: impl Fn(&str) -> bool) -> Result<u32, Refusal> {
    let counted = |outcome: &TurnOutcome| matches!(outcome, TurnOutcome::Failed { code, .. } if counts(code));
    let before = view.turns(ending.task.id)?;
    let before = before.iter().filter(|turn| turn.turn.id != ending.end.turn);
    let before = before.filter(|turn| turn.outcome.as_ref().is_some_and(&counted)).count();
    let now = u32::from(counted(&ending.end.outcome));
    Ok(u32::try_from(before).unwrap_or(u32::MAX).saturating_add(now))
}
