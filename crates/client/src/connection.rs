//! One connection to the daemon, proven before anything secret travels on it.
//!
//! Invariant: a [`Connection`] exists only after its far end has shown that it knows the token (or, for an
//! agent's credential, after the kernel has named the far end as the owner's process). The proof is
//! made on the very connection that is used afterwards, so there is no moment in which somebody else could slip in.

use crate::place::{Credential, Place, our_uid};
use crate::{ClientError, Options};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use protocol::{CHALLENGE_HEADER, Challenge, DaemonInfo, Endpoint, HEALTH_PATH, PROOF_HEADER};
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};

/// Longest wait for a connection and its proof.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of the answer to a challenge that are looked at.
const PROOF_BODY_MAX: usize = 1024;

/// A proven connection, good for one request after the other.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// What goes into the `Host` header.
    pub(crate) host: String,
    authorization: header::HeaderValue,
}

impl Connection {
    pub(crate) async fn open(
        place: &Place,
        credential: &Credential,
        options: &Options,
        tasks: &tokio_util::task::TaskTracker,
    ) -> Result<Self, ClientError> {
        let info = place.info()?;
        let opening = async {
            match Place::socket(&info)? {
                Some(socket) => match UnixStream::connect(&socket).await {
                    Ok(stream) => Self::over_unix(place, credential, options, tasks, &info, stream).await,
                    // A daemon that died leaves its socket file; nobody listens behind it.
                    Err(error) => Err(unreachable(socket.display(), error)),
                },
                None => Self::over_tcp(place, credential, options, tasks, &info).await,
            }
        };
        let limit = CONNECT_TIMEOUT;
        tokio::time::timeout(limit, opening).await.unwrap_or(Err(ClientError::TimedOut { limit }))
    }

    async fn over_unix(
        place: &Place,
        credential: &Credential,
        options: &Options,
        tasks: &tokio_util::task::TaskTracker,
        info: &DaemonInfo,
        stream: UnixStream,
    ) -> Result<Self, ClientError> {
        let address = "its Unix socket".to_owned();
        let peer = stream.peer_cred().map_err(|error| unreachable(&address, error))?;
        if peer.uid() != our_uid() {
            return Err(ClientError::Unproven { address, reason: "it runs as another user".to_owned() });
        }
        // Across process-id namespaces the kernel has no number to give; then the daemon's own word is the endpoint.
        let seen = peer.pid().and_then(|pid| u32::try_from(pid).ok()).filter(|&pid| pid != 0);
        let endpoint = Endpoint::Unix { pid: seen.unwrap_or(info.pid) };
        let connection =
            Self::handshake(TokioIo::new(stream), "localhost".to_owned(), tasks, &address).await?;
        match credential {
            Credential::Run(token) => Ok(connection.with_token(token)),
            Credential::RunFile(path) => Ok(connection.with_token(&Place::run_token(path)?)),
            Credential::User => connection.proven(place, options, &endpoint, address).await,
        }
    }

    async fn over_tcp(
        place: &Place,
        credential: &Credential,
        options: &Options,
        tasks: &tokio_util::task::TaskTracker,
        info: &DaemonInfo,
    ) -> Result<Self, ClientError> {
        let address = info.address.to_string();
        if !info.address.ip().is_loopback() {
            let reason = "it is not an address of this machine".to_owned();
            return Err(ClientError::Unproven { address, reason });
        }
        if !matches!(credential, Credential::User) {
            let reason = "its Unix socket is gone".to_owned();
            return Err(ClientError::Unreachable { address, reason });
        }
        let stream = TcpStream::connect(info.address).await.map_err(|error| unreachable(&address, error))?;
        stream.set_nodelay(true).map_err(|error| unreachable(&address, error))?;
        let endpoint = Endpoint::Tcp(info.address);
        let connection = Self::handshake(TokioIo::new(stream), address.clone(), tasks, &address).await?;
        connection.proven(place, options, &endpoint, address).await
    }

    async fn handshake<S>(
        io: TokioIo<S>,
        host: String,
        tasks: &tokio_util::task::TaskTracker,
        address: &str,
    ) -> Result<Self, ClientError>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) =
            hyper::client::conn::http1::handshake(io).await.map_err(|error| unreachable(address, error))?;
        // It ends when the sender is dropped or the far end goes.
        tasks.spawn(async move { drop(connection.with_upgrades().await) });
        Ok(Self { sender, host, authorization: header::HeaderValue::from_static("") })
    }

    /// Lets the far end prove itself, and only then arms the connection with the token.
    async fn proven(
        mut self,
        place: &Place,
        options: &Options,
        endpoint: &Endpoint,
        address: String,
    ) -> Result<Self, ClientError> {
        let token = place.token()?;
        let challenge = Challenge::new(&*options.entropy);
        let request = Request::get(HEALTH_PATH)
            .header(header::HOST, &self.host)
            .header(CHALLENGE_HEADER, challenge.to_string())
            .body(Full::default())
            .map_err(|error| ClientError::Malformed { reason: error.to_string() })?;
        let response = self.send(request).await.map_err(|error| unreachable(&address, error))?;
        let status = response.status();
        let answer =
            response.headers().get(PROOF_HEADER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        // The body has to be taken off before the connection carries the next request.
        let body = Limited::new(response.into_body(), PROOF_BODY_MAX).collect().await;
        let unproven =
            |reason: &str| ClientError::Unproven { address: address.clone(), reason: reason.to_owned() };
        if status == StatusCode::SERVICE_UNAVAILABLE {
            return Err(ClientError::Unreachable { address, reason: "it is stopping or full".to_owned() });
        }
        if status != StatusCode::OK || body.is_err() {
            return Err(unproven("it does not answer as a daemon does"));
        }
        let answer = answer.ok_or_else(|| unproven("it gave no proof"))?;
        if !token.verify(&challenge, endpoint, &answer) {
            return Err(unproven("its proof is wrong"));
        }
        Ok(self.with_token(&token.reveal()))
    }

    fn with_token(mut self, token: &str) -> Self {
        if let Ok(mut value) = header::HeaderValue::from_str(&format!("Bearer {token}")) {
            value.set_sensitive(true);
            self.authorization = value;
        }
        self
    }

    pub(crate) fn authorization(&self) -> header::HeaderValue {
        self.authorization.clone()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    pub(crate) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, hyper::Error> {
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }
}

fn unreachable(address: impl ToString, error: impl ToString) -> ClientError {
    ClientError::Unreachable { address: address.to_string(), reason: error.to_string() }
}
