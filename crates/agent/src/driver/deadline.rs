//! The time a turn may take. It stands still while a person is asked something.

use std::cell::Cell;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

pub(crate) struct Deadline {
    at: Cell<Instant>,
    paused: Cell<Option<Instant>>,
    changed: Notify,
}

impl Deadline {
    pub(crate) fn after(time: Duration) -> Self {
        let now = Instant::now();
        // A deadline beyond what the clock can count is none.
        let at = now.checked_add(time).unwrap_or_else(|| now + Duration::from_secs(365 * 24 * 3600));
        Self { at: Cell::new(at), paused: Cell::new(None), changed: Notify::new() }
    }

    /// Ends when the time is up.
    pub(crate) async fn passed(&self) {
        loop {
            if self.paused.get().is_some() {
                self.changed.notified().await;
                continue;
            }
            let at = self.at.get();
            tokio::select! {
                () = sleep_until(at) => {}
                () = self.changed.notified() => continue,
            }
            if self.at.get() == at && self.paused.get().is_none() {
                return;
            }
        }
    }

    /// Stops the clock, if it does not stand already.
    pub(crate) fn pause(&self) {
        if self.paused.get().is_none() {
            self.paused.set(Some(Instant::now()));
            self.changed.notify_one();
        }
    }

    /// Lets the clock go on; the time it stood does not count.
    pub(crate) fn resume(&self) {
        if let Some(since) = self.paused.take() {
            self.at.set(self.at.get() + since.elapsed());
            self.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{advance, timeout};

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn it_passes_in_time() {
        let deadline = Deadline::after(10 * SECOND);
        assert!(timeout(9 * SECOND, deadline.passed()).await.is_err());
        assert!(timeout(2 * SECOND, deadline.passed()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn it_stands_still_while_paused() {
        let deadline = Deadline::after(10 * SECOND);
        deadline.pause();
        assert!(timeout(1800 * SECOND, deadline.passed()).await.is_err());
        deadline.pause();
        assert!(timeout(1800 * SECOND, deadline.passed()).await.is_err());
        deadline.resume();
        deadline.resume();
        assert!(timeout(9 * SECOND, deadline.passed()).await.is_err());
        advance(2 * SECOND).await;
        assert!(timeout(Duration::ZERO, deadline.passed()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_begins_while_it_is_awaited_holds() {
        let deadline = Deadline::after(10 * SECOND);
        let paused = async {
            tokio::time::sleep(5 * SECOND).await;
            deadline.pause();
            tokio::time::sleep(100 * SECOND).await;
            deadline.resume();
        };
        let began = Instant::now();
        tokio::join!(paused, deadline.passed());
        assert_eq!(began.elapsed(), 110 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn an_absurd_deadline_is_far_away() {
        let deadline = Deadline::after(Duration::from_millis(u64::MAX));
        assert!(timeout(3600 * SECOND, deadline.passed()).await.is_err());
    }
}
