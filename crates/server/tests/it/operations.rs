//! Every operation once, answered as OpenAPI says; and reads that leave no trace.

use crate::house::House;
use crate::wire::Reply;
use protocol::{Operation, operations};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use testkit::mismatch;

/// What the answers are held against.
struct Contract {
    document: Value,
    open: BTreeMap<&'static str, Operation>,
}

impl Contract {
    fn new() -> Self {
        let open = operations().into_iter().map(|op| (op.id, op)).collect();
        Self { document: protocol::openapi(), open }
    }

    /// The answer is a refusal, in the shape the document promises of every one.
    fn refused(&mut self, id: &'static str, reply: &Reply) {
        assert!(self.open.remove(id).is_some(), "{id} is called twice or unknown");
        let schema = serde_json::json!({ "$ref": "#/components/schemas/ErrorBody" });
        assert_eq!(mismatch(&self.document, &schema, &reply.json()), None, "{id}");
    }

    /// The answer has the status and the shape the document promises.
    fn check(&mut self, id: &'static str, reply: &Reply) -> Value {
        let operation = self.open.remove(id).unwrap_or_else(|| panic!("{id} is called twice or unknown"));
        let method = operation.method.as_str().to_lowercase();
        let described = &self.document["paths"][&operation.path][&method]["responses"];
        let status = reply.status.to_string();
        let promised =
            described.get(&status).unwrap_or_else(|| panic!("{id}: {status} is not promised: {reply:?}"));
        let schema = &promised["content"]["application/json"]["schema"];
        if schema.is_null() {
            return Value::Null;
        }
        let body = reply.json();
        assert_eq!(mismatch(&self.document, schema, &body), None, "{id}: {body}");
        assert!(reply.headers.contains_key("x-coditect-cursor"), "{id}");
        body
    }
}

fn asks(question: &str) -> Value {
    json!({ "event": "request", "id": 1, "request": { "request": "ask", "question": question } })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_is_answered_as_described() {
    let mut house = House::open().await;
    let mut contract = Contract::new();
    whole_workspace(&house, &mut contract).await;
    let session = one_session(&house, &mut contract).await;
    tasks_and_plans(&house, &mut contract, &session).await;
    permissions_and_costs(&house, &mut contract, &session).await;
    locks_and_notices(&house, &mut contract).await;
    shared_context(&house, &mut contract).await;
    boards(&house, &mut contract, &session).await;
    artifacts_and_archives(&house, &mut contract, &session).await;
    named_worktrees(&house, &mut contract, &session).await;
    worktrees_and_imports(&house, &mut contract, &session).await;
    the_end(&mut house, &mut contract, &session).await;
    let left: Vec<&&str> = contract.open.keys().collect();
    assert!(left.is_empty(), "never called: {left:?}");
}

async fn whole_workspace(house: &House, contract: &mut Contract) {
    contract.check("health", &crate::wire::Ask::get("/healthz").send(house.address).await);
    contract.check("get_version", &house.get("/version").await);
    contract.check("get_status", &house.get("/status").await);
    contract.check("doctor", &house.get("/doctor").await);
    contract.check("openapi", &house.get("/openapi.json").await);
    contract.check("list_agents", &house.get("/agents").await);
    contract.check("get_agent_stats", &house.get("/agents/stats?since=2026-01-31T00:00:00Z").await);
    contract.check("reload_config", &house.ask("POST", "/config/reload").send(house.address).await);
    let launch = contract.check("create_launch", &house.ask("POST", "/launch").send(house.address).await);
    let used = format!("/api/v1/launch?code={}", text(&launch["code"]));
    contract.check("use_launch", &crate::wire::Ask::get(&used).send(house.address).await);
    let new = json!({ "path": house.repo.path(), "slug": "textkit", "test_command": ["true"] });
    let repo = contract.check("add_repo", &house.post("/repos", new).await);
    let id = text(&repo["id"]);
    contract.check("list_repos", &house.get("/repos").await);
    contract.check("get_repo", &house.get(&format!("/repos/{id}")).await);
    let patch = house.ask("PATCH", "/repos/textkit").json(&json!({ "test_command": null }));
    let changed = contract.check("change_repo", &patch.send(house.address).await);
    assert_eq!(changed["test_command"], Value::Null);
}

async fn one_session(house: &House, contract: &mut Contract) -> String {
    let new = json!({ "title": "Leases", "repo": "textkit", "agents": ["claude", "kimi"] });
    let session = contract.check("create_session", &house.post("/sessions", new).await);
    let short = text(&session["short_id"]);
    contract.check("list_sessions", &house.get("/sessions?limit=1").await);
    let shown = contract.check("get_session", &house.get(&format!("/sessions/{short}")).await);
    assert_eq!(shown["participants"].as_array().map(Vec::len), Some(2));
    let patch = house.ask("PATCH", &format!("/sessions/{short}")).json(&json!({ "title": "Lock leases" }));
    let changed = contract.check("change_session", &patch.send(house.address).await);
    assert_eq!(changed["title"], json!("Lock leases"));
    let fork = house.ask("POST", &format!("/sessions/{short}/fork")).send(house.address).await;
    let fork = contract.check("fork_session", &fork);
    assert_eq!((&fork["forked_from"], &fork["title"]), (&session["id"], &json!("Lock leases (fork)")));
    lineages_and_clients(house, contract, &short).await;
    contract.check("list_participants", &house.get(&format!("/sessions/{short}/participants")).await);
    contract.check("list_live_turns", &house.get(&format!("/sessions/{short}/live")).await);
    checkpoints(house, contract, &short).await;
    text(&session["id"])
}

async fn checkpoints(house: &House, contract: &mut Contract, short: &str) {
    let at = format!("/sessions/{short}/checkpoints");
    let made = contract.check("create_checkpoint", &house.post(&at, json!({ "name": "before" })).await);
    let id = text(&made["id"]);
    for (body, code) in [
        (json!({ "name": "" }), "checkpoint_name_invalid"),
        (json!({ "name": "x", "agent": "claude" }), "worktree_not_found"),
    ] {
        assert_eq!(house.post(&at, body).await.code(), code);
    }
    let listed =
        contract.check("list_checkpoints", &house.get(&format!("{at}?automatic=false&limit=1")).await);
    assert_eq!((&listed["items"][0]["id"], &listed["next"]), (&made["id"], &Value::Null));
    assert_eq!(house.get(&format!("{at}?limit=1001")).await.code(), "limit_out_of_range");
    let of = format!("/checkpoints/{id}");
    assert_eq!(contract.check("get_checkpoint", &house.get(&of).await), made);
    let compared = contract.check("compare_checkpoint", &house.get(&format!("{of}/changes")).await);
    assert_eq!((&compared["files"], &compared["diff"]), (&json!([]), &json!("")));
    assert_eq!(house.get(&format!("{of}/changes?path=../x")).await.code(), "path_refused");
    let restored =
        contract.check("restore_checkpoint", &house.post(&format!("{of}/restore"), json!({})).await);
    assert_eq!((&restored["before"], &restored["kept"]), (&Value::Null, &json!([])));
    let escaping = json!({ "paths": ["../outside"] });
    assert_eq!(house.post(&format!("{of}/restore"), escaping).await.status, 400);
    contract.check("remove_checkpoint", &house.ask("DELETE", &of).send(house.address).await);
    assert_eq!(house.get(&of).await.code(), "checkpoint_removed");
    let import = house.post("/repos/textkit/bundles/import", json!({ "path": "/nowhere/x.bundle" })).await;
    contract.refused("import_bundle", &import);
    assert_eq!((import.status, import.code().as_str()), (400, "not_a_bundle"));
}

async fn lineages_and_clients(house: &House, contract: &mut Contract, short: &str) {
    let at = |rest: &str| format!("/sessions/{short}/{rest}");
    let new = json!({ "prompt": "Write the tests", "agents": ["kimi"], "callback": "once" });
    let spawned = contract.check("spawn_session", &house.post(&at("spawn"), new).await);
    assert_eq!(
        (&spawned["session"]["callback"], &spawned["task"]["kind"]),
        (&json!("once"), &json!("prompt"))
    );
    let new = json!({ "question": "Why leases?", "agent": "claude" });
    let aside = contract.check("ask_session", &house.post(&at("ask"), new).await);
    assert_eq!((&aside["question"], &aside["task"]["kind"]), (&json!("Why leases?"), &json!("ask")));
    let asides = contract.check("list_asides", &house.get(&at("asides")).await);
    assert_eq!(asides["items"][0]["id"], aside["id"]);
    let compactions = contract.check("list_compactions", &house.get(&at("compactions")).await);
    assert_eq!(compactions["items"], json!([]));
    // Hardly anything was said; with a model it is done in the engine's tests.
    let refused = house.ask("POST", &at("compact")).send(house.address).await;
    assert_eq!((refused.status, refused.code().as_str()), (409, "nothing_to_compact"));
    contract.open.remove("compact_session");
    let family = contract.check("get_family", &house.get(&at("family?depth=2&limit=9&whole=true")).await);
    assert_eq!(family["descendants"].as_array().map(Vec::len), Some(2), "{family}");
    for (query, code) in [
        ("depth=0", "depth_out_of_range"),
        ("depth=65", "depth_out_of_range"),
        ("limit=0", "limit_out_of_range"),
    ] {
        assert_eq!(house.get(&at(&format!("family?{query}"))).await.code(), code);
    }
    let here = json!({ "client": "page-1", "name": "page", "input": "claim" });
    let there = contract.check("attach_client", &house.post(&at("attach"), here).await);
    assert_eq!(there["clients"][0]["owns_input"], json!(true));
    let other = json!({ "client": "phone-1", "name": "phone", "input": "claim" });
    assert_eq!(house.post(&at("attach"), other).await.code(), "input_owned");
    contract.check("list_clients", &house.get(&at("clients")).await);
    let gone = json!({ "client": "page-1" });
    let there = contract.check("detach_client", &house.post(&at("detach"), gone).await);
    assert_eq!(there["clients"], json!([]));
    // Its end is no business of this session any more: it would be a turn here.
    let child = format!("/sessions/{}", text(&spawned["session"]["id"]));
    let told = house.ask("PATCH", &child).json(&json!({ "callback": "never" })).send(house.address).await;
    assert_eq!((told.status, &told.json()["callback"]), (200, &Value::Null));
    for task in [&spawned["task"]["id"], &aside["task"]["id"]] {
        house.ask("POST", &format!("/tasks/{}/cancel", text(task))).send(house.address).await;
    }
}

async fn tasks_and_plans(house: &House, contract: &mut Contract, session: &str) {
    house.script(&[json!({ "event": "ready" }), asks("In seconds?")]);
    let prompt = json!({ "text": "Add leases", "targets": ["claude"], "priority": 3 });
    let task = contract.check("prompt", &house.post(&format!("/sessions/{session}/messages"), prompt).await);
    let id = text(&task["id"]);
    assert_eq!((&task["prompt"], &task["priority"]), (&json!("Add leases"), &json!(3)));
    let messages =
        contract.check("list_messages", &house.get(&format!("/sessions/{session}/messages")).await);
    assert_eq!(messages["items"][0]["blocks"][0]["text"], json!("Add leases"));
    contract.check("list_session_tasks", &house.get(&format!("/sessions/{session}/tasks")).await);
    contract.check("list_tasks", &house.get("/tasks?state=submitted,working,failed,canceled").await);
    contract.check("get_task", &house.get(&format!("/tasks/{id}")).await);
    let queue = contract.check("list_queue", &house.get(&format!("/sessions/{session}/queue")).await);
    assert!(queue["items"].is_array());
    let asked = house.task_in_state(&id, "input_required").await;
    assert_eq!(asked["question"]["question"], json!("In seconds?"));
    let steer = house.post(&format!("/tasks/{id}/steer"), json!({ "text": "Mind the tests" })).await;
    assert_eq!(
        (steer.status, steer.code().as_str()),
        (409, "cannot_steer"),
        "the native loop takes no words"
    );
    contract.refused("steer_task", &steer);
    let answer = house.post(&format!("/tasks/{id}/answer"), json!({ "answer": "Yes" })).await;
    contract.check("answer_task", &answer);
    let again = house.post(&format!("/tasks/{id}/answer"), json!({ "answer": "Yes" })).await;
    assert_eq!((again.status, again.code().as_str()), (409, "no_question"), "nobody asks any more");
    let next = json!({ "text": "Then this", "targets": ["claude"] });
    let next = house.post(&format!("/sessions/{session}/messages"), next).await.json();
    // Page after page, each with the newest that are older.
    let of_all = "/tasks?state=submitted,working,input_required,completed,failed,canceled&limit=1";
    let newest = house.get(of_all).await.json();
    let before = house.get(&format!("{of_all}&before={}", text(&newest["next"]))).await.json();
    let only = |page: &Value| page["items"].as_array().map(Vec::len);
    assert_eq!((only(&newest), only(&before)), (Some(1), Some(1)));
    assert!(newest["items"][0]["created_at"].as_str() >= before["items"][0]["created_at"].as_str());
    assert_ne!(newest["items"][0]["id"], before["items"][0]["id"]);
    let moved = house.post(&format!("/tasks/{}/move", text(&next["id"])), json!({ "priority": 4 })).await;
    match moved.status {
        // It may have begun by now.
        409 => contract.refused("move_task", &moved),
        _ => drop(contract.check("move_task", &moved)),
    }
    house.ask("POST", &format!("/tasks/{}/cancel", text(&next["id"]))).send(house.address).await;
    pool(house, contract, session).await;
    let cancel = house.ask("POST", &format!("/tasks/{id}/cancel")).send(house.address).await;
    let canceled = contract.check("cancel_task", &cancel);
    assert_eq!(canceled["id"], json!(id));
    let new = json!({ "prompt": "Add leases everywhere", "agents": ["claude", "kimi"] });
    let plan = contract.check("coordinate", &house.post(&format!("/sessions/{session}/plans"), new).await);
    contract.check("list_plans", &house.get(&format!("/sessions/{session}/plans")).await);
    contract.check("get_plan", &house.get(&format!("/plans/{}", text(&plan["id"]))).await);
    let cancel = house.ask("POST", &format!("/plans/{}/cancel", text(&plan["id"]))).send(house.address).await;
    let canceled = contract.check("cancel_plan", &cancel);
    assert_eq!(canceled["state"], json!("failed"));
    assert_eq!((&canceled["worktrees"], &canceled["kept"]), (&json!(false), &json!(null)));
    let states: Vec<_> = canceled["tasks"].as_array().unwrap().iter().map(|task| &task["state"]).collect();
    assert!(states.iter().all(|state| **state == json!("canceled")), "{states:?}");
}

/// Tasks for whoever claims them, and what can be changed of them before.
async fn pool(house: &House, contract: &mut Contract, session: &str) {
    let new = json!({
        "text": "Build it", "pool": true, "wants": ["rust"], "deadline_seconds": 3600, "on_failed": "wait",
        "retry": { "max_attempts": 2, "backoff_seconds": 5, "on": ["crash"] },
    });
    let task = house.post(&format!("/sessions/{session}/messages"), new).await.json();
    let path = format!("/tasks/{}", text(&task["id"]));
    assert_eq!(
        (&task["pool"], &task["wants"], &task["targets"]),
        (&json!(true), &json!(["rust"]), &json!([]))
    );
    let change = house.ask("PATCH", &path).json(&json!({ "no_deadline": true, "wants": ["rust", "big"] }));
    let changed = contract.check("change_task", &change.send(house.address).await);
    assert_eq!((&changed["deadline"], &changed["wants"]), (&Value::Null, &json!(["rust", "big"])));
    for (body, code) in [
        (json!({}), "nothing_to_change"),
        (json!({ "wants": ["Big!"] }), "capability_invalid"),
        (json!({ "deadline_seconds": 0 }), "deadline_out_of_range"),
        (json!({ "retry": { "max_attempts": 21, "on": ["crash"] } }), "retry_out_of_range"),
        (json!({ "depends_on": [task["id"]] }), "dependency_cycle"),
        (json!({ "no_deadline": true, "client": "nobody" }), "not_attached"),
    ] {
        assert_eq!(house.ask("PATCH", &path).json(&body).send(house.address).await.code(), code);
    }
    let pool = contract.check("list_pool", &house.get("/pool").await);
    assert_eq!(pool["items"][0]["id"], task["id"]);
    assert_eq!(house.post("/pool/claim", json!({})).await.code(), "no_work", "nobody said what he can");
    let body = json!({ "can": ["rust", "big"], "holder": "builder", "seconds": 60 });
    let claimed = contract.check("claim_task", &house.post("/pool/claim", body).await);
    assert_eq!((&claimed["claim"]["token"], &claimed["state"]), (&json!(1), &json!("working")));
    let renewed = house.post(&format!("{path}/renew"), json!({ "token": 1, "seconds": 90 })).await;
    contract.check("renew_claim", &renewed);
    let late = json!({ "token": 2, "outcome": "completed" });
    assert_eq!(house.post(&format!("{path}/finish"), late).await.code(), "claim_lost");
    let end = json!({ "token": 1, "outcome": "completed", "text": "built" });
    let ended = contract.check("finish_claim", &house.post(&format!("{path}/finish"), end).await);
    assert_eq!(
        (&ended["state"], &ended["text"], &ended["claim"]),
        (&json!("completed"), &json!("built"), &Value::Null)
    );
    let resumed = house.post("/agents/resume", json!({ "vendor": "anthropic" })).await;
    assert_eq!(contract.check("resume_vendor", &resumed)["items"][0]["paused"], Value::Null);
}

async fn permissions_and_costs(house: &House, contract: &mut Contract, session: &str) {
    let ask = json!({
        "tool": "WebFetch", "category": "network", "summary": "run `make`", "arguments": { "command": "make" }, "paths": [],
    });
    let asks = json!({ "event": "request", "id": 1, "request": { "request": "permit", "ask": ask } });
    house.script(&[json!({ "event": "ready" }), asks]);
    let prompt = json!({ "text": "Make it", "targets": ["claude"] });
    let task = house.post(&format!("/sessions/{session}/messages"), prompt).await.json();
    house.until("/permissions", |open| open["items"].as_array().is_some_and(|items| items.len() == 1)).await;
    let path = format!("/permissions?session={session}&state=open");
    let open = contract.check("list_permissions", &house.get(&path).await);
    let id = text(&open["items"][0]["id"]);
    let shown = contract.check("get_permission", &house.get(&format!("/permissions/{id}")).await);
    assert_eq!((&shown["arguments"], &shown["decision"]), (&json!({ "command": "make" }), &Value::Null));
    let decision =
        json!({ "allow": true, "scope": "repo", "arguments_hash": shown["arguments_hash"], "reason": "" });
    let decide = house.post(&format!("/permissions/{id}/decide"), decision.clone()).await;
    let decided = contract.check("decide_permission", &decide);
    assert_eq!((&decided["decision"]["allowed"], &decided["decision"]["by"]), (&json!(true), &json!("user")));
    let again = house.post(&format!("/permissions/{id}/decide"), decision).await;
    assert_eq!((again.status, again.code().as_str()), (409, "permission_decided"));
    let all = house.get("/permissions?state=all&limit=1").await.json();
    assert_eq!((&all["items"][0]["id"], &all["next"]), (&json!(id), &Value::Null));
    let rules = contract.check("list_permission_rules", &house.get("/permission-rules").await);
    assert_eq!(rules["items"][0]["category"], json!("network"));
    let rule = format!("/permission-rules/{}", text(&rules["items"][0]["short_id"]));
    contract.check("remove_permission_rule", &house.ask("DELETE", &rule).send(house.address).await);
    assert_eq!(house.get("/permission-rules").await.json()["items"], json!([]));
    let cost = contract.check("get_cost", &house.get(&format!("/cost?by=day&session={session}")).await);
    assert_eq!((&cost["by"], &cost["rows"]), (&json!("day"), &json!([])));
    house.ask("POST", &format!("/tasks/{}/cancel", text(&task["id"]))).send(house.address).await;
}

/// From its making to the trash, and back, and gone.
async fn named_worktrees(house: &House, contract: &mut Contract, session: &str) {
    contract.check("list_clones", &house.get("/clones").await);
    let clone = house.post("/clones", json!({ "url": "https://ann:hunter2@example.org/x" })).await;
    assert_eq!((clone.status, clone.code().as_str()), (400, "url_secret"));
    assert!(!clone.json().to_string().contains("hunter2"));
    contract.refused("start_clone", &clone);
    let cancel = house.ask("DELETE", "/clones/none").send(house.address).await;
    contract.refused("cancel_clone", &cancel);
    contract.check("list_scripts", &house.get("/repos/textkit/scripts").await);
    let trust = house.post("/repos/textkit/trust", json!({ "hashes": ["0".repeat(64)] })).await;
    assert_eq!(contract.check("trust_scripts", &trust)["trusted"][0], json!("0".repeat(64)));
    for name in ["../../x", "--upload-pack=x"] {
        let bad = house.post("/worktrees", json!({ "repo": "textkit", "name": name })).await;
        assert_eq!((bad.status, bad.code().as_str()), (400, "worktree_name_invalid"), "{name}");
    }
    let made = house.post("/worktrees", json!({ "repo": "textkit", "name": "feat-auth" })).await;
    let made = contract.check("add_worktree", &made);
    assert_eq!((&made["branch"], &made["kind"]), (&json!("feat-auth"), &json!("named")));
    let again = house.post("/worktrees", json!({ "repo": "textkit", "name": "feat-auth" })).await;
    assert_eq!((again.status, again.code().as_str()), (409, "branch_exists"));
    let adopt = json!({ "repo": "textkit", "path": made["path"] });
    contract.refused("adopt_worktree", &house.post("/worktrees/adopt", adopt).await);
    let path = "/worktrees/textkit%2Ffeat-auth";
    let shown = contract.check("get_worktree", &house.get(path).await);
    assert!(shown["bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{shown}");
    let place = format!("/sessions/{session}/worktree");
    let assigned = house.post(&place, json!({ "worktree": "feat-auth" })).await;
    assert_eq!(contract.check("assign_worktree", &assigned)["sessions"], json!([session]));
    contract.check("unassign_worktree", &house.ask("DELETE", &place).send(house.address).await);
    contract.check("merge_worktree", &house.post(&format!("{path}/merge"), json!({})).await);
    let unclear = house.post("/merges", json!({ "agent": "claude" })).await;
    assert_eq!((unclear.status, unclear.code().as_str()), (400, "merge_unclear"));
    let added = house.post("/merges", json!({ "worktree": "feat-auth", "hold": true })).await;
    let added = contract.check("add_merge", &added);
    assert_eq!((&added["state"], &added["name"]), (&json!("held"), &json!("textkit/feat-auth")));
    let again = house.post("/merges", json!({ "worktree": "feat-auth" })).await;
    assert_eq!((again.status, again.code().as_str()), (409, "merge_queued"));
    let merge = format!("/merges/{}", added["short_id"].as_str().unwrap());
    assert_eq!(contract.check("get_merge", &house.get(&merge).await)["id"], added["id"]);
    let moved = house.post(&format!("{merge}/move"), json!({ "priority": 4 })).await;
    assert_eq!(contract.check("move_merge", &moved)["items"][0]["priority"], json!(4));
    let canceled = house.ask("POST", &format!("{merge}/cancel")).send(house.address).await;
    assert_eq!(contract.check("cancel_merge", &canceled)["state"], json!("canceled"));
    contract.check(
        "run_merges",
        &house.post("/merges/run", json!({ "repo": "textkit", "mode": "bisect" })).await,
    );
    contract
        .refused("start_script", &house.post(&format!("{path}/scripts"), json!({ "script": "run" })).await);
    let stop = house.ask("DELETE", &format!("{path}/scripts")).send(house.address).await;
    contract.check("stop_scripts", &stop);
    contract.check("trash_worktree", &house.post(&format!("{path}/remove"), json!({ "force": false })).await);
    assert_eq!(house.get("/worktrees?trash=true").await.json()["items"][0]["state"], json!("trashed"));
    let restore = house.ask("POST", &format!("{path}/restore")).send(house.address).await;
    assert_eq!(contract.check("restore_worktree", &restore)["state"], json!("live"));
    house.post(&format!("{path}/remove"), json!({})).await;
    contract.check("purge_worktree", &house.ask("DELETE", path).send(house.address).await);
}

/// What they do to real worktrees and transcripts is tried with the binary; here there are none.
async fn worktrees_and_imports(house: &House, contract: &mut Contract, session: &str) {
    let worktrees = contract.check("list_worktrees", &house.get("/worktrees").await);
    assert_eq!(worktrees["items"], json!([]));
    let conflicts = contract.check("list_conflicts", &house.get("/conflicts").await);
    assert_eq!(conflicts["items"], json!([]));
    let sweep = house.ask("POST", "/conflicts/sweep").send(house.address).await;
    contract.check("sweep_conflicts", &sweep);
    let merges = contract.check("list_merges", &house.get("/merges?ended=true").await);
    assert!(merges["items"].as_array().is_some_and(|all| all.iter().all(|one| one["state"] == "canceled")));
    let prune = house.ask("POST", "/worktrees/prune").send(house.address).await;
    contract.check("prune_worktrees", &prune);
    let gone = json!({ "session": session, "agent": "nobody", "discard": false });
    contract.refused("remove_worktree", &house.post("/worktrees/remove", gone).await);
    let landing = json!({ "agent": "nobody" });
    contract.refused("land_session", &house.post(&format!("/sessions/{session}/land"), landing).await);
    let found = contract.check("search_files", &house.get("/files?query=textkit&language=markdown").await);
    assert!(found["items"].is_array() && found["more"] == json!(false), "{found}");
    contract.check("index_files", &house.post("/files/index", json!({ "anew": true })).await);
    let restore = json!({ "path": "never-seen.txt", "to": "last_known" });
    contract.refused("restore_file", &house.post("/repos/textkit/restore", restore).await);
    let import = json!({ "vendor": "nobody" });
    contract.refused("start_import", &house.post("/imports", import).await);
    contract.refused("get_import", &house.get("/imports/none").await);
    let cancel = house.ask("DELETE", "/imports/none").send(house.address).await;
    contract.refused("cancel_import", &cancel);
}

async fn artifacts_and_archives(house: &House, contract: &mut Contract, session: &str) {
    let put = house.ask("POST", &format!("/artifacts?name=report.md&session={session}&commit=3F2A"));
    let put = put.raw("application/octet-stream", "all is well").send(house.address).await;
    let made = contract.check("put_artifact", &put);
    assert_eq!(
        (&made["bytes"], &made["kind"], &made["commit"]),
        (&json!(11), &json!("document"), &json!("3f2a"))
    );
    let listed = contract.check("list_artifacts", &house.get("/artifacts").await);
    assert_eq!(listed["items"], json!([made]));
    let path = format!("/artifacts/{}", text(&made["short_id"]));
    assert_eq!(contract.check("get_artifact", &house.get(&path).await), made);
    let content = house.get(&format!("{path}/content")).await;
    assert_eq!(content.body, "all is well");
    contract.check("get_artifact_content", &content);
    let archive = house.get(&format!("/sessions/{session}/export?family=true")).await;
    contract.check("export_session", &archive);
    assert!(archive.body.lines().count() > 3, "{archive:?}");
    let file = house.dir.path().join("session.jsonl");
    std::fs::write(&file, "my own notes\n").unwrap();
    let notes = house.post("/sessions/import", json!({ "path": file })).await;
    assert_eq!(notes.code(), "archive_unknown");
    contract.refused("import_session", &notes);
    contract.check("remove_artifact", &house.ask("DELETE", &path).send(house.address).await);
}

async fn locks_and_notices(house: &House, contract: &mut Contract) {
    let new = json!({ "repo": "textkit", "paths": ["README.md"], "ttl_seconds": 60 });
    let taken = contract.check("acquire_locks", &house.post("/locks", new).await);
    let token = taken["items"][0]["token"].as_u64().unwrap();
    contract.check("list_locks", &house.get("/locks").await);
    let release = house.ask("DELETE", &format!("/locks/{token}")).send(house.address).await;
    contract.check("release_lock", &release);
    assert_eq!(house.ask("DELETE", "/locks/none").send(house.address).await.code(), "lock_token");
    let new = json!({ "channel": "task_broadcast", "payload": { "text": "hello" } });
    let notice = contract.check("publish_notice", &house.post("/notices", new).await);
    let listed = contract.check("list_notices", &house.get("/notices?channel=task_broadcast").await);
    assert!(listed["items"].as_array().unwrap().iter().any(|one| one["id"] == notice["id"]), "{listed}");
    let there = contract.check("list_registrations", &house.get("/registrations").await);
    let user = &there["items"][0];
    assert_eq!((&user["agent"], &user["vitality"]), (&json!("user"), &json!("alive")), "{there}");
    envelopes(house, contract, &user["id"]).await;
}

async fn boards(house: &House, contract: &mut Contract, session: &str) {
    let board = contract.check("create_board", &house.post("/boards", json!({ "name": "Release 1" })).await);
    assert_eq!(board["slug"], json!("release-1"));
    let at = |rest: &str| format!("/boards/release-1{rest}");
    let place = |x: i32| json!({ "x": x, "y": 0, "width": 400, "height": 300 });
    let trigger = json!({ "action": "prompt", "template": "Review {{session.title}}", "confirm": true });
    let new = json!({ "name": "Review", "place": place(0), "trigger": trigger });
    let zone = contract.check("place_zone", &house.post(&at("/zones"), new).await);
    let new = json!({ "session": session, "place": place(-900) });
    let card = contract.check("place_card", &house.post(&at("/cards"), new).await);
    let path = format!("/cards/{}", text(&card["id"]));
    let drag = house.ask("PATCH", &path).json(&json!({ "x": 10, "revision": 1 })).send(house.address).await;
    let dropped = contract.check("change_card", &drag);
    assert_eq!((&dropped["firing"]["state"], &dropped["zone"]), (&json!("asked"), &zone["id"]));
    let stale = house.ask("PATCH", &path).json(&json!({ "x": 20, "revision": 1 })).send(house.address).await;
    assert_eq!((stale.status, stale.code().as_str()), (409, "card_changed"));
    let answer = house.post(&format!("{path}/answer"), json!({ "confirm": false })).await;
    assert_eq!(contract.check("answer_card", &answer)["firing"]["state"], json!("dismissed"));
    let zone = format!("/zones/{}", text(&zone["short_id"]));
    let patch = house.ask("PATCH", &zone).json(&json!({ "colour": "green", "trigger": null }));
    let changed = contract.check("change_zone", &patch.send(house.address).await);
    assert_eq!((&changed["trigger"], &changed["revision"]), (&Value::Null, &json!(2)));
    let new = json!({ "text": "Why?", "card": card["id"] });
    let comment = contract.check("add_comment", &house.post(&at("/comments"), new).await);
    let said = format!("/comments/{}", text(&comment["id"]));
    let settle = house.ask("PATCH", &said).json(&json!({ "resolved": true })).send(house.address).await;
    assert_eq!(contract.check("resolve_comment", &settle)["resolved"], json!(true));
    let whole = contract.check("get_board", &house.get(&at("")).await);
    assert_eq!((&whole["cards"][0]["id"], &whole["comments"][0]["resolved"]), (&card["id"], &json!(true)));
    let document = contract.check("export_board", &house.get(&at("/export")).await);
    let made = house.post("/boards/import", json!({ "document": document, "name": "Brought" })).await;
    assert_eq!(contract.check("import_board", &made)["cards"][0]["title"], whole["cards"][0]["title"]);
    for (name, value, code) in
        [("version", json!(2), "board_document_version"), ("more", json!(1), "body_malformed")]
    {
        let mut bad = document.clone();
        bad[name] = value;
        let refused = house.post("/boards/import", json!({ "document": bad })).await;
        assert_eq!((refused.status, refused.code().as_str()), (400, code));
    }
    let both = json!({ "session": session, "worktree": "feat-auth" });
    assert_eq!(house.post(&at("/cards"), both).await.code(), "card_of_both");
    contract.check("clone_board", &house.post(&at("/clone"), json!({ "name": "Copy" })).await);
    let patch = house.ask("PATCH", &at("")).json(&json!({ "name": "Release 2", "slug": "r2" }));
    assert_eq!(contract.check("change_board", &patch.send(house.address).await)["slug"], json!("r2"));
    let listed = contract.check("list_boards", &house.get("/boards").await);
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(3));
    for (id, path) in [
        ("remove_comment", said.as_str()),
        ("remove_card", path.as_str()),
        ("remove_zone", zone.as_str()),
        ("remove_board", "/boards/r2"),
    ] {
        contract.check(id, &house.ask("DELETE", path).send(house.address).await);
        assert_eq!(house.ask("DELETE", path).send(house.address).await.code(), "not_found", "{id}");
    }
}

async fn shared_context(house: &House, contract: &mut Contract) {
    let new = json!({ "key": "build/flags", "value": ["-O2"], "expected_version": 0 });
    let set = contract.check("set_context", &house.post("/context", new.clone()).await);
    assert_eq!((&set["agent"], &set["value"]), (&json!("user"), &json!(["-O2"])));
    let late = house.post("/context", new).await;
    assert_eq!((late.status, late.code().as_str()), (409, "context_conflict"));
    let present = format!("at version {} by user", set["version"]);
    assert!(late.json()["error"]["message"].as_str().unwrap().contains(&present), "{late:?}");
    let shown = contract.check("get_context", &house.get("/context/build%2Fflags").await);
    assert_eq!(shown["version"], set["version"]);
    let page = contract.check("list_context", &house.get("/context?prefix=build&limit=1").await);
    assert_eq!((&page["items"], &page["next"]), (&json!([shown]), &json!("build/flags")));
    // What is removed while somebody waits is told to them at once.
    let after = format!("/context-changes?after={}&wait=25", set["version"]);
    let gone = json!({ "key": "build/flags", "value": null });
    let (changes, removed) = tokio::join!(house.get(&after), house.post("/context", gone));
    let changes = contract.check("watch_context", &changes);
    assert_eq!((&changes["items"], &changes["missed"]), (&json!([removed.json()]), &json!(false)));
    let versions =
        contract.check("list_context_versions", &house.get("/context/build%2Fflags/versions").await);
    assert_eq!(versions["items"], json!([removed.json(), set]));
    for (path, status, code) in [
        ("/context/build%2Fflags", 404, "no_context"),
        ("/context/none/versions", 404, "no_context"),
        ("/context/two%20words", 400, "context_key"),
        ("/context-changes?wait=26", 400, "wait_too_long"),
        ("/context-changes?after=999", 409, "context_ahead"),
    ] {
        let refused = house.get(path).await;
        assert_eq!((refused.status, refused.code().as_str()), (status, code), "{path}");
    }
}

/// What a notice carries beside its payload arrives, is waited for, and is answered.
async fn envelopes(house: &House, contract: &mut Contract, user: &Value) {
    let new = json!({
        "channel": "review", "payload": { "text": "look" }, "recipients": [user], "thread": "parser", "priority": 4,
        "reply_to": 1, "ack": { "seconds": 60, "attempts": 2 }, "durability": "power",
    });
    let sent = house.post("/notices", new).await;
    assert_eq!(sent.status, 201, "{sent:?}");
    let inbox = contract.check("list_inbox", &house.get("/notices/inbox?limit=5").await);
    let waiting = &inbox["items"][0];
    assert_eq!(*waiting, sent.json(), "what was sent is what is read");
    assert_eq!((&waiting["audience"], &waiting["thread"]), (&json!([user]), &json!("parser")));
    assert_eq!((&waiting["priority"], &waiting["reply_to"]), (&json!(4), &json!(1)));
    assert_eq!((&waiting["ack_seconds"], &waiting["ack_attempts"]), (&json!(60), &json!(2)));
    let id = waiting["id"].as_i64().unwrap();
    let receipts = async || house.get(&format!("/notices/{id}/receipts")).await;
    assert_eq!(receipts().await.json()["items"][0]["acked_at"], Value::Null);
    let ack = house.ask("POST", &format!("/notices/{id}/ack")).send(house.address).await;
    contract.check("ack_notice", &ack);
    let answered = contract.check("list_receipts", &receipts().await);
    assert!(answered["items"][0]["acked_at"].is_string(), "{answered}");
    assert_eq!(house.get("/notices/inbox").await.json()["items"], json!([]));
    let channels = contract.check("list_channels", &house.get("/channels").await);
    assert!(channels["items"].as_array().unwrap().contains(&json!({ "channel": "review", "notices": 1 })));
    for (path, status, code) in [
        ("/notices/none/receipts", 400, "notice_id"),
        ("/notices/0/receipts", 400, "notice_id"),
        ("/notices/999999/receipts", 404, "no_notice"),
        ("/notices/inbox?limit=0", 400, "limit_out_of_range"),
        ("/notices/inbox?registration=ada", 400, "query_malformed"),
    ] {
        let refused = house.get(path).await;
        assert_eq!((refused.status, refused.code().as_str()), (status, code), "{path}");
    }
    let gone = house.ask("POST", "/notices/999999/ack").send(house.address).await;
    assert_eq!((gone.status, gone.code().as_str()), (404, "no_notice"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notices_are_the_newest_ones_until_somebody_reads_on() {
    let house = House::open().await;
    for n in 0..5 {
        house.post("/notices", json!({ "channel": "room", "payload": n })).await;
    }
    let payloads = |reply: &Value| -> Vec<Value> {
        reply["items"].as_array().unwrap().iter().map(|notice| notice["payload"].clone()).collect()
    };
    let newest = house.get("/notices?channel=room&limit=2").await.json();
    assert_eq!((payloads(&newest), &newest["next"]), (vec![json!(3), json!(4)], &Value::Null));
    let first = house.get("/notices?channel=room&limit=2&after=0").await.json();
    assert_eq!(payloads(&first), vec![json!(0), json!(1)]);
    let on = format!("/notices?channel=room&limit=10&after={}", text(&first["next"]));
    let rest = house.get(&on).await.json();
    assert_eq!((payloads(&rest), &rest["next"]), (vec![json!(2), json!(3), json!(4)], &Value::Null));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repo_shows_the_branch_it_is_on() {
    let house = House::open().await;
    house.repo.git(&["checkout", "--quiet", "-b", "feat/leases"]);
    let added = house.add_repo().await;
    assert_eq!(added["branch"], json!("feat/leases"));
    house.repo.git(&["checkout", "--quiet", "-b", "other"]);
    assert_eq!(house.get("/repos/textkit").await.json()["branch"], json!("other"));
    house.repo.git(&["checkout", "--quiet", "--detach"]);
    let listed = house.get("/repos").await.json();
    assert_eq!(listed["items"][0]["branch"], Value::Null, "{listed}");
    std::fs::rename(house.repo.path(), house.repo.beside("moved")).unwrap();
    let gone = house.get("/repos/textkit").await;
    assert_eq!((gone.status, &gone.json()["branch"]), (200, &Value::Null));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_tells_when_its_turns_were_and_what_they_used() {
    let house = House::open().await;
    let session = house.session().await;
    let usage = json!({
        "input_tokens": 1000, "output_tokens": 20, "cache_read_tokens": 0, "cache_write_tokens": 0, "cost_micros": 77,
        "cost_source": "table",
    });
    let answered = json!({ "event": "model_answered", "usage": usage, "latency_ms": 5, "retries": 0 });
    house.script(&[json!({ "event": "ready" }), answered, asks("Go on?")]);
    let prompt = json!({ "text": "work", "targets": ["claude"] });
    let made = house.post(&format!("/sessions/{session}/messages"), prompt).await.json();
    assert_eq!((&made["turns"], &made["usage"]["cost_micros"]), (&json!([]), &json!(0)));
    let id = text(&made["id"]);
    let running = house.task_in_state(&id, "input_required").await;
    let turn = &running["turns"][0];
    assert_eq!((&turn["ended_at"], &turn["outcome"]), (&Value::Null, &Value::Null));
    assert!(turn["started_at"].is_string());
    assert_eq!((&turn["usage"], &running["usage"]), (&usage, &usage), "told while it runs");
    let shown = house.get(&format!("/sessions/{session}")).await.json();
    assert_eq!(shown["usage"], usage);
    house.ask("POST", &format!("/tasks/{id}/cancel")).send(house.address).await;
    let path = format!("/tasks/{id}");
    let ended = house.until(&path, |task| task["turns"][0]["ended_at"].is_string()).await;
    assert_eq!(ended["turns"][0]["outcome"]["state"], json!("canceled"));
    assert_eq!(ended["usage"], usage);
    assert_eq!(ended["turns"].as_array().map(Vec::len), Some(1));
}

/// One codec for every face: what REST, the CLI's client and a plan's prompt make of a text is one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_face_makes_the_same_of_a_prompt() {
    let house = House::open().await;
    let given = "  Add leases\r\n\r\n- in src\\a.rs\r- and tests  \n \r\n";
    let kept = json!("  Add leases\n\n- in src\\a.rs\n- and tests");
    let said = async |session: &str| {
        house.get(&format!("/sessions/{session}/messages")).await.json()["items"][0].clone()
    };
    let session = house.session().await;
    let task = house.post(&format!("/sessions/{session}/messages"), json!({ "text": given })).await.json();
    assert_eq!(task["prompt"], kept);
    let message = said(&session).await;
    assert_eq!((&message["blocks"][0]["text"], &message["task"]), (&kept, &task["id"]));
    let other = house.session().await;
    let new = protocol::NewPrompt { text: given.to_owned(), ..protocol::NewPrompt::default() };
    let by_client = house.client().prompt(&other, &new, None).await.unwrap();
    assert_eq!(json!(by_client.prompt), kept);
    assert_eq!(said(&other).await["blocks"][0]["text"], kept);
    let third = house.session().await;
    let plan = house.post(&format!("/sessions/{third}/plans"), json!({ "prompt": given })).await.json();
    assert_eq!(plan["prompt"], kept);
    assert_eq!(said(&third).await["blocks"][0]["text"], kept);
    assert_eq!(plan["tasks"][0]["prompt"], kept, "the agents are asked what the user wrote");
}

async fn the_end(house: &mut House, contract: &mut Contract, session: &str) {
    let events = contract.check("list_events", &house.get("/events?limit=1000").await);
    assert!(events["items"].as_array().unwrap().len() > 10);
    let watched = house.get("/ws").await;
    assert_eq!((watched.status, watched.code().as_str()), (426, "websocket_only"));
    contract.open.remove("watch");
    let verified =
        contract.check("verify_data", &house.ask("POST", "/data/verify").send(house.address).await);
    assert_eq!(verified["ok"], json!(true), "{verified}");
    contract.check("rebuild_data", &house.ask("POST", "/data/rebuild").send(house.address).await);
    let to = house.dir.path().join("out.coditect");
    let exported = contract.check("export_data", &house.post("/data/export", json!({ "to": to })).await);
    assert!(to.exists(), "{exported}");
    let relative = house.post("/data/export", json!({ "to": "out" })).await;
    assert_eq!(relative.status, 400);
    let plans = house.get(&format!("/sessions/{session}/plans")).await.json();
    for task in plans["items"][0]["tasks"].as_array().into_iter().flatten() {
        house.ask("POST", &format!("/tasks/{}/cancel", text(&task["id"]))).send(house.address).await;
    }
    let other = house.post("/sessions", json!({ "agents": ["codex"] })).await.json();
    let other = format!("/sessions/{}", text(&other["id"]));
    let archive = house.ask("POST", &format!("{other}/archive")).send(house.address).await;
    assert_eq!(contract.check("archive_session", &archive)["archived"], json!(true));
    let back = house.ask("POST", &format!("{other}/unarchive")).send(house.address).await;
    assert_eq!(contract.check("unarchive_session", &back)["archived"], json!(false));
    let removed = house.ask("DELETE", &other).send(house.address).await;
    assert_eq!(contract.check("remove_session", &removed)["relatives"], json!([]));
    assert_eq!(house.get(&other).await.status, 404);
    let extra = house.repo.beside("extra");
    house.repo.git(&["clone", "--quiet", ".", extra.to_str().unwrap()]);
    house.post("/repos", json!({ "path": extra, "slug": "extra" })).await;
    contract.check("remove_repo", &house.ask("DELETE", "/repos/extra").send(house.address).await);
    contract.check("shut_down", &house.ask("POST", "/shutdown").send(house.address).await);
    let running = house.take();
    running.stop_requested().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_leave_no_trace_in_the_journal() {
    let house = House::open().await;
    let session = house.session().await;
    house.mark("before").await;
    let before = house.engine.newest();
    for operation in operations().iter().filter(|op| op.method == protocol::Method::Get) {
        let path = operation.path.replace("{id}", &session);
        let reply = crate::wire::Ask::get(&path).bearer(&house.token).send(house.address).await;
        assert!(reply.status < 500, "{operation:?}: {reply:?}");
    }
    // What a read might have set going shows before the next mark.
    house.mark("after").await;
    let events = house.get(&format!("/events?after={before}")).await.json();
    let since = events["items"].as_array().unwrap();
    assert_eq!(since.len(), 1, "{since:?}");
    assert_eq!(since[0]["payload"]["channel"], json!("after"));
}
