//! History made outside the studio, read by the real binary.

use crate::house::{House, kill, text, until};
use protocol::{ImportState, MessageQuery, NewImport};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

const THREAD: &str = "01a1fe07-513e-7d21-be0e-08ca7192c96f";

fn line(kind: &str, payload: &Value) -> String {
    format!("{}\n", json!({ "timestamp": "2026-11-21T12:14:14.906Z", "type": kind, "payload": payload }))
}

fn head() -> String {
    line(
        "session_meta",
        &json!({ "id": THREAD, "timestamp": "2026-11-21T12:14:14.906Z", "cwd": "/srv/shop" }),
    )
}

fn said(number: usize, role: &str, words: &str) -> String {
    let content = [json!({ "type": "output_text", "text": format!("{number}: {words}") })];
    let payload =
        json!({ "type": "message", "id": format!("msg_{number}"), "role": role, "content": content });
    line("response_item", &payload)
}

fn transcript(house: &House, text: &str) -> PathBuf {
    let folder = house.dir.path().join(".codex/sessions/2026/11/21");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("rollout-2026-11-21T12-14-14-{THREAD}.jsonl"));
    fs::write(&path, text).unwrap();
    path
}

/// Every message of the one session there is, oldest first.
fn messages(house: &House) -> Vec<String> {
    house.api(async |client| {
        let sessions = client.sessions(&protocol::SessionQuery::default()).await.unwrap().value.items;
        assert_eq!(sessions.len(), 1);
        let session = sessions[0].id.to_string();
        let mut all = Vec::new();
        let mut query = MessageQuery { limit: Some(200), ..MessageQuery::default() };
        loop {
            let page = client.messages(&session, &query).await.unwrap().value;
            let texts = page.items.iter().map(|message| serde_json::to_string(&message.blocks).unwrap());
            all.splice(0..0, texts);
            match page.items.first() {
                Some(first) if page.next.is_some() => query.before = Some(first.id),
                _ => return all,
            }
        }
    })
}

#[test]
fn an_import_that_is_killed_goes_on_where_it_was_and_twice_is_once() {
    let house = House::new();
    let mut text = head();
    let words = "x".repeat(20_000);
    for number in 0..600 {
        text.push_str(&said(number, if number % 2 == 0 { "user" } else { "assistant" }, &words));
    }
    let path = transcript(&house, &text);
    let new = NewImport { vendor: model::Vendor::Openai, path: path.display().to_string(), watch: false };
    let daemon = house.daemon();
    let seen = house.api(async |client| {
        let mut import = client.start_import(&new, None).await.unwrap();
        while import.messages == 0 {
            assert_eq!(import.state, ImportState::Reading, "{import:?}");
            import = client.import(import.id).await.unwrap();
        }
        import.messages
    });
    kill(house.pid().unwrap(), Signal::KILL);
    drop(daemon);
    assert!(seen < 600, "it was over before it was killed");

    let rest = house.json(&["session", "import", "codex", "--all", "--json"]);
    assert_eq!(rest["state"], "done", "{rest}");
    assert!(rest["messages"].as_u64().unwrap() <= 600 - seen, "{rest}");
    assert_eq!((&rest["again"], &rest["failed"]), (&json!(0), &json!(0)), "{rest}");
    let all = messages(&house);
    assert_eq!(all.len(), 600);
    for (number, message) in all.iter().enumerate() {
        assert!(message.contains(&format!("\"{number}: x")), "{number} is not where it was");
    }
    let again = house.json(&["session", "import", "codex", "--all", "--json"]);
    assert_eq!(
        (&again["unchanged"], &again["messages"], &again["sessions"]),
        (&json!(1), &json!(0), &json!(0))
    );
    assert_eq!(messages(&house).len(), 600);
    assert!(house.run(&["data", "verify"]).status.success());
}

#[test]
fn a_watch_sees_what_is_added_and_waits_for_a_torn_line() {
    let house = House::new();
    let path = transcript(&house, &(head() + &said(1, "user", "first")));
    let mut command = house.command(&["session", "import", "codex", "--all", "--watch", "--json"]);
    let mut watch = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["messages"], 1);
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    let (second, third) = (said(2, "assistant", "second"), said(3, "user", "third"));
    // Most of the third line is written with the second, its end later.
    let (begun, rest) = third.split_at(third.len() / 2);
    file.write_all((second + begun).as_bytes()).unwrap();
    assert_eq!(next()["messages"], 2);
    file.write_all(rest.as_bytes()).unwrap();
    assert_eq!(next()["messages"], 3);
    kill(watch.id(), Signal::INT);
    watch.wait().unwrap();
    let all = messages(&house);
    assert!(all[1].contains("2: second") && all[2].contains("3: third"), "{all:?}");
}

#[test]
fn a_line_of_a_hundred_megabytes_is_counted_and_what_follows_is_read() {
    let house = House::new();
    let path = transcript(&house, &(head() + &said(1, "user", "before")));
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    let megabyte = vec![b'x'; 1_000_000];
    for _ in 0..100 {
        file.write_all(&megabyte).unwrap();
    }
    file.write_all(format!("\n{}", said(2, "assistant", "after")).as_bytes()).unwrap();
    let import = house.json(&["session", "import", "codex", "--all", "--json"]);
    assert_eq!(
        (&import["unknown"], &import["messages"], &import["failed"]),
        (&json!(1), &json!(2), &json!(0))
    );
    assert!(messages(&house)[1].contains("2: after"));
}

#[test]
fn what_cannot_be_read_is_told_with_the_next_step() {
    let house = House::new();
    let none = house.run(&["session", "import", "kimi", "--all"]);
    assert_eq!(none.status.code(), Some(3), "{}", text(&none));
    assert!(text(&none).contains("kimi has no transcripts here"), "{}", text(&none));
    let missing = house.run(&["session", "import", "codex", "nowhere.jsonl"]);
    assert_eq!(missing.status.code(), Some(2), "{}", text(&missing));
    assert!(text(&missing).contains("--all"), "{}", text(&missing));
    let device = house.run(&["session", "import", "codex", "/dev/null"]);
    assert!(text(&device).contains("neither a file nor a folder"), "{}", text(&device));
    // A file that opens and gives an error when it is read, for whatever user.
    let broken = format!("/proc/{}/mem", std::process::id());
    let broken = house.run(&["session", "import", "codex", &broken, "--json"]);
    assert_eq!(broken.status.code(), Some(1), "{}", text(&broken));
    let told: Value = serde_json::from_slice(&broken.stdout).unwrap();
    assert_eq!((&told["failed"], told["troubles"].as_array().unwrap().len()), (&json!(1), 1));
    let unknown = house.run(&["session", "import", "vi", "--all"]);
    assert_eq!(unknown.status.code(), Some(2));
}

#[test]
fn a_mirror_reads_by_configuration() {
    let house = House::new();
    transcript(&house, &(head() + &said(1, "user", "first")));
    let config = house.root.config();
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    fs::write(&config, json!({ "transcripts": { "mirror": ["codex"] } }).to_string()).unwrap();
    let _daemon = house.daemon();
    let found = |house: &House| {
        house.api(async |client| {
            client.sessions(&protocol::SessionQuery::default()).await.unwrap().value.items.len()
        })
    };
    until("the mirrored session", || (found(&house) > 0).then_some(()));
    assert!(messages(&house)[0].contains("1: first"));
    fs::write(&config, json!({ "transcripts": { "mirror": ["vi"] } }).to_string()).unwrap();
    let refused = house.api(async |client| client.reload_config().await.unwrap_err().to_string());
    assert!(refused.contains("claude, codex, gemini and kimi"), "{refused}");
}

#[test]
fn a_session_of_history_takes_no_prompt_and_says_where_to_go_on() {
    let house = House::new();
    transcript(&house, &(head() + &said(1, "user", "first")));
    house.json(&["session", "import", "codex", "--all", "--json"]);
    let session = house.json(&["session", "list", "--json"])["items"][0].clone();
    assert_eq!(session["origin"]["session"], THREAD);
    assert!(Path::new(session["origin"]["source"].as_str().unwrap()).is_absolute());
    let refused = house.run(&["session", "prompt", session["short_id"].as_str().unwrap(), "go on"]);
    assert!(text(&refused).contains(&format!("codex resume {THREAD}")), "{}", text(&refused));
}
