//! Artifacts and archives over HTTP: bytes go in, files to be saved come out, and an agent reaches its own alone.

use crate::house::House;
use crate::mcp::call;
use crate::runs::Run;
use crate::wire::{Ask, Reply};
use protocol::limits::ARTIFACT_MAX;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const GO_ON: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

async fn put(house: &House, token: &str, query: &str, content: impl Into<Vec<u8>>) -> Reply {
    Ask::new("POST", &format!("/api/v1/artifacts?{query}"))
        .bearer(token)
        .raw("application/octet-stream", content)
        .send(house.address)
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_is_given_back_as_a_file_to_be_saved_and_never_shown() {
    let house = House::open().await;
    let page = "<script>alert(document.cookie)</script>";
    let made = put(&house, &house.token, "name=..%2F..%2Fx%22%0D%0Aevil.html", page).await;
    assert_eq!((made.status, &made.json()["name"]), (201, &json!("x_evil.html")));
    let again = put(&house, &house.token, "name=x%22evil.html", page).await;
    assert_eq!(again.json()["id"], made.json()["id"], "the same thing is kept once");
    let path = format!("/artifacts/{}/content", made.json()["id"].as_str().unwrap());
    let content = house.get(&path).await;
    assert_eq!((content.status, content.body.as_str()), (200, page));
    for (header, value) in [
        ("content-type", "application/octet-stream"),
        ("content-disposition", "attachment; filename=\"x_evil.html\""),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(content.headers[header], value, "{header}");
    }
    assert!(content.headers["content-security-policy"].contains("sandbox"), "{content:?}");
    let size = ARTIFACT_MAX + 1;
    let large = Ask::new("POST", "/api/v1/artifacts?name=large")
        .bearer(&house.token)
        .header("content-type", "application/octet-stream")
        .header("content-length", &size.to_string());
    let refused = large.send(house.address).await;
    assert_eq!((refused.status, refused.code().as_str()), (413, "artifact_too_large"));
    for (query, status, code) in [
        ("name=%2F..", 400, "artifact_name"),
        ("name=a&commit=HEAD", 400, "commit_malformed"),
        ("name=a&path=..%2Fa", 400, "path_refused"),
        ("name=a&session=zzzzzzzz", 404, "not_found"),
        ("name=a&more=1", 400, "query_malformed"),
        ("kind=code", 400, "query_malformed"),
    ] {
        let refused = put(&house, &house.token, query, "x").await;
        assert_eq!((refused.status, refused.code().as_str()), (status, code), "{query}");
    }
    let form = Ask::new("POST", "/api/v1/artifacts?name=a").bearer(&house.token).raw("text/plain", "x");
    assert_eq!(form.send(house.address).await.status, 415);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_keeps_and_reads_what_is_its_sessions() {
    let run = Run::begin().await;
    let house = &run.house;
    let wish = json!({ "name": "report.md", "text": "# All is well", "path": "docs/report.md" });
    let kept = call(house, &run.token, "artifact_put", wish.clone()).await;
    assert_eq!((&kept["agent"], &kept["kind"]), (&json!("claude"), &json!("document")), "{kept}");
    assert_eq!(call(house, &run.token, "artifact_put", wish).await["artifact"], kept["artifact"]);
    let read = call(house, &run.token, "artifact_get", json!({ "artifact": kept["short_id"] })).await;
    assert_eq!(read["text"], "# All is well", "{read}");
    let listed = call(house, &run.token, "artifact_list", json!({})).await;
    assert_eq!(listed["artifacts"].as_array().map(Vec::len), Some(1), "{listed}");
    let shown = house.get(&format!("/artifacts?session={}", run.session)).await.json();
    assert_eq!(shown["items"][0]["id"], kept["artifact"]);

    let users =
        put(house, &house.token, &format!("name=secret&session={}", run.other), vec![0xff, 0xfe]).await;
    let users = users.json()["id"].clone();
    let foreign = json!({ "artifact": users });
    assert_eq!(
        call(house, &run.token, "artifact_get", foreign.clone()).await["error"]["code"],
        "not_your_session"
    );
    let into = json!({ "name": "x", "text": "x", "session": run.other });
    assert_eq!(call(house, &run.token, "artifact_put", into).await["error"]["code"], "not_your_session");
    let of = json!({ "session": run.other });
    assert_eq!(call(house, &run.token, "artifact_list", of).await["error"]["code"], "not_your_session");
    let path = format!("/api/v1/artifacts/{}", kept["artifact"].as_str().unwrap());
    let taken = Ask::new("DELETE", &path).bearer(&run.token).send(house.address).await;
    assert_eq!(taken.code(), "not_for_agents");
    let binary = call(house, &house.token, "artifact_get", foreign).await;
    assert_eq!((&binary["text"], &binary["artifact"]["bytes"]), (&Value::Null, &json!(2)), "{binary}");
    let long = json!({ "name": "x", "text": "x".repeat(256 * 1024 + 1) });
    assert_eq!(call(house, &house.token, "artifact_put", long).await["error"]["code"], "text_too_long");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn artifacts_travel_with_their_session() {
    let (here, there) = (House::open().await, House::open().await);
    let session = here.session().await;
    let content: Vec<u8> = (0..600_000_u32).map(|n| (n % 251) as u8).collect();
    let made = put(&here, &here.token, &format!("name=rows.bin&session={session}"), content.clone()).await;
    let archive = here.get(&format!("/sessions/{session}/export")).await;
    assert_eq!(archive.headers["content-type"], "application/jsonl");
    assert!(archive.headers["content-disposition"].starts_with("attachment; filename=\"session_"));
    let mut text = Vec::new();
    let mut download =
        here.client().export_session(&session, &protocol::SessionExportQuery::default()).await.unwrap();
    while let Some(piece) = download.next().await.unwrap() {
        text.extend_from_slice(&piece);
    }
    let path = there.dir.path().join("session.jsonl");
    std::fs::write(&path, &text).unwrap();
    let imported = there.post("/sessions/import", json!({ "path": path })).await;
    assert_eq!((imported.status, &imported.json()["blobs"]), (201, &json!(1)), "{imported:?}");
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let mut download = there.client().artifact_content(&id).await.unwrap();
    let mut got = Vec::new();
    while let Some(piece) = download.next().await.unwrap() {
        got.extend_from_slice(&piece);
    }
    assert!(got == content, "the content came along");
    std::fs::write(&path, &text[..text.len() / 2]).unwrap();
    let cut = there.post("/sessions/import", json!({ "path": path })).await;
    assert_eq!((cut.status, cut.code().as_str()), (400, "archive_cut"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn artifacts_are_listed_in_pages_until_they_are_removed() {
    let house = House::open().await;
    for n in 0..5 {
        put(&house, &house.token, &format!("name={n}.txt"), n.to_string()).await;
    }
    let names = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    let first = house.get("/artifacts?limit=2").await.json();
    assert_eq!(names(&first), ["4.txt", "3.txt"]);
    let rest = house.get(&format!("/artifacts?before={}", first["next"].as_str().unwrap())).await.json();
    assert_eq!(
        (names(&rest), &rest["next"]),
        (vec!["2.txt".into(), "1.txt".into(), "0.txt".into()], &Value::Null)
    );
    let removed = house.ask("DELETE", "/artifacts/@last").send(house.address).await;
    assert_eq!((removed.status, &removed.json()["name"]), (200, &json!("4.txt")));
    let gone = removed.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(house.get(&format!("/artifacts/{gone}")).await.code(), "not_found");
    assert_eq!(house.get(&format!("/artifacts/{gone}/content")).await.code(), "not_found");
    assert_eq!(names(&house.get("/artifacts").await.json()).len(), 4);
    let again = put(&house, &house.token, "name=4.txt", "4").await.json();
    assert_ne!(again["id"], json!(gone), "what was removed is not found again by its content");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_many_artifacts_are_taken_in_at_once_and_the_next_is_told_when_to_come_again() {
    let house = House::with(|bounds| bounds.uploads = 1).await;
    let head = format!(
        "POST /api/v1/artifacts?name=slow HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\
         content-type: application/octet-stream\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\
         connection: close\r\n\r\n",
        house.address, house.token
    );
    let mut slow = tokio::net::TcpStream::connect(house.address).await.unwrap();
    slow.write_all(head.as_bytes()).await.unwrap();
    // Asked to go on: it has its place, and its body is waited for.
    let mut said = [0; GO_ON.len()];
    slow.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, GO_ON);
    let refused = put(&house, &house.token, "name=other", "x").await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "uploads_busy"));
    assert_eq!(refused.headers["retry-after"], "1");
    assert!(refused.json()["error"]["hint"].is_string(), "{refused:?}");
    slow.write_all(b"abcd").await.unwrap();
    let mut answer = Vec::new();
    slow.read_to_end(&mut answer).await.unwrap();
    assert_eq!(Reply::parse(&answer).status, 201);
    assert_eq!(put(&house, &house.token, "name=next", "y").await.status, 201, "its place is free again");
}
