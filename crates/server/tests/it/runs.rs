//! What an agent's credential opens: its own session, locks and notices in its own name, and nothing else.

use crate::house::House;
use crate::wire::{Ask, Reply};
use protocol::{API_PREFIX, Access, operations};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

pub(crate) struct Run {
    pub(crate) house: House,
    pub(crate) token: String,
    pub(crate) session: String,
    pub(crate) other: String,
}

impl Run {
    pub(crate) async fn begin() -> Self {
        let house = House::open().await;
        let (session, other) = (house.session().await, house.session().await);
        house.script(&[json!({ "event": "ready" })]);
        let prompt = json!({ "text": "work", "targets": ["claude"] });
        let prompted = house.post(&format!("/sessions/{session}/messages"), prompt).await;
        assert_eq!(prompted.status, 201, "{prompted:?}");
        let token = house.run_token(&session).await;
        Self { house, token, session, other }
    }

    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Reply {
        let ask = Ask::new(method, &format!("{API_PREFIX}{path}")).bearer(&self.token);
        let ask = match body {
            Some(body) => ask.json(&body),
            None => ask,
        };
        ask.send(self.house.address).await
    }
}

#[tokio::test]
async fn what_is_the_users_is_refused_to_an_agent() {
    let run = Run::begin().await;
    for operation in operations().iter().filter(|op| op.access == Access::User) {
        let path = operation.path.replace("{id}", &run.session);
        let ask = Ask::new(operation.method.as_str(), &path).bearer(&run.token);
        let reply = ask.send(run.house.address).await;
        assert_eq!((reply.status, reply.code().as_str()), (403, "not_for_agents"), "{operation:?}");
    }
    let page = Ask::get("/").bearer(&run.token).send(run.house.address).await;
    assert_eq!(page.status, 403);
}

#[tokio::test]
async fn an_agent_sees_its_own_session_only() {
    let run = Run::begin().await;
    let foreign =
        run.house.post(&format!("/sessions/{}/messages", run.other), json!({ "text": "x" })).await.json();
    for rest in ["", "/participants", "/live", "/messages", "/tasks", "/plans", "/checkpoints"] {
        let own = run.ask("GET", &format!("/sessions/{}{rest}", run.session), None).await;
        assert_eq!(own.status, 200, "{rest}: {own:?}");
        let other = run.ask("GET", &format!("/sessions/{}{rest}", run.other), None).await;
        assert_eq!((other.status, other.code().as_str()), (403, "not_your_session"), "{rest}");
    }
    let task = run.ask("GET", &format!("/tasks/{}", foreign["id"].as_str().unwrap()), None).await;
    assert_eq!(task.status, 403);
}

#[tokio::test]
async fn an_agent_cannot_release_or_break_anothers_lock() {
    let run = Run::begin().await;
    let users = run.house.post("/locks", json!({ "repo": "textkit", "paths": ["README.md"] })).await.json();
    let token = users["items"][0]["token"].as_u64().unwrap();
    let released = run.ask("DELETE", &format!("/locks/{token}"), None).await;
    assert!(matches!(released.status, 403 | 404 | 409), "{released:?}");
    let broken = run.ask("DELETE", &format!("/locks/{token}?break=true"), None).await;
    assert_eq!((broken.status, broken.code().as_str()), (403, "not_for_agents"));
    let held = run.house.get("/locks").await.json();
    assert!(held["items"].as_array().unwrap().iter().any(|lock| lock["token"] == json!(token)), "{held}");
    let second = run.ask("POST", "/locks", Some(json!({ "repo": "textkit", "paths": ["README.md"] }))).await;
    assert_eq!(second.status, 409, "{second:?}");
    let own = run.ask("POST", "/locks", Some(json!({ "repo": "textkit", "paths": ["src/a.rs"] }))).await;
    assert_eq!(own.status, 201, "{own:?}");
    assert_eq!(own.json()["items"][0]["agent"], json!("claude"), "identity comes from the credential");
}

#[tokio::test]
async fn an_agent_speaks_in_its_own_name_and_reads_its_own_inbox() {
    let run = Run::begin().await;
    let sender =
        json!({ "channel": "state", "payload": {}, "sender": "reg_018f000000007000800000000000000a" });
    assert_eq!(run.ask("POST", "/notices", Some(sender)).await.status, 400, "a sender cannot be claimed");
    let sent = run.ask("POST", "/notices", Some(json!({ "channel": "state", "payload": {} }))).await;
    assert_eq!((sent.status, sent.json()["agent"].clone()), (201, json!("claude")));
    let registrations = run.house.get("/registrations").await.json();
    let user = registrations["items"].as_array().unwrap().iter().find(|one| one["agent"] == "user").unwrap();
    let private = json!({ "channel": "private", "recipient": user["id"], "payload": "secret" });
    assert_eq!(run.house.post("/notices", private).await.status, 201);
    let another = format!("/notices/inbox?registration={}", user["id"].as_str().unwrap());
    assert_eq!(run.ask("GET", &another, None).await.status, 403, "another's inbox");
    assert_eq!(run.ask("GET", "/notices/inbox", None).await.status, 200);
    let inbox = run.ask("GET", "/notices", None).await.json();
    assert!(!inbox.to_string().contains("secret"), "{inbox}");
    assert!(run.house.get("/notices").await.body.contains("secret"));
}

#[tokio::test]
async fn work_waits_while_the_program_on_disk_is_another_version() {
    let house = House::open().await;
    let session = house.session().await;
    let guard = "#!/bin/sh\necho '{\"guard\":\"ready\",\"wire\":9999}'\ncat >/dev/null\n";
    // Beside and in its place, as an upgrade does it: a program that runs cannot be written.
    std::fs::write(house.dir.path().join("new"), guard).unwrap();
    std::fs::set_permissions(house.dir.path().join("new"), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(house.dir.path().join("new"), house.dir.path().join("guard")).unwrap();
    let prompt = json!({ "text": "work", "targets": ["claude"] });
    let task = house.post(&format!("/sessions/{session}/messages"), prompt).await.json();
    let told = |seats: &Value| {
        seats["items"].as_array().unwrap().iter().any(|seat| {
            seat["status"] == "paused" && seat["detail"].as_str().is_some_and(|why| why.contains("9999"))
        })
    };
    house.until(&format!("/sessions/{session}/participants"), told).await;
    let task = house.get(&format!("/tasks/{}", task["id"].as_str().unwrap())).await.json();
    assert_eq!(task["state"], "submitted", "it is not lost: {task}");
    let found = house.get("/doctor").await.body;
    assert!(found.contains("coditect daemon restart"), "{found}");
}

#[tokio::test]
async fn a_credential_dies_with_its_run() {
    let run = Run::begin().await;
    assert_eq!(run.ask("GET", "/version", None).await.status, 200);
    let tasks = run.house.get(&format!("/sessions/{}/tasks", run.session)).await.json();
    let id = tasks["items"][0]["id"].as_str().unwrap();
    assert_eq!(
        run.house.ask("POST", &format!("/tasks/{id}/cancel")).send(run.house.address).await.status,
        200
    );
    for _ in 0..2_000 {
        if run.ask("GET", "/version", None).await.status != 200 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("the run is canceled and its credential still counts");
}
