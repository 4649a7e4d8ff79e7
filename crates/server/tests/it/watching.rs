//! The WebSocket: in order, without a gap, bounded, and ended with a reason.

use crate::house::House;
use crate::wire::{Ask, Reply};
use futures_util::{SinkExt, StreamExt};
use protocol::ws::{Close, ServerMessage};
use protocol::{Cursor, limits};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::http::Request;
use tokio_tungstenite::{WebSocketStream, client_async};

struct Watcher(WebSocketStream<TcpStream>);

impl Watcher {
    async fn connect(house: &House) -> Self {
        let request = Request::get(format!("ws://{}/api/v1/ws", house.address))
            .header("host", house.address.to_string())
            .header("authorization", format!("Bearer {}", house.token))
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", generate_key())
            .body(())
            .unwrap();
        let stream = TcpStream::connect(house.address).await.unwrap();
        Self(client_async(request, stream).await.unwrap().0)
    }

    /// Connects, hears the hello and subscribes.
    async fn subscribe(house: &House, wish: Value) -> Self {
        let mut watcher = Self::connect(house).await;
        assert!(matches!(watcher.next().await, Ok(ServerMessage::Hello(_))));
        let mut subscribe = json!({ "type": "subscribe" });
        subscribe.as_object_mut().unwrap().extend(wish.as_object().unwrap().clone());
        watcher.say(&subscribe.to_string()).await;
        watcher
    }

    async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The next message, or the code of the close.
    async fn next(&mut self) -> Result<ServerMessage, u16> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => return Err(frame.map_or(1005, |frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(1006),
            }
        }
    }

    /// Reads on until the connection is closed.
    async fn end(&mut self) -> u16 {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }

    async fn events(&mut self, count: usize) -> Vec<(Cursor, String)> {
        let mut events = Vec::new();
        while events.len() < count {
            if let ServerMessage::Event(event) = self.next().await.unwrap() {
                events.push((event.cursor, event.kind));
            }
        }
        events
    }
}

#[tokio::test]
async fn what_happens_is_heard_in_order_and_with_its_resources() {
    let house = House::open().await;
    let mut watcher = Watcher::subscribe(&house, json!({ "after": house.engine.newest().to_string() })).await;
    let session = house.session().await;
    let mut seen = Vec::new();
    loop {
        match watcher.next().await.unwrap() {
            ServerMessage::Resource(resource) => seen.push((resource.cursor, format!("{:?}", resource.noun))),
            ServerMessage::Event(event) => {
                seen.push((event.cursor, event.kind.clone()));
                if event.kind == "session.created" {
                    assert_eq!(event.session.map(|id| id.to_string()), Some(session));
                    break;
                }
            }
            _ => {}
        }
    }
    assert!(seen.windows(2).all(|pair| pair[0].0 <= pair[1].0), "{seen:?}");
    let position = |what: &str| seen.iter().position(|(_, name)| name == what).unwrap();
    assert!(position("Session") < position("session.created"), "resources come before their event");
}

#[tokio::test]
async fn a_watcher_resumes_where_it_stopped_without_a_gap() {
    let house = House::open().await;
    let session = house.session().await;
    let mut first = Watcher::subscribe(&house, json!({ "after": "0.0", "feeds": ["events"] })).await;
    let known = first.events(3).await;
    drop(first);
    house.events(&session, 20).await;
    let last = known.last().unwrap().0;
    let mut second =
        Watcher::subscribe(&house, json!({ "after": last.to_string(), "feeds": ["events"] })).await;
    let all = house.get("/events?limit=1000").await.json();
    let all: Vec<String> = all["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["cursor"].as_str().unwrap().to_owned())
        .collect();
    let rest = second.events(all.len() - known.len()).await;
    let heard: Vec<String> = known.iter().chain(&rest).map(|(cursor, _)| cursor.to_string()).collect();
    assert_eq!(heard, all);
}

#[tokio::test]
async fn a_cursor_of_another_history_is_reset() {
    let house = House::open().await;
    let session = house.session().await;
    for foreign in ["99.3", "1.999999"] {
        let mut watcher = Watcher::subscribe(&house, json!({ "after": foreign })).await;
        let ServerMessage::Reset(reset) = watcher.next().await.unwrap() else {
            panic!("no reset for {foreign}")
        };
        assert!(reset.newest <= house.engine.newest());
        house.events(&session, 1).await;
        let next = watcher.events(1).await;
        assert_eq!(next[0].1, "session.renamed", "the stream goes on from there");
    }
}

#[tokio::test]
async fn a_session_can_be_watched_alone() {
    let house = House::open().await;
    let (own, other) = (house.session().await, house.session().await);
    let after = house.engine.newest().to_string();
    let wish = json!({ "after": after, "session": own, "feeds": ["events"] });
    let mut watcher = Watcher::subscribe(&house, wish).await;
    house.events(&other, 300).await;
    house.events(&own, 1).await;
    loop {
        match watcher.next().await.unwrap() {
            ServerMessage::Event(event) => {
                assert_eq!(event.session.map(|id| id.to_string()), Some(own));
                return;
            }
            // What it was not told of has not to be looked through again.
            ServerMessage::Position(at) => assert!(at.cursor <= house.engine.newest()),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn text_is_heard_as_it_is_written() {
    let house = House::open().await;
    let session = house.session().await;
    let delta = |text: &str| json!({ "event": "delta", "kind": "text", "text": text });
    house.script(&[json!({ "event": "ready" }), delta("Hello "), delta("world")]);
    let mut watcher = Watcher::subscribe(&house, json!({ "session": session, "feeds": ["deltas"] })).await;
    // The subscription is in force when a ping comes back: frames are handled in order.
    watcher.0.send(Message::Ping(Default::default())).await.unwrap();
    while !matches!(watcher.0.next().await, Some(Ok(Message::Pong(_)))) {}
    house.post(&format!("/sessions/{session}/messages"), json!({ "text": "x", "targets": ["kimi"] })).await;
    let mut text = String::new();
    while text != "Hello world" {
        if let ServerMessage::Delta(delta) = watcher.next().await.unwrap() {
            assert_eq!(delta.offset as usize, text.len());
            text += &delta.text;
        }
    }
}

#[tokio::test]
async fn what_a_watcher_does_wrong_has_a_code() {
    let house = House::open().await;
    for (text, close) in [
        ("{}", Close::Malformed),
        ("not json", Close::Malformed),
        (r#"{"type":"subscribe","after":"x"}"#, Close::Malformed),
        (r#"{"type":"subscribe","session":"ses_018f000000007000800000000000000a"}"#, Close::NotFound),
    ] {
        let mut watcher = Watcher::connect(&house).await;
        watcher.say(text).await;
        assert_eq!(watcher.end().await, close.code(), "{text}");
    }
    let mut binary = Watcher::connect(&house).await;
    binary.0.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(binary.end().await, Close::Malformed.code());
}

#[tokio::test]
async fn floods_and_giants_are_cut_and_others_hear_on() {
    let house = House::open().await;
    let session = house.session().await;
    let mut other = Watcher::subscribe(&house, json!({ "feeds": ["events"] })).await;

    let mut flood = Watcher::connect(&house).await;
    for _ in 0..(limits::WS_INCOMING_BURST * 2) {
        if flood.0.send(Message::Ping(Default::default())).await.is_err() {
            break;
        }
    }
    assert_eq!(flood.end().await, Close::TooMany.code());

    let mut giant = Watcher::connect(&house).await;
    let text = "x".repeat(limits::WS_MESSAGE_MAX + 1);
    let _ = giant.0.send(Message::text(text)).await;
    assert_eq!(giant.end().await, Close::TooBig.code());

    house.events(&session, 1).await;
    assert_eq!(other.events(1).await.len(), 1);
}

/// A WebSocket by hand, to send what no client would.
async fn by_hand(house: &House) -> TcpStream {
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    let head = format!(
        "GET /api/v1/ws HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: {}\r\n\r\n",
        house.address,
        house.token,
        generate_key()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        seen.push(stream.read_u8().await.unwrap());
    }
    assert!(seen.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&seen));
    stream
}

/// Reads frames until the close and gives its code.
async fn close_code(stream: &mut TcpStream) -> u16 {
    loop {
        let head = stream.read_u8().await.unwrap();
        let len = match stream.read_u8().await.unwrap() {
            126 => usize::from(stream.read_u16().await.unwrap()),
            127 => usize::try_from(stream.read_u64().await.unwrap()).unwrap(),
            short => usize::from(short),
        };
        let mut payload = vec![0; len];
        stream.read_exact(&mut payload).await.unwrap();
        if head & 0x0f == 8 {
            return u16::from_be_bytes([payload[0], payload[1]]);
        }
    }
}

/// A masked frame; the mask is zero, so the payload stays readable.
fn frame(head: u8, len: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![head];
    match len {
        0..=125 => bytes.push(0x80 | len as u8),
        126..=65_535 => {
            bytes.push(0x80 | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend(len.to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

#[tokio::test]
async fn broken_frames_have_the_codes_of_the_protocol() {
    let house = House::open().await;
    let unmasked = [0x81, 2, b'{', b'}'].to_vec();
    let mut fragments = frame(0x01, 600_000, &vec![b'x'; 600_000]);
    fragments.extend(frame(0x00, 600_000, &vec![b'x'; 600_000]));
    for (name, bytes, close) in [
        ("a 64 MB frame", frame(0x81, 64 << 20, b"{"), Close::TooBig),
        ("endless fragments", fragments, Close::TooBig),
        ("an unmasked frame", unmasked, Close::Protocol),
        ("bad UTF-8", frame(0x81, 2, &[0xff, 0xfe]), Close::NotText),
        ("a reserved opcode", frame(0x83, 0, b""), Close::Protocol),
        ("a long ping", frame(0x89, 126, &[0; 126]), Close::Protocol),
    ] {
        let mut stream = by_hand(&house).await;
        stream.write_all(&bytes).await.unwrap();
        assert_eq!(close_code(&mut stream).await, close.code(), "{name}");
    }
}

#[tokio::test]
async fn who_never_subscribes_is_let_go() {
    let house = House::with(|bounds| bounds.ws_subscribe_timeout = Duration::from_secs(2)).await;
    let mut idle = Watcher::connect(&house).await;
    assert_eq!(idle.end().await, Close::NotSubscribed.code());
    let mut good = Watcher::subscribe(&house, json!({ "after": "0.0" })).await;
    let session = house.session().await;
    house.events(&session, 1).await;
    assert!(good.events(1).await.len() == 1);
}

#[tokio::test]
async fn who_is_not_heard_of_is_let_go() {
    let house = House::with(|bounds| {
        bounds.ws_ping_every = Duration::from_millis(20);
        bounds.ws_silence_max = Duration::from_millis(100);
    })
    .await;
    let mut stream = by_hand(&house).await;
    stream.write_all(&frame(0x81, 20, br#"{"type":"subscribe"}"#)).await.unwrap();
    assert_eq!(close_code(&mut stream).await, Close::Silent.code());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_slow_reader_is_cut_counted_and_can_resume() {
    let house = House::with(|bounds| {
        bounds.ws_write_deadline = Duration::from_secs(2);
        bounds.send_buffer = 64 * 1024;
    })
    .await;
    let session = house.session().await;
    let wish = json!({ "after": "0.0", "feeds": ["events"] });
    let mut other = Watcher::subscribe(&house, wish.clone()).await;
    let mut slow = by_hand(&house).await;
    let subscribe = br#"{"type":"subscribe","after":"0.0","feeds":["events"]}"#;
    slow.write_all(&frame(0x81, subscribe.len() as u64, subscribe)).await.unwrap();
    // Prompts of 200 kB each: more than every buffer between the daemon and a reader that sleeps.
    let text = "x".repeat(200 * 1024);
    let flood = async {
        for _ in 0..60 {
            house.post(&format!("/sessions/{session}/messages"), json!({ "text": text })).await;
        }
        house.mark("flooded").await;
        house.until("/status", |status| status["slow_watchers_cut"] != 0).await
    };
    let reading = async {
        let mut heard = Vec::new();
        loop {
            if let ServerMessage::Event(event) = other.next().await.unwrap() {
                heard.push(event.cursor);
                if event.payload["channel"] == "flooded" {
                    return heard;
                }
            }
        }
    };
    let (status, heard) = tokio::join!(flood, reading);
    assert_eq!(
        (&status["slow_watchers_cut"], &status["watchers"]),
        (&json!(1), &json!(1)),
        "the reader stays"
    );
    let mut back = Watcher::subscribe(&house, wish).await;
    let again: Vec<Cursor> = back.events(heard.len()).await.into_iter().map(|(cursor, _)| cursor).collect();
    assert_eq!(again, heard, "who comes back has missed nothing");
}

#[tokio::test]
async fn there_are_only_so_many_places() {
    let house = House::with(|bounds| bounds.watchers = 1).await;
    let first = Watcher::connect(&house).await;
    house.until("/status", |status| status["watchers"] == 1).await;
    let second = Ask::get("/api/v1/ws")
        .bearer(&house.token)
        .header("connection", "upgrade, close")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", &generate_key());
    let reply: Reply = second.send(house.address).await;
    assert_eq!((reply.status, reply.code().as_str()), (429, "too_many_watchers"));
    drop(first);
    house.until("/status", |status| status["watchers"] == 0).await;
    Watcher::connect(&house).await;
}

#[tokio::test]
async fn a_token_taken_away_ends_open_sockets() {
    let house = House::open().await;
    let mut watcher = Watcher::subscribe(&house, json!({})).await;
    std::fs::remove_file(house.root.token()).unwrap();
    assert_eq!(watcher.end().await, Close::Unauthorized.code());
}
