//! A queue between two tasks, bounded by how many things wait in it and by how many bytes they have.
//!
//! Invariant: what waits has at most the queue's bytes together, or is one thing alone. Whoever says more waits; when nobody listens
//! any more, nobody waits.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// A queue with room for so many things and so many bytes.
pub(crate) fn queue<T>(places: usize, bytes: usize) -> (Inlet<T>, Outlet<T>) {
    let (sender, receiver) = mpsc::channel(places);
    let room = Arc::new(Semaphore::new(bytes));
    (Inlet { sender, room: Arc::clone(&room), bytes }, Outlet { receiver, room })
}

#[derive(Debug)]
pub(crate) struct Inlet<T> {
    sender: mpsc::Sender<(T, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
    bytes: usize,
}

impl<T> Clone for Inlet<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), room: Arc::clone(&self.room), bytes: self.bytes }
    }
}

impl<T> Inlet<T> {
    /// Waits for room. False when nobody listens any more.
    pub(crate) async fn put(&self, what: T, bytes: usize) -> bool {
        let weight = u32::try_from(bytes.min(self.bytes)).unwrap_or(u32::MAX);
        let Ok(room) = Arc::clone(&self.room).acquire_many_owned(weight).await else { return false };
        self.sender.send((what, room)).await.is_ok()
    }
}

/// The end that is listened to.
#[derive(Debug)]
pub struct Outlet<T> {
    receiver: mpsc::Receiver<(T, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
}

impl<T> Outlet<T> {
    /// The next thing; none when nobody says any more. Nothing is lost when the future is dropped.
    pub async fn recv(&mut self) -> Option<T> {
        self.receiver.recv().await.map(|(what, _)| what)
    }

    /// Takes no more; what waits can still be had.
    pub fn close(&mut self) {
        self.receiver.close();
        self.room.close();
    }
}

impl<T> Drop for Outlet<T> {
    fn drop(&mut self) {
        self.room.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn is_ready(future: impl Future<Output = bool>) -> Option<bool> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(told) => Some(told),
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn it_is_full_by_number_or_by_bytes_and_takes_one_that_is_larger_than_it_alone() {
        let (inlet, mut outlet) = queue(3, 100);
        assert_eq!(is_ready(inlet.put("a", 60)), Some(true));
        assert_eq!(is_ready(inlet.put("b", 41)), None, "by bytes");
        assert_eq!(is_ready(inlet.put("b", 40)), Some(true));
        assert_eq!(is_ready(inlet.put("c", 0)), Some(true));
        assert_eq!(is_ready(inlet.put("d", 0)), None, "by number");
        for expected in ["a", "b", "c"] {
            assert_eq!(outlet.recv().await, Some(expected));
        }
        assert_eq!(is_ready(inlet.put("e", 5_000)), Some(true));
        assert_eq!(is_ready(inlet.put("f", 1)), None);
        assert_eq!(outlet.recv().await, Some("e"));
        drop(inlet);
        assert_eq!(outlet.recv().await, None);
    }

    #[tokio::test]
    async fn who_waits_for_room_hears_that_nobody_listens() {
        let (inlet, mut outlet) = queue(3, 10);
        assert!(inlet.put("a", 10).await);
        let waiting = inlet.clone();
        let told = async move { waiting.put("b", 10).await };
        let closing = async { outlet.close() };
        let (told, ()) = tokio::join!(told, closing);
        assert!(!told);
        assert_eq!(outlet.recv().await, Some("a"), "what was said before is heard");
        assert_eq!(outlet.recv().await, None);
        let (inlet, outlet) = queue(3, 10);
        drop(outlet);
        assert!(!inlet.put("c", 1).await);
    }
}
