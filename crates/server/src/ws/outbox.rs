//! What waits for one client, bounded in number and bytes.
//!
//! History may fill half of it and then waits; what happens now must find room at once or the
//! client is too slow. A single message larger than the bound goes through an empty outbox.

use protocol::ws::Close;
use std::collections::VecDeque;
use std::sync::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub(crate) struct Outbox {
    most_messages: usize,
    most_bytes: usize,
    inner: Mutex<Inner>,
    /// Something waits, or the end was decided.
    filled: Notify,
    /// There is room again, or the end was decided.
    drained: Notify,
    ended: CancellationToken,
}

#[derive(Default)]
struct Inner {
    queue: VecDeque<String>,
    bytes: usize,
    ping: bool,
    close: Option<Close>,
    discarded: u64,
}

/// The client is too slow for what happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overfull;

/// What the writer takes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    Message(String),
    Ping,
    Close(Close),
}

impl Outbox {
    pub(crate) fn new(most_messages: usize, most_bytes: usize) -> Self {
        Self {
            most_messages,
            most_bytes,
            inner: Mutex::default(),
            filled: Notify::new(),
            drained: Notify::new(),
            ended: CancellationToken::new(),
        }
    }

    /// Puts in what happens now.
    pub(crate) fn push(&self, message: String) -> Result<(), Overfull> {
        let inner = self.inner();
        if inner.close.is_some() {
            return Ok(());
        }
        let fits = inner.queue.len() < self.most_messages && inner.bytes + message.len() <= self.most_bytes;
        if !fits && !inner.queue.is_empty() {
            return Err(Overfull);
        }
        self.put(inner, message);
        Ok(())
    }

    /// Puts in what happened before. The caller asked for room first and puts in one event's messages at most.
    pub(crate) fn push_history(&self, message: String) {
        let inner = self.inner();
        if inner.close.is_none() {
            self.put(inner, message);
        }
    }

    fn put(&self, mut inner: std::sync::MutexGuard<'_, Inner>, message: String) {
        inner.bytes += message.len();
        inner.queue.push_back(message);
        drop(inner);
        self.filled.notify_one();
    }

    /// Asks for a sign of life, ahead of everything that waits.
    pub(crate) fn ping(&self) {
        self.inner().ping = true;
        self.filled.notify_one();
    }

    /// Whether history may go on.
    pub(crate) fn has_room(&self) -> bool {
        let inner = self.inner();
        inner.queue.len() < self.most_messages / 2 && inner.bytes < self.most_bytes / 2
    }

    /// Resolves when history may go on, or the end was decided.
    pub(crate) async fn room(&self) {
        loop {
            let drained = self.drained.notified();
            if self.has_room() || self.inner().close.is_some() {
                return;
            }
            drained.await;
        }
    }

    /// What to write next. Resolves when there is something.
    pub(crate) async fn next(&self) -> Next {
        loop {
            let filled = self.filled.notified();
            if let Some(next) = self.take() {
                return next;
            }
            filled.await;
        }
    }

    fn take(&self) -> Option<Next> {
        let mut inner = self.inner();
        if std::mem::take(&mut inner.ping) {
            return Some(Next::Ping);
        }
        if let Some(message) = inner.queue.pop_front() {
            inner.bytes -= message.len();
            drop(inner);
            self.drained.notify_one();
            return Some(Next::Message(message));
        }
        inner.close.map(Next::Close)
    }

    /// Ends the stream after what waits already.
    pub(crate) fn close(&self, why: Close) {
        self.end(why, false);
    }

    /// Ends the stream now; what waits is lost to this connection.
    pub(crate) fn cut(&self, why: Close) {
        self.end(why, true);
    }

    fn end(&self, why: Close, now: bool) {
        let mut inner = self.inner();
        inner.close.get_or_insert(why);
        if now {
            inner.discarded += inner.queue.len() as u64;
            inner.queue.clear();
            inner.bytes = 0;
        }
        drop(inner);
        self.ended.cancel();
        self.filled.notify_one();
        self.drained.notify_one();
    }

    /// Resolves when the end was decided.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Messages that were never written.
    pub(crate) fn discarded(&self) -> u64 {
        self.inner().discarded
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        match self.inner.lock() {
            Ok(inner) => inner,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(n: usize) -> String {
        "x".repeat(n)
    }

    #[test]
    fn messages_and_bytes_are_bounded() {
        let few = Outbox::new(2, 100);
        assert_eq!(
            (few.push(text(1)), few.push(text(1)), few.push(text(1))),
            (Ok(()), Ok(()), Err(Overfull))
        );
        let small = Outbox::new(100, 10);
        assert_eq!(
            (small.push(text(6)), small.push(text(5)), small.push(text(4))),
            (Ok(()), Err(Overfull), Ok(()))
        );
    }

    #[test]
    fn a_giant_goes_through_an_empty_outbox_only() {
        let outbox = Outbox::new(10, 10);
        assert_eq!(outbox.push(text(1000)), Ok(()));
        assert_eq!(outbox.push(text(1)), Err(Overfull));
        assert_eq!(outbox.take(), Some(Next::Message(text(1000))));
        assert_eq!(outbox.push(text(1)), Ok(()));
    }

    #[test]
    fn history_fills_half_and_leaves_the_rest_to_the_present() {
        let outbox = Outbox::new(4, 1000);
        let mut history = 0;
        while outbox.has_room() {
            outbox.push_history(text(1));
            history += 1;
        }
        assert_eq!(history, 2);
        assert_eq!(outbox.push(text(1)), Ok(()), "a delta still fits");
    }

    #[test]
    fn a_close_comes_after_what_waits_and_a_cut_instead_of_it() {
        let outbox = Outbox::new(10, 100);
        outbox.push(text(1)).unwrap();
        outbox.close(Close::Draining);
        outbox.push(text(2)).unwrap();
        assert_eq!(outbox.take(), Some(Next::Message(text(1))));
        assert_eq!(outbox.take(), Some(Next::Close(Close::Draining)));

        let outbox = Outbox::new(10, 100);
        outbox.push(text(1)).unwrap();
        outbox.push(text(1)).unwrap();
        outbox.cut(Close::SlowReader);
        assert_eq!((outbox.take(), outbox.discarded()), (Some(Next::Close(Close::SlowReader)), 2));
        outbox.close(Close::Draining);
        assert_eq!(outbox.take(), Some(Next::Close(Close::SlowReader)), "the first reason stands");
    }

    #[tokio::test]
    async fn who_waits_for_room_or_a_message_is_woken() {
        let outbox = Outbox::new(2, 100);
        outbox.push(text(1)).unwrap();
        let ((), next) = tokio::join!(outbox.room(), outbox.next());
        assert_eq!(next, Next::Message(text(1)));
        let (next, ()) = tokio::join!(outbox.next(), async { outbox.push(text(3)).unwrap() });
        assert_eq!(next, Next::Message(text(3)));
        let (next, ()) = tokio::join!(outbox.next(), async { outbox.close(Close::Silent) });
        assert_eq!(next, Next::Close(Close::Silent));
    }
}
