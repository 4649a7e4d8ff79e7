//! Every bound of the HTTP side, reached and passed.

use crate::house::House;
use crate::wire::{Ask, Reply};
use protocol::limits;
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_body_over_the_limit_is_refused_told_or_untold() {
    let house = House::open().await;
    let large = "x".repeat(limits::BODY_MAX + 1);
    let told =
        house.ask("POST", "/sessions").raw("application/json", large.clone()).send(house.address).await;
    assert_eq!((told.status, told.code().as_str()), (413, "body_too_large"));

    let mut chunked = format!("{:x}\r\n", large.len()).into_bytes();
    chunked.extend_from_slice(large.as_bytes());
    chunked.extend_from_slice(b"\r\n0\r\n\r\n");
    let untold = house
        .ask("POST", "/sessions")
        .header("transfer-encoding", "chunked")
        .raw("application/json", chunked)
        .send(house.address)
        .await;
    assert_eq!((untold.status, untold.code().as_str()), (413, "body_too_large"));
}

#[tokio::test]
async fn malformed_bodies_are_told_so_and_change_nothing() {
    let house = House::open().await;
    let before = house.engine.newest();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_field = format!("{{\"title\":{}1{}}}", "[".repeat(200), "]".repeat(200));
    for body in [
        "",
        "{",
        "null",
        "[]",
        "\"x\"",
        "{\"title\":1}",
        "{\"title\":\"a\",\"title\":\"b\"}",
        "{\"unknown\":1}",
        "{\"agents\":[\"Not A Name\"]}",
        "{\"agents\":[\"claude\"],\"board\":\"ses_1\"}",
        "\u{0}",
        &deep,
        &deep_field,
    ] {
        let reply = house.ask("POST", "/sessions").raw("application/json", body).send(house.address).await;
        let shown: String = body.chars().take(40).collect();
        assert_eq!(reply.status, 400, "{shown}: {}", reply.body);
        assert!(reply.body.len() < 1000, "the answer does not repeat the body");
    }
    let latin = house
        .ask("POST", "/sessions")
        .raw("application/json", vec![b'"', 0xe4, b'"'])
        .send(house.address)
        .await;
    assert_eq!(latin.status, 400);
    let extra = house.ask("POST", "/data/verify").json(&json!({ "force": true })).send(house.address).await;
    assert_eq!(extra.status, 400, "a body where none is taken");
    assert_eq!(house.engine.newest(), before);
}

#[tokio::test]
async fn unknown_ids_are_not_found_and_malformed_ones_are_told_so() {
    let house = House::open().await;
    let nobody = "018f000000007000800000000000000a";
    for (path, prefix) in [("sessions", "ses"), ("tasks", "tsk"), ("plans", "pln"), ("repos", "rep")] {
        for id in [format!("{prefix}_{nobody}"), "zzzzzzzzzz".to_owned()] {
            let reply = house.get(&format!("/{path}/{id}")).await;
            assert_eq!(
                (reply.status, reply.code().as_str()),
                (404, "not_found"),
                "{path}/{id}: {}",
                reply.body
            );
        }
        for id in ["%00", "..%2f..%2fetc", "x", "%ff", "ses_%20", &"y".repeat(1000)] {
            let reply = house.get(&format!("/{path}/{id}")).await;
            assert!(matches!(reply.status, 400 | 404), "{path}/{id}: {reply:?}");
        }
    }
}

#[tokio::test]
async fn lists_and_queries_have_bounds() {
    let house = House::open().await;
    for path in [
        "/sessions?limit=0",
        "/sessions?limit=201",
        "/sessions?limit=-1",
        "/sessions?before=tsk_1",
        "/sessions?page=2",
        "/notices?limit=500",
        "/notices?channel=a%20b",
        "/events?limit=1001",
        "/events?after=42",
        "/events?after=1.2.3",
        "/tasks?state=done",
        "/tasks?limit=0",
        "/tasks?limit=201",
        "/tasks?before=ses_1",
    ] {
        let reply = house.get(path).await;
        assert_eq!(reply.status, 400, "{path}: {}", reply.body);
    }
    for path in [
        "/sessions?limit=200",
        "/notices?limit=1&after=0",
        "/events?limit=1000&after=0.0",
        "/tasks?state=failed&limit=200",
    ] {
        assert_eq!(house.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn heads_have_bounds() {
    let house = House::open().await;
    let long = house.get(&format!("/sessions?limit=1&before={}", "x".repeat(limits::TARGET_MAX))).await;
    assert_eq!((long.status, long.code().as_str()), (414, "target_too_long"));
    let mut many = house.ask("GET", "/version");
    for n in 0..=limits::HEADERS_MAX {
        many = many.header(&format!("x-{n}"), "1");
    }
    assert_eq!(many.send(house.address).await.status, 431);
    let big = house.ask("GET", "/version").header("x-big", &"x".repeat(limits::HEAD_MAX));
    assert_eq!(big.send(house.address).await.status, 431);
    let key = "k".repeat(limits::IDEMPOTENCY_KEY_MAX + 1);
    for key in [key.as_str(), "", "two words"] {
        let reply = house.ask("POST", "/launch").header("idempotency-key", key).send(house.address).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "idempotency_key"), "{key}");
    }
}

#[tokio::test]
async fn a_head_that_takes_too_long_ends_its_connection() {
    let house = House::with(|bounds| bounds.head_timeout = Duration::from_millis(50)).await;
    let mut slow = TcpStream::connect(house.address).await.unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nhost: 127").await.unwrap();
    // It ends by itself: nothing more is ever sent.
    let mut answer = Vec::new();
    slow.read_to_end(&mut answer).await.unwrap();
    assert!(!Reply::parse(&answer).body.contains("ok"));
}

#[tokio::test]
async fn a_body_that_takes_too_long_is_refused() {
    let house = House::with(|bounds| bounds.body_timeout = Duration::from_millis(50)).await;
    let ask = house.ask("POST", "/sessions").header("content-length", "100").raw("application/json", "{");
    let reply = ask.send(house.address).await;
    assert_eq!((reply.status, reply.code().as_str()), (408, "body_too_slow"));
}

#[tokio::test]
async fn strangers_who_only_connect_keep_nobody_out() {
    let house = House::with(|bounds| bounds.connections = 8).await;
    let mut strangers = Vec::new();
    for _ in 0..40 {
        let mut stranger = TcpStream::connect(house.address).await.unwrap();
        stranger.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        strangers.push(stranger);
    }
    let reply = house.get("/version").await;
    assert_eq!(reply.status, 200, "the owner gets in");
    // The first ones were shown out to make room.
    let mut nothing = Vec::new();
    strangers[0].read_to_end(&mut nothing).await.ok();
    assert!(nothing.is_empty());
}

#[tokio::test]
async fn a_house_full_of_proven_guests_says_so() {
    let house = House::with(|bounds| bounds.connections = 1).await;
    let mut guest = TcpStream::connect(house.address).await.unwrap();
    let head = format!(
        "GET /api/v1/version HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\r\n",
        house.address, house.token
    );
    guest.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0u8; 12];
    guest.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    let turned_away = Ask::get("/healthz").send(house.address).await;
    assert_eq!(turned_away.status, 503);
    assert_eq!(turned_away.headers["retry-after"], "1");
    drop(guest);
}

#[tokio::test]
async fn wrong_guesses_are_slowed_and_right_ones_are_not() {
    let house = House::with(|bounds| bounds.guesses_burst = 5).await;
    let mut refused = Vec::new();
    for n in 0..50 {
        let guess = Ask::get("/api/v1/status").bearer(&format!("{n:064x}")).send(house.address).await;
        refused.push(guess.status);
        if guess.status == 429 {
            assert_eq!(guess.code(), "too_many_guesses");
            assert!(guess.headers["retry-after"].parse::<u64>().unwrap() >= 1);
        }
    }
    assert_eq!(&refused[..5], [401; 5]);
    assert!(refused.iter().filter(|status| **status == 429).count() > 30, "{refused:?}");
    let codes = Ask::get("/api/v1/launch?code=00").send(house.address).await;
    assert_eq!(codes.status, 429, "launch codes are guesses too");
    let status = house.get("/status").await;
    assert_eq!(status.status, 200, "a right token is never delayed");
    assert!(status.json()["refused_credentials"].as_u64().unwrap() >= 50);
}

#[tokio::test]
async fn one_credential_has_its_share() {
    let house = House::with(|bounds| bounds.requests_burst = 0).await;
    let reply = house.get("/version").await;
    assert_eq!((reply.status, reply.code().as_str()), (429, "too_many_requests"));
    assert_eq!(reply.headers["retry-after"], "1");
    assert_eq!(Ask::get("/healthz").send(house.address).await.status, 200, "the pulse goes on");
}

#[tokio::test]
async fn nonsense_on_the_wire_harms_nobody() {
    let house = House::open().await;
    let dice = testkit::SeededEntropy::new(17);
    let good = format!(
        "POST /api/v1/sessions HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: 13\r\n\r\n{{\"title\":\"x\"}}",
        house.address, house.token
    );
    for round in 0..500 {
        let mut bytes = good.clone().into_bytes();
        for _ in 0..=dice.below(8) {
            let at = usize::try_from(dice.below(bytes.len() as u64)).unwrap();
            match dice.below(3) {
                0 => bytes[at] = u8::try_from(dice.below(256)).unwrap(),
                1 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, b"\r\n\0:\xff"[usize::try_from(dice.below(5)).unwrap()]),
            }
        }
        let mut stream = TcpStream::connect(house.address).await.unwrap();
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let status = Reply::parse(&answer).status;
        assert!(status < 500, "round {round}: {}", String::from_utf8_lossy(&bytes));
    }
    assert_eq!(house.get("/version").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_slow_read_keeps_nobody_else_waiting() {
    let house = House::open().await;
    let session = house.session().await;
    let before = house.engine.newest();
    // Too long for a line of the journal: it lies in a file of its own.
    let prompt = json!({ "text": "x".repeat(10_000), "targets": ["claude"] });
    assert_eq!(house.post(&format!("/sessions/{session}/messages"), prompt).await.status, 201);
    // The archive is written from the journal, too; from here on the test is the only reader.
    let archived =
        |path: &std::path::PathBuf| std::fs::read_to_string(path).unwrap().contains(&"x".repeat(10_000));
    while !files_below(&house.root.workspace("default").session_logs()).iter().any(archived) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // So are the databases that follow.
    let level =
        |found: &engine::Finding| found.check == "sides" && found.message.ends_with(", 0 events behind");
    while !house.engine.doctor().await.iter().any(level) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let blobs = files_below(&house.root.workspace("default").blobs());
    assert!(!blobs.is_empty());
    // In its place a pipe, which gives nothing before somebody writes: the disk that takes its time.
    let kept: Vec<_> = blobs.into_iter().map(|path| (std::fs::read(&path).unwrap(), path)).collect();
    for (_, path) in &kept {
        std::fs::remove_file(path).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    }
    let slow = house.ask("GET", &format!("/events?after={before}"));
    let mut slow = std::pin::pin!(slow.send(house.address));
    let asked = tokio::time::timeout(Duration::from_millis(200), &mut slow).await;
    assert!(asked.is_err(), "it was to be slow: {asked:?}");
    let health = Ask::get("/healthz");
    let health = tokio::time::timeout(Duration::from_secs(30), health.send(house.address)).await;
    for (bytes, path) in kept {
        // It ends when somebody has read it, and with the test if nobody does.
        std::thread::spawn(move || std::fs::write(path, bytes));
    }
    assert_eq!(slow.await.status, 200);
    assert_eq!(health.expect("nobody served while one read").status, 200);
}

/// Every plain file at any depth.
fn files_below(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap().flatten() {
            match entry.file_type().unwrap() {
                kind if kind.is_dir() => open.push(entry.path()),
                kind if kind.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found
}
