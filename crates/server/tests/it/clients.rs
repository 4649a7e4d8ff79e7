//! The client crate against the real server: it proves who it talks to, and its stream comes back.

use crate::house::House;
use bus::system::SystemEntropy;
use client::{Client, ClientError, Credential, Options, StreamItem};
use protocol::ws::{Feed, ServerMessage, Subscription};
use protocol::{DaemonInfo, NewSession, SessionPatch, SessionQuery};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};

/// Rewrites daemon.json, as a dead daemon leaves it or an impostor would like it.
fn announce(house: &House, change: impl FnOnce(&mut DaemonInfo)) {
    let text = std::fs::read(house.root.daemon_info()).unwrap();
    let mut info: DaemonInfo = serde_json::from_slice(&text).unwrap();
    change(&mut info);
    server::announce(&house.root.daemon_info(), &info).unwrap();
}

#[tokio::test]
async fn calls_travel_and_refusals_keep_their_words() {
    let house = House::open().await;
    let (client, version) = Client::connect(options(&house)).await.unwrap();
    assert_eq!(version.pid, std::process::id());
    let repo = client
        .add_repo(
            &protocol::NewRepo {
                path: house.repo.path().display().to_string(),
                slug: Some("textkit".to_owned()),
                test_command: None,
            },
            None,
        )
        .await
        .unwrap();
    let new = NewSession {
        repo: Some(repo.slug),
        agents: vec!["claude".parse().unwrap()],
        ..NewSession::default()
    };
    let session = client.create_session(&new, Some("k-1")).await.unwrap();
    let again = client.create_session(&new, Some("k-1")).await.unwrap();
    assert_eq!(session.id, again.id, "the key makes the repeat harmless");
    let patch = SessionPatch { title: Some("x".to_owned()), ..SessionPatch::default() };
    assert_eq!(client.change_session(&session.short_id, &patch, None).await.unwrap().title, "x");
    let listed = client.sessions(&SessionQuery::default()).await.unwrap();
    assert_eq!(listed.value.items.len(), 1);
    assert!(listed.cursor.is_some());
    let refused = client.session("ses_018f000000007000800000000000000a").await.unwrap_err();
    assert_eq!((refused.code(), refused.exit_class().code()), ("not_found", 3));
    assert!(refused.correlation().is_some());
}

fn options(house: &House) -> Options {
    Options::user(house.root.clone(), Arc::new(SystemEntropy))
}

#[tokio::test]
async fn without_a_socket_it_comes_over_tcp() {
    let house = House::open().await;
    announce(&house, |info| info.socket = None);
    assert!(Client::connect(options(&house)).await.is_ok());
}

/// Takes one connection, answers the challenge with `answer`, and says whether it was ever told a credential.
async fn impostor<S: AsyncReadExt + AsyncWriteExt + Unpin>(mut stream: S, answer: &str, told: &AtomicBool) {
    let mut seen = Vec::new();
    let mut buffer = [0u8; 1024];
    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
        seen.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&seen).to_lowercase();
        told.fetch_or(text.contains("authorization") || text.contains("bearer"), Ordering::SeqCst);
        if text.ends_with("\r\n\r\n") {
            let _ = stream.write_all(answer.as_bytes()).await;
            seen.clear();
        }
    }
}

#[tokio::test]
async fn the_token_is_never_told_to_who_took_the_port() {
    let house = House::open().await;
    let zeros = "0".repeat(64);
    let answers = [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned(),
        format!("HTTP/1.1 200 OK\r\nx-coditect-proof: {zeros}\r\ncontent-length: 2\r\n\r\nok"),
        "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "SSH-2.0-nonsense\r\n".to_owned(),
    ];
    for answer in answers {
        let squatter = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = squatter.local_addr().unwrap();
        announce(&house, |info| (info.socket, info.address) = (None, address));
        let told = AtomicBool::new(false);
        let squat = async { impostor(squatter.accept().await.unwrap().0, &answer, &told).await };
        // The impostor listens until the client hangs up.
        let (outcome, ()) = tokio::join!(Client::connect(options(&house)), squat);
        let error = outcome.err().unwrap();
        assert!(matches!(error, ClientError::Unproven { .. } | ClientError::Unreachable { .. }), "{error:?}");
        assert_eq!(error.exit_class().code(), 6);
        assert!(!told.load(Ordering::SeqCst), "the token was told to: {answer}");
    }
}

#[tokio::test]
async fn a_squatter_that_passes_the_challenge_on_is_found_out() {
    let house = House::open().await;
    let squatter = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (ours, real) = (squatter.local_addr().unwrap(), house.address);
    announce(&house, |info| (info.socket, info.address) = (None, ours));
    let relay = async {
        loop {
            let (mut from, _) = squatter.accept().await.unwrap();
            let mut to = tokio::net::TcpStream::connect(real).await.unwrap();
            let mut head = vec![0u8; 4096];
            let n = from.read(&mut head).await.unwrap();
            // With the host it expects, the real daemon gladly proves itself.
            let text = String::from_utf8_lossy(&head[..n]).replace(&ours.to_string(), &real.to_string());
            assert!(!text.to_lowercase().contains("authorization"), "the token was told");
            to.write_all(text.as_bytes()).await.unwrap();
            let n = to.read(&mut head).await.unwrap();
            assert!(String::from_utf8_lossy(&head[..n]).contains("x-coditect-proof"));
            from.write_all(&head[..n]).await.unwrap();
        }
    };
    let error = tokio::select! {
        outcome = Client::connect(options(&house)) => outcome.err().unwrap(),
        () = relay => unreachable!("the relay runs for ever"),
    };
    assert_eq!(error.code(), "daemon_unproven", "{error}");
}

#[tokio::test]
async fn a_swapped_socket_is_not_told_the_token() {
    let house = House::open().await;
    let swapped = house.socket();
    std::fs::remove_file(&swapped).unwrap();
    let listener = UnixListener::bind(&swapped).unwrap();
    let told = AtomicBool::new(false);
    let answer = "HTTP/1.1 200 OK\r\nx-coditect-proof: 00\r\ncontent-length: 2\r\n\r\nok";
    let impostor = async { impostor(listener.accept().await.unwrap().0, answer, &told).await };
    let (outcome, ()) = tokio::join!(Client::connect(options(&house)), impostor);
    let error = outcome.err().unwrap();
    assert_eq!(error.code(), "daemon_unproven", "{error}");
    assert!(!told.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_daemon_that_is_gone_is_told_from_one_that_never_was() {
    let mut house = House::open().await;
    house.stop().await;
    let gone = Client::connect(options(&house)).await.err().unwrap();
    assert_eq!(gone.code(), "daemon_unreachable", "{gone}");
    std::fs::remove_file(house.root.daemon_info()).unwrap();
    let never = Client::connect(options(&house)).await.err().unwrap();
    assert_eq!(never.code(), "daemon_not_running");
}

#[tokio::test]
async fn an_agents_client_uses_the_socket_and_its_own_credential() {
    let house = House::open().await;
    let session = house.session().await;
    house.script(&[json!({ "event": "ready" })]);
    house.post(&format!("/sessions/{session}/messages"), json!({ "text": "x", "targets": ["claude"] })).await;
    let token = house.run_token(&session).await;
    let options = Options { credential: Credential::Run(token), ..options(&house) };
    let client = Client::new(options.clone());
    assert!(client.locks().await.is_ok());
    assert_eq!(client.status().await.unwrap_err().exit_class().code(), 4);
    announce(&house, |info| info.socket = None);
    let error = Client::new(options).locks().await.unwrap_err();
    assert_eq!(error.code(), "daemon_unreachable", "over TCP it could not know whom it tells");
}

#[tokio::test]
async fn a_stream_comes_back_after_a_restart_and_misses_nothing() {
    let mut house = House::open().await;
    let session = house.session().await;
    let wish = Subscription {
        after: Some(house.engine.newest()),
        session: None,
        feeds: vec![Feed::Events],
        client: None,
    };
    let mut stream = house.client().watch(wish, Some(Duration::from_secs(30)));
    house.events(&session, 3).await;
    let mut titles = Vec::new();
    while titles.len() < 3 {
        titles.extend(title(stream.next().await.unwrap()));
    }
    house.restart().await;
    house.events(&session, 2).await;
    let mut resumed = false;
    while titles.len() < 5 {
        let item = stream.next().await.unwrap();
        resumed |= item == StreamItem::Resumed;
        titles.extend(title(item));
    }
    assert_eq!(titles, ["t0", "t1", "t2", "t0", "t1"]);
    assert!(resumed);
    assert_eq!(stream.cursor(), Some(house.engine.newest()));
}

fn title(item: StreamItem) -> Option<String> {
    match item {
        StreamItem::Message(message) => match *message {
            ServerMessage::Event(event) => event.payload["title"].as_str().map(str::to_owned),
            _ => None,
        },
        StreamItem::Resumed => None,
    }
}

#[tokio::test]
async fn a_stream_whose_credential_is_gone_ends() {
    let house = House::open().await;
    let mut stream = house.client().watch(Subscription::default(), None);
    stream.next().await.unwrap();
    std::fs::remove_file(house.root.token()).unwrap();
    let error = loop {
        if let Err(error) = stream.next().await {
            break error;
        }
    };
    assert_eq!(error.exit_class().code(), 4, "{error}");
}
