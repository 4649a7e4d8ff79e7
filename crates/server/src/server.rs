//! The server as a whole: binding, accepting, stopping.
//!
//! Stopping goes in steps: no new work (`draining`, WebSockets told to come back later), what is in
//! flight may finish, and after the drain time whatever is left is dropped.

use crate::app::App;
use crate::connection::{Guests, serve};
use crate::gate::Transport;
use crate::listen;
use crate::options::{ServerError, ServerOptions};
use crate::router::router;
use crate::token_file::TokenFile;
use axum::Router;
use engine::Engine;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UnixListener};

/// Wait after a failed accept. Out of file descriptors, the next try would fail at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// What somebody is told for whom there is no place.
const HOUSE_FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

pub struct Server;

/// A server that listens. Dropped without [`Running::stop`], it stops at once.
pub struct Running {
    app: Arc<App>,
    address: SocketAddr,
    socket: Option<PathBuf>,
}

impl Server {
    /// Makes the token if there is none, binds both places and begins to serve.
    pub async fn bind(engine: Engine, options: ServerOptions) -> Result<Running, ServerError> {
        let token = TokenFile::open(&options.token_file, &*options.entropy)?;
        let tcp = listen::tcp(options.port).await?;
        let address = tcp.local_addr().map_err(ServerError::Tcp)?;
        let unix = match &options.socket {
            Some(path) => listen::unix(path)?,
            None => None,
        };
        let socket = options.socket.clone().filter(|_| unix.is_some());
        let app = Arc::new(App::new(engine, options, token, address.port()));
        let router = router(&app)?;
        let guests = Arc::new(Guests::default());
        app.tasks.spawn(accept_tcp(Arc::clone(&app), router.clone(), Arc::clone(&guests), tcp));
        if let Some(unix) = unix {
            app.tasks.spawn(accept_unix(Arc::clone(&app), router, guests, unix));
        }
        app.tasks.spawn(watch_token(Arc::clone(&app)));
        Ok(Running { app, address, socket })
    }
}

impl Running {
    /// `127.0.0.1` and the port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Path of the Unix socket, where there is one.
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }

    /// Resolves when a client asked the daemon to stop.
    pub async fn stop_requested(&self) {
        self.app.stop_wished.cancelled().await;
    }

    /// Stops in good order, within the drain time and a little.
    pub async fn stop(self) {
        self.app.draining.cancel();
        self.app.tasks.close();
        if tokio::time::timeout(self.app.options.bounds.drain, self.app.tasks.wait()).await.is_err() {
            tracing::warn!("some connections did not end in time; they are dropped");
        }
        self.app.closing.cancel();
        self.app.tasks.wait().await;
        if let Some(socket) = &self.socket {
            // Gone already is as good.
            let _ = std::fs::remove_file(socket);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.app.draining.cancel();
        self.app.closing.cancel();
    }
}

async fn accept_tcp(app: Arc<App>, router: Router, guests: Arc<Guests>, listener: TcpListener) {
    let transport = Transport::Tcp { port: app.port };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = app.draining.cancelled() => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(place) = guests.admit(app.options.bounds.connections) else {
            tracing::warn!("too many connections; one was turned away");
            app.engine.count_dropped(1);
            let _ = stream.try_write(HOUSE_FULL);
            continue;
        };
        tune(&stream, app.options.bounds.send_buffer);
        app.tasks.spawn(serve(Arc::clone(&app), router.clone(), place, transport, stream));
    }
}

/// Small answers go out at once; a reader that sleeps fills little of the kernel's memory.
fn tune(stream: &TcpStream, send_buffer: usize) {
    let tuned = stream
        .set_nodelay(true)
        .and_then(|()| Ok(rustix::net::sockopt::set_socket_send_buffer_size(stream, send_buffer)?));
    if let Err(error) = tuned {
        tracing::debug!(%error, "a connection could not be tuned");
    }
}

async fn accept_unix(app: Arc<App>, router: Router, guests: Arc<Guests>, listener: UnixListener) {
    let us = rustix::process::geteuid().as_raw();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = app.draining.cancelled() => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // The mode of the file says the same; this holds even when somebody changed it.
        if !stream.peer_cred().is_ok_and(|peer| peer.uid() == us || peer.uid() == 0) {
            tracing::warn!("another user knocked at the Unix socket and was turned away");
            continue;
        }
        let Some(place) = guests.admit(app.options.bounds.connections) else {
            app.engine.count_dropped(1);
            let _ = stream.try_write(HOUSE_FULL);
            continue;
        };
        let buffer = app.options.bounds.send_buffer;
        let _ = rustix::net::sockopt::set_socket_send_buffer_size(&stream, buffer);
        app.tasks.spawn(serve(Arc::clone(&app), router.clone(), place, Transport::Unix, stream));
    }
}

/// Looks at the token file often enough that whoever was let in by a token that is taken away is out within
/// `limits::REVOCATION`. Requests look for themselves.
async fn watch_token(app: Arc<App>) {
    let look = async || {
        app.token.wanted().await;
        tokio::time::sleep(app.options.bounds.token_poll).await;
    };
    loop {
        tokio::select! {
            () = look() => app.token.refresh(),
            () = app.draining.cancelled() => return,
        }
    }
}
