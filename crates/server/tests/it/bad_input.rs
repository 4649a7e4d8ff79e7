//! Bad input: each gets its code and a next step, and leaves everything as it was.

use crate::house::House;
use crate::wire::{Ask, Reply};
use protocol::limits;
use serde_json::{Value, json};

const NOBODY: &str = "018f000000007000800000000000000a";

/// A house with something in it that could be lost.
struct Scene {
    house: House,
    session: String,
    before: String,
}

impl Scene {
    async fn set() -> Self {
        let house = House::open().await;
        let session = house.session().await;
        house.post("/locks", json!({ "repo": "textkit", "paths": ["README.md"] })).await;
        house.mark("before").await;
        let before = Self::everything(&house, &session).await;
        Self { house, session, before }
    }

    /// All that is shown of the workspace, and how far its history goes.
    async fn everything(house: &House, session: &str) -> String {
        let mut all = house.engine.newest().to_string();
        for path in [
            "/sessions".to_owned(),
            format!("/sessions/{session}"),
            format!("/sessions/{session}/messages"),
            format!("/sessions/{session}/tasks"),
            format!("/sessions/{session}/plans"),
            "/tasks".to_owned(),
            "/repos".to_owned(),
            "/notices".to_owned(),
        ] {
            all.push_str(&house.get(&path).await.body);
        }
        let locks = house.get("/locks").await.json();
        for lock in locks["items"].as_array().unwrap() {
            // When it expires is reckoned from a clock that has nothing to do with the wall's.
            all.push_str(&format!("{} {} {}", lock["token"], lock["path"], lock["holder"]));
        }
        all
    }

    /// Sends it and finds the code, a next step, and nothing changed.
    async fn refused(&self, ask: Ask, status: u16, code: &str) -> Reply {
        let reply = ask.send(self.house.address).await;
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{reply:?}");
        let error = reply.json()["error"].clone();
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{error}");
        assert!(
            error["hint"].as_str().is_some_and(|text| !text.is_empty()),
            "{code} has no next step: {error}"
        );
        assert_eq!(error["correlation"], json!(reply.headers["x-correlation-id"]));
        assert_eq!(
            Self::everything(&self.house, &self.session).await,
            self.before,
            "{code} changed something"
        );
        reply
    }

    fn prompting(&self, body: &Value) -> Ask {
        self.house.ask("POST", &format!("/sessions/{}/messages", self.session)).json(body)
    }
}

#[tokio::test]
async fn who_may_not_come_in_changes_nothing() {
    let scene = Scene::set().await;
    let target = format!("/api/v1/sessions/{}/messages", scene.session);
    let prompt = json!({ "text": "work" });
    let ask = || Ask::new("POST", &target).json(&prompt);
    let own = || ask().bearer(&scene.house.token);
    scene.refused(ask(), 401, "unauthorized").await;
    scene.refused(ask().bearer(&"0".repeat(64)), 401, "unauthorized").await;
    scene.refused(own().header("host", "evil.test"), 421, "unknown_host").await;
    scene.refused(own().header("origin", "http://evil.test"), 403, "foreign_origin").await;
    scene.refused(own().header("sec-fetch-site", "cross-site"), 403, "foreign_origin").await;
}

#[tokio::test]
async fn bodies_that_are_not_it_change_nothing() {
    let scene = Scene::set().await;
    let own = || scene.house.ask("POST", &format!("/sessions/{}/messages", scene.session));
    let json = "application/json";
    let oversized = format!("{{\"text\":\"{}\"}}", "x".repeat(limits::BODY_MAX));
    scene.refused(own().raw(json, oversized), 413, "body_too_large").await;
    for malformed in ["{\"text\":", "{\"text\":\"a\"}}", "[]", "{\"words\":\"a\"}", "{\"text\":null}"] {
        scene.refused(own().raw(json, malformed), 400, "body_malformed").await;
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1"] {
        scene.refused(own().raw(kind, "{\"text\":\"a\"}"), 415, "not_json").await;
    }
}

#[tokio::test]
async fn prompts_that_are_none_change_nothing() {
    let scene = Scene::set().await;
    let long = "x".repeat(model::PROMPT_MAX + 1);
    for (body, status, code) in [
        (json!({ "text": " \r\n\t" }), 400, "prompt_empty"),
        (json!({ "text": long }), 400, "prompt_too_long"),
        (json!({ "text": "a\u{0}b" }), 400, "prompt_characters"),
        (json!({ "text": "a", "targets": ["codex"] }), 404, "not_found"),
        (json!({ "text": "a", "depends_on": [format!("tsk_{NOBODY}")] }), 404, "not_found"),
    ] {
        scene.refused(scene.prompting(&body), status, code).await;
    }
}

#[tokio::test]
async fn ids_of_nothing_are_not_found_for_every_noun() {
    let scene = Scene::set().await;
    let house = &scene.house;
    for id in ["zzzzzzzzzz".to_owned(), format!("ses_{NOBODY}")] {
        for (method, rest) in [
            ("GET", ""),
            ("DELETE", ""),
            ("GET", "/participants"),
            ("GET", "/messages"),
            ("GET", "/tasks"),
            ("GET", "/plans"),
            ("GET", "/live"),
            ("GET", "/checkpoints"),
        ] {
            scene.refused(house.ask(method, &format!("/sessions/{id}{rest}")), 404, "not_found").await;
        }
        scene.refused(house.ask("POST", &format!("/sessions/{id}/fork")), 404, "not_found").await;
        let bodies = [
            ("PATCH", "", json!({ "title": "x" })),
            ("POST", "/messages", json!({ "text": "x" })),
            ("POST", "/plans", json!({ "prompt": "x" })),
        ];
        for (method, rest, body) in bodies {
            let ask = house.ask(method, &format!("/sessions/{id}{rest}")).json(&body);
            scene.refused(ask, 404, "not_found").await;
        }
    }
    for id in ["zzzzzzzzzz".to_owned(), format!("tsk_{NOBODY}")] {
        scene.refused(house.ask("GET", &format!("/tasks/{id}")), 404, "not_found").await;
        scene.refused(house.ask("POST", &format!("/tasks/{id}/cancel")), 404, "not_found").await;
        let answer = house.ask("POST", &format!("/tasks/{id}/answer")).json(&json!({ "answer": "x" }));
        scene.refused(answer, 404, "not_found").await;
        let steer = house.ask("POST", &format!("/tasks/{id}/steer")).json(&json!({ "text": "x" }));
        scene.refused(steer, 404, "not_found").await;
    }
    for id in ["zzzzzzzzzz".to_owned(), format!("pln_{NOBODY}")] {
        scene.refused(house.ask("GET", &format!("/plans/{id}")), 404, "not_found").await;
    }
    for id in ["zzzzzzzzzz".to_owned(), format!("rep_{NOBODY}")] {
        scene.refused(house.ask("GET", &format!("/repos/{id}")), 404, "not_found").await;
        scene.refused(house.ask("DELETE", &format!("/repos/{id}")), 404, "not_found").await;
        let patch = house.ask("PATCH", &format!("/repos/{id}")).json(&json!({ "slug": "x" }));
        scene.refused(patch, 404, "not_found").await;
        let session = json!({ "repo": id, "agents": ["claude"] });
        scene.refused(house.ask("POST", "/sessions").json(&session), 404, "not_found").await;
        let lock = json!({ "repo": id, "paths": ["a"] });
        scene.refused(house.ask("POST", "/locks").json(&lock), 404, "not_found").await;
    }
    let agents = json!({ "agents": ["nobody"] });
    scene.refused(house.ask("POST", "/sessions").json(&agents), 404, "not_found").await;
    scene.refused(house.ask("DELETE", "/locks/9999"), 409, "lock_lost").await;
    let recipient = format!("reg_{NOBODY}");
    let notice = json!({ "channel": "state", "recipient": recipient, "payload": {} });
    scene.refused(house.ask("POST", "/notices").json(&notice), 404, "not_registered").await;
    let of_size = |bytes| json!({ "channel": "state", "payload": "x".repeat(bytes) });
    let large = of_size(model::NOTICE_PAYLOAD_MAX);
    scene.refused(house.ask("POST", "/notices").json(&large), 400, "payload_too_large").await;
    let huge = of_size(10 * 1024 * 1024);
    scene.refused(house.ask("POST", "/notices").json(&huge), 413, "body_too_large").await;
    for (field, wrong) in [
        ("thread", json!("x".repeat(129))),
        ("ack", json!({ "seconds": 0 })),
        ("ack", json!({ "seconds": 9, "attempts": 11 })),
        ("ttl_seconds", json!(0)),
    ] {
        let mut notice = json!({ "channel": "state", "payload": {} });
        notice[field] = wrong;
        scene.refused(house.ask("POST", "/notices").json(&notice), 400, "invalid").await;
    }
    scene.refused(house.ask("GET", "/nothing"), 404, "no_such_route").await;
}

#[tokio::test]
async fn a_short_id_of_two_is_not_taken_for_either() {
    let mut scene = Scene::set().await;
    let house = &scene.house;
    // Four characters of base 32: among so many, two begin alike sooner or later.
    let mut seen: Vec<String> = Vec::new();
    let mut twins = None;
    for _ in 0..20_000 {
        let made = house.post("/sessions", json!({ "agents": ["claude"] })).await.json();
        let prefix = made["short_id"].as_str().unwrap()[..4].to_owned();
        if seen.contains(&prefix) {
            twins = Some(prefix);
            break;
        }
        seen.push(prefix);
    }
    let prefix = twins.expect("two sessions that begin alike");
    scene.before = Scene::everything(house, &scene.session).await;
    let rename = scene.house.ask("PATCH", &format!("/sessions/{prefix}")).json(&json!({ "title": "x" }));
    let reply = scene.refused(rename, 400, "ambiguous_id").await;
    assert_eq!(reply.json()["error"]["message"].as_str().unwrap().matches("ses_").count(), 2);
    scene.refused(scene.house.ask("DELETE", &format!("/sessions/{prefix}")), 400, "ambiguous_id").await;
}

#[tokio::test]
async fn a_folder_that_is_no_repository_is_not_registered() {
    let scene = Scene::set().await;
    let at = |name: &str| scene.house.repo.beside(name);
    std::fs::create_dir(at("plain")).unwrap();
    scene.house.repo.git(&["clone", "--quiet", "--bare", ".", at("bare").to_str().unwrap()]);
    for (path, code) in [
        (at("plain"), "not_a_repo"),
        (at("nothing"), "path_missing"),
        (at("bare"), "bare_repo"),
        (scene.house.repo.path().join("README.md"), "path_missing"),
    ] {
        let ask = scene.house.ask("POST", "/repos").json(&json!({ "path": path }));
        scene.refused(ask, 400, code).await;
    }
}

#[tokio::test]
async fn an_agent_without_its_key_is_told_before_anything_is_begun() {
    let mut scene = Scene::set().await;
    let house = &scene.house;
    let poor = json!({ "vendor": "openai", "model": "m", "api_key_env": "NOBODY_SET_THIS" });
    let rich = json!({ "vendor": "anthropic", "model": "m", "api_key_env": "ANTHROPIC_API_KEY" });
    let config = json!({ "agents": { "poor": poor, "claude": rich } });
    std::fs::write(house.root.config(), config.to_string()).unwrap();
    assert_eq!(house.ask("POST", "/config/reload").send(house.address).await.status, 200);
    let agents = json!({ "repo": "textkit", "agents": ["claude", "poor"] });
    let made = house.post("/sessions", agents).await;
    assert_eq!(made.status, 201, "{made:?}");
    scene.session = made.json()["id"].as_str().unwrap().to_owned();
    scene.before = Scene::everything(house, &scene.session).await;
    for body in [json!({ "text": "work" }), json!({ "text": "work", "targets": ["poor"] })] {
        let reply = scene.refused(scene.prompting(&body), 503, "missing_api_key").await;
        let error = reply.json()["error"].to_string();
        assert!(error.contains("NOBODY_SET_THIS") && error.contains("poor"), "{error}");
    }
    let plan = scene.house.ask("POST", &format!("/sessions/{}/plans", scene.session));
    scene.refused(plan.json(&json!({ "prompt": "work" })), 503, "missing_api_key").await;
    let listed = scene.house.get("/agents").await.json();
    let present = |name: &str| {
        let items = listed["items"].as_array().unwrap().iter();
        items.filter(|agent| agent["name"] == name).any(|agent| agent["key_present"] == json!(true))
    };
    assert!(present("claude") && !present("poor"), "{listed}");
    let fine =
        scene.prompting(&json!({ "text": "work", "targets": ["claude"] })).send(scene.house.address).await;
    assert_eq!(fine.status, 201, "the others go on: {fine:?}");
}
