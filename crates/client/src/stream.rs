//! The live stream: a WebSocket that comes back by itself and resumes where it stopped.
//!
//! Invariant: the cursor moves only with an `event` or `position` message, which come after everything
//! that belongs to them. A cut in the middle therefore repeats and never skips.

use crate::client::refused_upgrade;
use crate::{Client, ClientError};
use futures_util::{SinkExt, StreamExt};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use protocol::ws::{ClientMessage, Close, ServerMessage, Subscription};
use protocol::{API_PREFIX, Cursor};
use std::time::Duration;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

/// First wait before coming back; doubles up to the longest.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
const BACKOFF_LONGEST: Duration = Duration::from_secs(5);
/// Longest message taken, in bytes: an event may carry a whole prompt.
const MESSAGE_MAX: usize = 16 * 1024 * 1024;
/// A daemon that says nothing for this long, not even a ping, is taken for gone.
const SILENCE_MAX: Duration = Duration::from_secs(60);

type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// What the stream brings.
#[derive(Debug, Clone, PartialEq)]
pub enum StreamItem {
    Message(Box<ServerMessage>),
    /// The connection was lost and is there again; nothing was missed, deltas excepted.
    Resumed,
}

/// A subscription that survives its connections.
pub struct EventStream {
    client: Client,
    subscription: Subscription,
    socket: Option<Socket>,
    /// How long to keep trying while the daemon is away; none: for ever.
    patience: Option<Duration>,
    connected_once: bool,
}

impl Client {
    /// Subscribes. `patience` bounds how long a daemon may be away before the stream gives up.
    pub fn watch(&self, subscription: Subscription, patience: Option<Duration>) -> EventStream {
        EventStream { client: self.clone(), subscription, socket: None, patience, connected_once: false }
    }
}

impl EventStream {
    /// Where the stream stands: the last event whose every message was handed out.
    pub fn cursor(&self) -> Option<Cursor> {
        self.subscription.after
    }

    /// The next item. After an error that is not passing, the stream is at its end. May be dropped
    /// at any await and called again.
    pub async fn next(&mut self) -> Result<StreamItem, ClientError> {
        loop {
            if self.socket.is_none() {
                self.come_back().await?;
                if std::mem::replace(&mut self.connected_once, true) {
                    return Ok(StreamItem::Resumed);
                }
            }
            match self.read().await? {
                Some(message) => {
                    self.note(&message);
                    return Ok(StreamItem::Message(Box::new(message)));
                }
                None => self.socket = None,
            }
        }
    }

    fn note(&mut self, message: &ServerMessage) {
        match message {
            ServerMessage::Event(event) => self.subscription.after = Some(event.cursor),
            ServerMessage::Position(at) => self.subscription.after = Some(at.cursor),
            ServerMessage::Reset(reset) => self.subscription.after = Some(reset.newest),
            // A stream that was to start now must not start later when it has to come back.
            ServerMessage::Hello(hello) if self.subscription.after.is_none() => {
                self.subscription.after = Some(hello.newest);
            }
            _ => {}
        }
    }

    /// One message; none when the connection is gone and may be made again.
    async fn read(&mut self) -> Result<Option<ServerMessage>, ClientError> {
        let Some(socket) = &mut self.socket else { return Ok(None) };
        loop {
            let Ok(frame) = tokio::time::timeout(SILENCE_MAX, socket.next()).await else { return Ok(None) };
            match frame {
                Some(Ok(Message::Text(text))) => {
                    return serde_json::from_str(&text)
                        .map(Some)
                        .map_err(|error| ClientError::Malformed { reason: error.to_string() });
                }
                Some(Ok(Message::Close(close))) => {
                    let Some(close) = close else { return Ok(None) };
                    return match Close::of_code(close.code.into()) {
                        Some(why) if !why.may_resume() => Err(ended(why)),
                        _ => Ok(None),
                    };
                }
                // Pings are answered by the WebSocket layer while it is read.
                Some(Ok(_)) => {}
                Some(Err(WsError::Capacity(error))) => {
                    return Err(ClientError::Malformed { reason: error.to_string() });
                }
                Some(Err(_)) | None => return Ok(None),
            }
        }
    }

    async fn come_back(&mut self) -> Result<(), ClientError> {
        let started = tokio::time::Instant::now();
        let mut wait = BACKOFF_FIRST;
        loop {
            let error = match self.connect().await {
                Ok(socket) => {
                    self.socket = Some(socket);
                    return Ok(());
                }
                Err(error) => error,
            };
            let out_of_patience = self.patience.is_some_and(|patience| started.elapsed() + wait > patience);
            if !error.is_passing() || out_of_patience {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(BACKOFF_LONGEST);
        }
    }

    async fn connect(&self) -> Result<Socket, ClientError> {
        let gone =
            |error: String| ClientError::Unreachable { address: "its socket".to_owned(), reason: error };
        let mut connection = self.client.open().await?;
        let key = generate_key();
        let request = Request::get(format!("{API_PREFIX}/ws"))
            .header(header::HOST, &connection.host)
            .header(header::AUTHORIZATION, connection.authorization())
            .header(header::CONNECTION, "upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, &key)
            .body(Full::<Bytes>::default())
            .map_err(|error| ClientError::Malformed { reason: error.to_string() })?;
        let limit = self.client.shared.options.timeout;
        let response = tokio::time::timeout(limit, connection.send(request))
            .await
            .map_err(|_| ClientError::TimedOut { limit })?
            .map_err(|error| gone(error.to_string()))?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(refused_upgrade(response).await);
        }
        let expected = derive_accept_key(key.as_bytes());
        if response.headers().get(header::SEC_WEBSOCKET_ACCEPT).is_none_or(|given| given != expected.as_str())
        {
            return Err(ClientError::Malformed { reason: "the WebSocket handshake is wrong".to_owned() });
        }
        let upgraded = hyper::upgrade::on(response).await.map_err(|error| gone(error.to_string()))?;
        let config = WebSocketConfig::default()
            .read_buffer_size(32 * 1024)
            .max_message_size(Some(MESSAGE_MAX))
            .max_frame_size(Some(MESSAGE_MAX));
        let mut socket =
            WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, Some(config)).await;
        let subscribe = ClientMessage::Subscribe(self.subscription.clone());
        let text = serde_json::to_string(&subscribe)
            .map_err(|error| ClientError::Malformed { reason: error.to_string() })?;
        socket.send(Message::text(text)).await.map_err(|error| gone(error.to_string()))?;
        Ok(socket)
    }
}

/// A close after which coming back would bring the same close.
fn ended(why: Close) -> ClientError {
    let status = match why {
        Close::Unauthorized => 401,
        Close::NotFound => 404,
        Close::TooMany => 429,
        _ => 400,
    };
    ClientError::Refused {
        status,
        detail: protocol::ErrorDetail {
            code: format!("stream_closed_{}", why.code()),
            message: format!("the daemon ended the stream: {}", why.reason()),
            hint: None,
            correlation: None,
        },
    }
}
