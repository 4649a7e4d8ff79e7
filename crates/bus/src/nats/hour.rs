//! The server's time, as well as it can be known here.
//!
//! The server stamps every message it stores. One is written and read back; its stamp lies between the two readings of
//! this machine's time since boot, and from then on that clock goes on counting. So the wall clock of a client decides
//! nothing, and what is known is never a point but a span: whoever takes something because a lease is over asks for its
//! early end, whoever relies on a lease of its own for its late end.

use crate::write::Moment;
use model::Timestamp;
use std::time::Duration;

/// A reading older than this is taken anew: clocks drift apart.
pub(crate) const REFRESH: Duration = Duration::from_secs(30);
/// How much two clocks are believed to drift apart: 200 µs a second.
const DRIFT: i64 = 5_000;

/// One stamp of the server between two readings of the time since boot, all in ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) before: i64,
    pub(crate) after: i64,
    pub(crate) stamp: i64,
}

/// The server's time, in ns since 1970: it is one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) earliest: i64,
    pub(crate) latest: i64,
}

impl Reading {
    pub(crate) fn is_stale(&self, uptime: i64) -> bool {
        uptime.saturating_sub(self.after) > crate::write::nanos(REFRESH) || uptime < self.after
    }

    pub(crate) fn at(&self, uptime: i64) -> Span {
        let age = uptime.saturating_sub(self.after).max(0);
        let drift = age / DRIFT;
        Span {
            earliest: self.stamp.saturating_add(age).saturating_sub(drift),
            latest: self.stamp.saturating_add(uptime.saturating_sub(self.before)).saturating_add(drift),
        }
    }
}

impl Span {
    /// For whoever takes what a lease that is over leaves.
    pub(crate) fn early(self) -> Moment {
        moment(self.earliest)
    }

    /// For whoever relies on a lease of its own.
    pub(crate) fn late(self) -> Moment {
        moment(self.latest)
    }

    /// For what is only shown.
    pub(crate) fn middle(self) -> Moment {
        moment(self.earliest + (self.latest - self.earliest) / 2)
    }

    /// The stamp of a message that has been read is in the past.
    pub(crate) fn not_before(self, stamp: i64) -> Self {
        Self { earliest: self.earliest.max(stamp), latest: self.latest.max(stamp) }
    }
}

fn moment(ns: i64) -> Moment {
    Moment { wall: Timestamp::from_millis(ns.div_euclid(1_000_000)), ns }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn the_servers_time_is_within_the_span_and_the_span_widens() {
        let reading = Reading { before: 10 * SECOND, after: 11 * SECOND, stamp: 1_000 * SECOND };
        let span = reading.at(11 * SECOND);
        // The stamp may have been made right after the question or right before the answer.
        assert_eq!((span.earliest, span.latest), (1_000 * SECOND, 1_001 * SECOND));
        let later = reading.at(21 * SECOND);
        assert!(later.earliest < 1_010 * SECOND && later.earliest > 1_009 * SECOND);
        assert!(later.latest > 1_011 * SECOND);
        assert!(!reading.is_stale(21 * SECOND) && reading.is_stale(42 * SECOND) && reading.is_stale(SECOND));
    }

    #[test]
    fn what_was_read_is_in_the_past() {
        let span = Span { earliest: 5, latest: 7 };
        assert_eq!(span.not_before(6), Span { earliest: 6, latest: 7 });
        assert_eq!(span.not_before(9), Span { earliest: 9, latest: 9 });
        assert!(span.early().ns <= span.middle().ns && span.middle().ns <= span.late().ns);
    }
}
