//! Stopping in good order: what is in flight ends, what is open is told, nothing stays.

use crate::house::House;
use crate::wire::{Ask, Reply};
use protocol::ws::{Close, ServerMessage, Subscription};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn what_is_in_flight_is_answered_and_what_comes_later_is_not() {
    let mut house = House::open().await;
    // A request whose body is still on its way when the daemon is told to stop.
    let mut flight = TcpStream::connect(house.address).await.unwrap();
    let body = r#"{"path":"/nowhere"}"#;
    let head = format!(
        "POST /api/v1/repos HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{{",
        house.address,
        house.token,
        body.len()
    );
    flight.write_all(head.as_bytes()).await.unwrap();
    house.until("/status", |status| status["connections"].as_u64() >= Some(2)).await;
    let running = house.take();
    let (_, answer) = tokio::join!(running.stop(), async {
        flight.write_all(&body.as_bytes()[1..]).await.unwrap();
        let mut answer = Vec::new();
        flight.read_to_end(&mut answer).await.unwrap();
        Reply::parse(&answer)
    });
    // Whether the gate saw it before the stop or after, it was told something.
    assert!(matches!(answer.status, 400 | 404 | 503), "{answer:?}");
    assert!(TcpStream::connect(house.address).await.is_err(), "nobody listens any more");
    assert!(!house.socket().exists());
}

#[tokio::test]
async fn a_connection_that_never_ends_does_not_keep_the_daemon() {
    let mut house = House::with(|bounds| bounds.drain = Duration::from_millis(50)).await;
    let mut endless = TcpStream::connect(house.address).await.unwrap();
    endless.write_all(b"GET /").await.unwrap();
    house.until("/status", |status| status["connections"].as_u64() >= Some(2)).await;
    house.stop().await;
    assert!(Ask::get("/healthz").send_refused(house.address).await);
}

#[tokio::test]
async fn watchers_are_told_to_come_back() {
    let mut house = House::open().await;
    let mut stream = house.client().watch(Subscription::default(), Some(Duration::ZERO));
    let client::StreamItem::Message(first) = stream.next().await.unwrap() else { panic!("no message") };
    assert!(matches!(*first, ServerMessage::Hello(_)));
    house.stop().await;
    assert!(Close::Draining.may_resume());
    let gone = loop {
        if let Err(error) = stream.next().await {
            break error;
        }
    };
    assert_eq!(gone.exit_class(), protocol::ExitClass::Unreachable, "{gone}");
}
