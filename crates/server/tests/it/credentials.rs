//! Tokens, launch codes, cookies and the Unix socket.

use crate::house::House;
use crate::wire::Ask;
use protocol::{CHALLENGE_HEADER, Challenge, Endpoint, PROOF_HEADER, Token};
use serde_json::json;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use tokio::net::UnixStream;

async fn cookie(house: &House) -> String {
    let made = house.ask("POST", "/launch").send(house.address).await;
    assert_eq!(made.status, 201, "{made:?}");
    let url = made.json()["url"].as_str().unwrap().to_owned();
    let target = url.split_once("/api/").map(|(_, rest)| format!("/api/{rest}")).unwrap();
    let used = Ask::get(&target).send(house.address).await;
    assert_eq!((used.status, used.headers["location"].as_str()), (303, "/"));
    let set = used.headers["set-cookie"].clone();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict"), "{set}");
    let again = Ask::get(&target).send(house.address).await;
    assert_eq!((again.status, again.code().as_str()), (401, "launch_code"), "a code works once");
    set.split(';').next().unwrap().to_owned()
}

/// A new token in the file's place, as a rotation does it.
fn rotate(house: &House) -> String {
    let fresh = Token::generate(&testkit::SeededEntropy::new(99)).reveal();
    let beside = house.root.token().with_extension("new");
    std::fs::write(&beside, &fresh).unwrap();
    std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::rename(&beside, house.root.token()).unwrap();
    fresh
}

#[tokio::test]
async fn the_files_are_the_owners_alone() {
    let house = House::open().await;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&house.root.token()), 0o600);
    assert_eq!(mode(&house.root.daemon_dir()), 0o700);
    assert_eq!(mode(&house.socket()), 0o600);
    assert_eq!(mode(&house.root.daemon_info()), 0o600);
}

#[tokio::test]
async fn a_launch_code_lets_one_page_in() {
    let house = House::open().await;
    let cookie = cookie(&house).await;
    let origin = format!("http://127.0.0.1:{}", house.address.port());
    let page = Ask::get("/").header("cookie", &cookie).send(house.address).await;
    assert_eq!(page.status, 200);
    let read = Ask::get("/api/v1/status").header("cookie", &cookie).send(house.address).await;
    assert_eq!(read.status, 200, "a read of our own page carries no origin");
    let change = || Ask::new("POST", "/api/v1/launch").header("cookie", &cookie);
    assert_eq!(change().send(house.address).await.code(), "origin_missing");
    assert_eq!(change().header("origin", "http://evil.test").send(house.address).await.status, 403);
    assert_eq!(change().header("origin", &origin).send(house.address).await.status, 201);
    let upgrade = Ask::get("/api/v1/ws").header("cookie", &cookie).header("upgrade", "websocket");
    assert_eq!(upgrade.send(house.address).await.code(), "origin_missing");
}

#[tokio::test]
async fn a_page_without_a_cookie_is_told_what_to_do() {
    let house = House::open().await;
    let page = Ask::get("/s/1").header("accept", "text/html,*/*").send(house.address).await;
    assert_eq!(page.status, 401);
    assert!(page.headers["content-type"].starts_with("text/html"));
    assert!(page.body.contains("coditect open"), "{}", page.body);
}

#[tokio::test]
async fn an_open_page_survives_a_restart_of_the_daemon() {
    let mut house = House::open().await;
    let (cookie, before) = (cookie(&house).await, house.address);
    house.restart().await;
    assert_eq!(house.address, before, "the restarted daemon asks for its last port");
    let read = Ask::get("/api/v1/status").header("cookie", &cookie).send(house.address).await;
    assert_eq!(read.status, 200);
}

#[tokio::test]
async fn a_rotated_token_takes_everything_with_it() {
    let house = House::open().await;
    let cookie = cookie(&house).await;
    let code =
        house.ask("POST", "/launch").send(house.address).await.json()["code"].as_str().unwrap().to_owned();
    let fresh = rotate(&house);
    // The old one is refused as soon as the file is looked at again.
    house.until_refused().await;
    assert_eq!(Ask::get("/api/v1/status").header("cookie", &cookie).send(house.address).await.status, 401);
    assert_eq!(Ask::get(&format!("/api/v1/launch?code={code}")).send(house.address).await.status, 401);
    assert_eq!(Ask::get("/api/v1/status").bearer(&fresh).send(house.address).await.status, 200);
}

#[tokio::test]
async fn a_token_file_that_is_gone_or_open_means_nobody() {
    let house = House::open().await;
    std::fs::set_permissions(house.root.token(), std::fs::Permissions::from_mode(0o644)).unwrap();
    house.until_refused().await;
    assert_eq!(Ask::get("/healthz").send(house.address).await.status, 200, "the pulse goes on");
}

#[tokio::test]
async fn the_unix_socket_takes_the_same_credentials() {
    let house = House::open().await;
    let over = async |ask: Ask| {
        let stream = UnixStream::connect(house.socket()).await.unwrap();
        ask.send_over(stream, "localhost").await
    };
    assert_eq!(over(house.ask("GET", "/version")).await.status, 200);
    assert_eq!(over(Ask::get("/api/v1/version")).await.status, 401);
    assert_eq!(over(house.ask("GET", "/version").header("host", "evil.test")).await.status, 421);
    let page = house.ask("GET", "/version").header("origin", "http://localhost");
    assert_eq!(over(page).await.status, 403, "no page lives behind the socket");
}

#[tokio::test]
async fn the_daemon_proves_itself_to_who_asks_at_its_own_address() {
    let house = House::open().await;
    let token = Token::parse(&house.token).unwrap();
    let challenge = Challenge::new(&testkit::SeededEntropy::new(5));
    let ask = Ask::get("/healthz").header(CHALLENGE_HEADER, &challenge.to_string());
    let proof = ask.send(house.address).await.headers[PROOF_HEADER].clone();
    assert!(token.verify(&challenge, &Endpoint::Tcp(house.address), &proof));
    let elsewhere = Endpoint::Tcp(([127, 0, 0, 1], house.address.port().wrapping_add(1)).into());
    assert!(!token.verify(&challenge, &elsewhere, &proof), "what a squatter would have to show");
    let stream = UnixStream::connect(house.socket()).await.unwrap();
    let proof = ask.send_over(stream, "localhost").await.headers[PROOF_HEADER].clone();
    assert!(token.verify(&challenge, &Endpoint::Unix { pid: std::process::id() }, &proof));
    let nonsense = Ask::get("/healthz").header(CHALLENGE_HEADER, "x").send(house.address).await;
    assert!(!nonsense.headers.contains_key(PROOF_HEADER));
}

#[tokio::test]
async fn a_key_makes_a_repeat_harmless_and_a_reuse_a_conflict() {
    let house = House::open().await;
    house.add_repo().await;
    let make = |title: &str| {
        house
            .ask("POST", "/sessions")
            .header("idempotency-key", "k1")
            .json(&json!({ "title": title, "agents": ["claude"] }))
    };
    let first = make("a").send(house.address).await;
    let again = make("a").send(house.address).await;
    assert_eq!((first.status, again.status), (201, 201), "{again:?}");
    assert_eq!(first.json()["id"], again.json()["id"]);
    let other = make("b").send(house.address).await;
    assert_eq!((other.status, other.code().as_str()), (409, "idempotency_conflict"));
}
