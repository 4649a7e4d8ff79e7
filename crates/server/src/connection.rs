//! Connections: how many, how long, and who makes room when there are too many.
//!
//! A stranger on this machine can open connections and say nothing. They must not keep the owner
//! out: at the limit the oldest connection that never showed a right credential is dropped for the new one, and only
//! a house full of proven guests turns somebody away.

use crate::app::{App, Counted};
use crate::gate::{Peer, Transport};
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use protocol::limits;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Who is in, oldest first.
#[derive(Default)]
pub(crate) struct Guests {
    list: Mutex<VecDeque<Guest>>,
}

#[derive(Clone)]
struct Guest {
    proven: Arc<AtomicBool>,
    leave: CancellationToken,
}

/// A place in the house, given back when dropped.
pub(crate) struct Place {
    guests: Arc<Guests>,
    guest: Guest,
}

impl Guests {
    /// A place for one more, or none when everybody inside is proven.
    pub(crate) fn admit(self: &Arc<Self>, most: usize) -> Option<Place> {
        let guest = Guest { proven: Arc::default(), leave: CancellationToken::new() };
        let mut list = self.list();
        if list.len() >= most {
            let stranger = list.iter().position(|guest| !guest.proven.load(Ordering::Acquire))?;
            if let Some(stranger) = list.remove(stranger) {
                stranger.leave.cancel();
            }
        }
        list.push_back(guest.clone());
        Some(Place { guests: Arc::clone(self), guest })
    }

    fn list(&self) -> std::sync::MutexGuard<'_, VecDeque<Guest>> {
        match self.list.lock() {
            Ok(list) => list,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.guests.list().retain(|guest| !Arc::ptr_eq(&guest.proven, &self.guest.proven));
    }
}

/// Serves one connection until it ends, is asked to leave, or the server closes.
pub(crate) async fn serve<S>(app: Arc<App>, router: Router, place: Place, transport: Transport, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let _counted = Counted::below(&app.figures.connections, usize::MAX);
    let peer = Peer { transport, proven: Arc::clone(&place.guest.proven) };
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        router.clone().oneshot(request.map(Body::new))
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(app.options.bounds.head_timeout)
        .max_headers(limits::HEADERS_MAX)
        .max_header_size(limits::HEAD_MAX)
        .max_buf_size(limits::HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let mut draining = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended badly");
                }
                return;
            }
            () = app.draining.cancelled(), if !draining => {
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
            () = place.guest.leave.cancelled() => return,
            () = app.closing.cancelled() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prove(place: &Place) {
        place.guest.proven.store(true, Ordering::Release);
    }

    #[test]
    fn the_oldest_stranger_makes_room() {
        let guests = Arc::new(Guests::default());
        let first = guests.admit(2).unwrap();
        let second = guests.admit(2).unwrap();
        prove(&first);
        let third = guests.admit(2).unwrap();
        assert!(!first.guest.leave.is_cancelled(), "the proven one stays");
        assert!(second.guest.leave.is_cancelled());
        assert!(!third.guest.leave.is_cancelled());
    }

    #[test]
    fn a_house_full_of_proven_guests_is_full_until_one_leaves() {
        let guests = Arc::new(Guests::default());
        let (first, second) = (guests.admit(2).unwrap(), guests.admit(2).unwrap());
        prove(&first);
        prove(&second);
        assert!(guests.admit(2).is_none());
        drop(first);
        assert!(guests.admit(2).is_some());
    }
}
