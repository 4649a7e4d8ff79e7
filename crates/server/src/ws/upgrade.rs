//! From a request to a WebSocket: the handshake of RFC 6455, and the raw connection for the end.
//!
//! Done here rather than by the framework because the end matters: a client that is shown out while it
//! still sends must get our close code, and it gets it only when what it sent is taken off the wire first.

use crate::failure::Failure;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{SplitSink, SplitStream};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use protocol::limits;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

pub(crate) type Socket = WebSocketStream<TokioIo<Upgraded>>;
pub(crate) type Sink = SplitSink<Socket, Message>;
pub(crate) type Stream = SplitStream<Socket>;

/// Bytes read from a client at once. It has little to say.
const READ_BUFFER: usize = 8 * 1024;
/// Bytes gathered before they are written.
const WRITE_BUFFER: usize = 16 * 1024;

/// The answer to a good handshake, and the promise of its connection.
pub(crate) fn handshake(mut request: Request) -> Result<(Response, OnUpgrade), Failure> {
    let headers = request.headers();
    let wished =
        has_word(headers, header::CONNECTION, "upgrade") && has_word(headers, header::UPGRADE, "websocket");
    if !wished {
        let failure =
            Failure::new(StatusCode::UPGRADE_REQUIRED, "websocket_only", "this speaks WebSocket only");
        return Err(failure.hint("ask with `Connection: upgrade` and `Upgrade: websocket`"));
    }
    let malformed = |message: &str| Failure::new(StatusCode::BAD_REQUEST, "websocket_handshake", message);
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(malformed("the WebSocket version is not 13"));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or_else(|| malformed("there is no WebSocket key"))?;
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes()))
        .map_err(|_| malformed("the WebSocket key is malformed"))?;
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    Ok((response, hyper::upgrade::on(&mut request)))
}

fn has_word(headers: &HeaderMap, name: header::HeaderName, word: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|given| given.trim().eq_ignore_ascii_case(word))
}

pub(crate) async fn open(upgraded: Upgraded) -> Socket {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(limits::WS_WRITE_MAX)
        .max_message_size(Some(limits::WS_MESSAGE_MAX))
        .max_frame_size(Some(limits::WS_MESSAGE_MAX));
    WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await
}

/// Takes what the client still sends off the wire until it hangs up, for a while. With bytes left
/// unread, closing would reset the connection and could take our last words with it.
pub(crate) async fn linger(sink: Sink, stream: Stream, patience: Duration) {
    let Ok(socket) = sink.reunite(stream) else { return };
    let mut raw = socket.into_inner();
    let hang_up = async {
        if raw.shutdown().await.is_err() {
            return;
        }
        let mut unread = [0u8; READ_BUFFER];
        while matches!(raw.read(&mut unread).await, Ok(1..)) {}
    };
    // A client that goes on sending is not waited for.
    let _ = tokio::time::timeout(patience, hang_up).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn code(headers: &[(&str, &str)]) -> Result<u16, String> {
        let request = headers
            .iter()
            .fold(Request::builder().uri("/ws"), |request, (name, value)| request.header(*name, *value));
        match handshake(request.body(Body::empty()).unwrap()) {
            Ok((response, _)) => Ok(response.status().as_u16()),
            Err(failure) => Err(failure.refusal.code.into_owned()),
        }
    }

    #[test]
    fn a_handshake_is_whole_or_refused() {
        let key = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let version = ("sec-websocket-version", "13");
        let upgrade = ("upgrade", "WebSocket");
        let connection = ("connection", "keep-alive, Upgrade");
        assert_eq!(code(&[key, version, upgrade, connection]), Ok(101));
        assert_eq!(code(&[key, version, connection]), Err("websocket_only".to_owned()));
        assert_eq!(code(&[key, version, upgrade]), Err("websocket_only".to_owned()));
        assert_eq!(code(&[key, upgrade, connection]), Err("websocket_handshake".to_owned()));
        assert_eq!(code(&[version, upgrade, connection]), Err("websocket_handshake".to_owned()));
        let old = ("sec-websocket-version", "8");
        assert_eq!(code(&[key, old, upgrade, connection]), Err("websocket_handshake".to_owned()));
    }
}
