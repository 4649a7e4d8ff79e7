//! Orders about worktrees that come twice under one key: done once, answered twice alike.

use crate::house::House;
use crate::wire::{Ask, Reply};
use protocol::{API_PREFIX, IDEMPOTENCY_HEADER};
use serde_json::{Value, json};

async fn ask(house: &House, key: &str, (method, path): (&str, &str), body: &Value) -> Reply {
    let ask = Ask::new(method, &format!("{API_PREFIX}{path}")).bearer(&house.token);
    let ask = ask.header(IDEMPOTENCY_HEADER, key);
    if body.is_null() { ask.send(house.address).await } else { ask.json(body).send(house.address).await }
}

/// How often something was recorded so far.
async fn count(house: &House, kind: &str) -> usize {
    let events = house.get("/events?after=0.0&limit=1000").await.json();
    events["items"].as_array().expect("a list").iter().filter(|event| event["kind"] == kind).count()
}

/// Asks twice under one key; the answer, and that nothing was done the second time.
async fn twice(house: &House, kind: &str, order: (&str, &str), body: Value) -> Value {
    let key = format!("once:{kind}");
    let before = count(house, kind).await;
    let first = ask(house, &key, order, &body).await;
    assert!(first.status < 300, "{order:?}: {first:?}");
    let again = ask(house, &key, order, &body).await;
    assert_eq!((again.status, again.json()), (first.status, first.json()), "{order:?}");
    assert_eq!(count(house, kind).await, before + 1, "{order:?} is done once");
    again.json()
}

#[tokio::test]
async fn what_is_done_to_a_worktree_is_done_once_and_answered_again() {
    let house = House::open().await;
    house.add_repo().await;
    let new = json!({ "repo": "textkit", "name": "feat" });
    let made = twice(&house, "worktree.created", ("POST", "/worktrees"), new).await;
    let other = json!({ "repo": "textkit", "name": "other" });
    let other = ask(&house, "once:worktree.created", ("POST", "/worktrees"), &other).await;
    assert_eq!((other.status, other.code().as_str()), (409, "idempotency_conflict"), "another order");
    let path = made["path"].as_str().unwrap().to_owned();
    let commit = |file: &str| {
        std::fs::write(std::path::Path::new(&path).join(file), "1\n").unwrap();
        house.repo.git(&["-C", &path, "add", file]);
        house.repo.git(&["-C", &path, "commit", "-qm", file]);
    };
    commit("one.txt");
    let feat = "/worktrees/textkit%2Ffeat";
    let merge = ("POST", format!("{feat}/merge"));
    let merged = twice(&house, "worktree.merged", (merge.0, &merge.1), json!({ "into": "main" })).await;
    assert_eq!((&merged["changed"], &merged["into"]), (&json!(["one.txt"]), &json!("main")), "{merged}");
    commit("two.txt");
    let late = ask(&house, "once:worktree.merged", (merge.0, &merge.1), &json!({ "into": "main" })).await;
    assert_eq!(late.json(), merged, "what was made since is not merged with it");
    assert!(!house.repo.path().join("two.txt").exists());
    assert_eq!(house.post(&merge.1, json!({})).await.status, 200);

    let away = twice(&house, "worktree.trashed", ("POST", &format!("{feat}/remove")), json!({})).await;
    assert_eq!(away["name"], "textkit/feat", "{away}");
    let restore = format!("{feat}/restore");
    let back = twice(&house, "worktree.restored", ("POST", &restore), Value::Null).await;
    assert_eq!((&back["state"], &back["path"]), (&json!("live"), &made["path"]), "{back}");
    assert!(std::path::Path::new(&path).join("two.txt").exists());
    let late = ask(&house, "once:worktree.trashed", ("POST", &format!("{feat}/remove")), &json!({})).await;
    assert_eq!((late.status, late.code().as_str()), (409, "worktree_restored"), "{late:?}");
    assert_eq!(house.post(&format!("{feat}/remove"), json!({})).await.status, 200);
    let gone = twice(&house, "worktree.purged", ("DELETE", feat), Value::Null).await;
    assert_eq!((&gone["name"], &gone["path"]), (&json!("textkit/feat"), &made["path"]), "{gone}");
}

#[tokio::test]
async fn a_script_is_started_once_and_an_entry_is_queued_once() {
    let house = House::open().await;
    house.repo.write(".coditect/run.sh", "sleep 600\n");
    house.repo.commit_all("a script");
    house.add_repo().await;
    let scripts = house.get("/repos/textkit/scripts").await.json();
    let hash = scripts["items"][0]["hash"].clone();
    let trusted = house.post("/repos/textkit/trust", json!({ "hashes": [hash] })).await;
    assert_eq!(trusted.status, 200, "{trusted:?}");
    let made = house.post("/worktrees", json!({ "repo": "textkit", "name": "feat" })).await;
    assert_eq!(made.status, 201, "{made:?}");
    let start = ("POST", "/worktrees/feat/scripts");
    let run = json!({ "script": "run" });
    let first = ask(&house, "k", start, &run).await;
    let again = ask(&house, "k", start, &run).await;
    assert_eq!((first.status, again.status), (200, 200), "{first:?} {again:?}");
    assert_eq!(count(&house, "worktree.script_started").await, 1);
    let stop = ("DELETE", "/worktrees/feat/scripts");
    for _ in 0..2 {
        assert_eq!(ask(&house, "stop", stop, &Value::Null).await.status, 200);
    }
    assert_eq!(ask(&house, "k", start, &run).await.status, 200, "it is over, and was started once");
    assert_eq!(count(&house, "worktree.script_started").await, 1);
    let entry = json!({ "worktree": "feat", "hold": true });
    twice(&house, "merge.added", ("POST", "/merges"), entry).await;
}
