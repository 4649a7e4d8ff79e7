//! The tools over HTTP: one JSON document per request, behind the gate, in the name of whoever the credential belongs to.

use crate::house::House;
use crate::runs::Run;
use crate::wire::{Ask, Reply};
use protocol::limits::BODY_MAX;
use serde_json::{Value, json};

fn request(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params })
}

fn ask(token: &str, body: &Value) -> Ask {
    Ask::new("POST", "/mcp").bearer(token).header("accept", "application/json, text/event-stream").json(body)
}

async fn send(house: &House, token: &str, method: &str, params: Value) -> Value {
    let reply = ask(token, &request(method, &params)).send(house.address).await;
    assert_eq!(reply.headers["content-type"], "application/json", "{reply:?}");
    reply.json()
}

pub(crate) async fn call(house: &House, token: &str, tool: &str, arguments: Value) -> Value {
    let answer = send(house, token, "tools/call", json!({ "name": tool, "arguments": arguments })).await;
    let result = &answer["result"];
    assert!(result["content"][0]["text"].is_string(), "{answer}");
    match result["content"][1]["text"].as_str() {
        Some(error) => serde_json::from_str(error).expect("an error is JSON"),
        None => result["structuredContent"].clone(),
    }
}

#[tokio::test]
async fn a_client_shakes_hands_and_finds_every_tool() {
    let house = House::open().await;
    let hello = json!({
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "x", "version": "1" },
    });
    let told = send(&house, &house.token, "initialize", hello).await;
    assert_eq!(told["result"]["protocolVersion"], "2025-06-18", "{told}");
    assert!(told["result"]["instructions"].as_str().unwrap().contains("lock_acquire"));
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(ask(&house.token, &ready).send(house.address).await.status, 202);
    let tools = send(&house, &house.token, "tools/list", json!({})).await;
    let names: Vec<&str> = tools["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|tool| tool["name"].as_str())
        .collect();
    for name in ["lock_acquire", "notice_wait", "context_set", "who", "session_spawn", "task_cancel"] {
        assert!(names.contains(&name), "{names:?}");
    }
    // The probe of newer clients, however it is dressed.
    for params in [json!({}), json!({ "_meta": { "io.modelcontextprotocol/protocolVersion": "2026-07-28" } })]
    {
        let probe = send(&house, &house.token, "server/discover", params).await;
        assert_eq!((&probe["id"], &probe["error"]["code"]), (&json!(7), &json!(-32601)), "{probe}");
    }
}

#[tokio::test]
async fn the_gate_is_the_same_as_everywhere() {
    let house = House::open().await;
    let list = request("tools/list", &json!({}));
    let plain = || Ask::new("POST", "/mcp").header("accept", "application/json, text/event-stream");
    let checks: [(Ask, u16, &str); 6] = [
        (plain().json(&list), 401, "unauthorized"),
        (plain().bearer("wrong").json(&list), 401, "unauthorized"),
        (ask(&house.token, &list).header("host", "evil.example"), 421, "unknown_host"),
        (ask(&house.token, &list).header("origin", "http://evil.example"), 403, "foreign_origin"),
        (plain().bearer(&house.token).raw("text/plain", list.to_string()), 415, "not_json"),
        (ask(&house.token, &json!({ "x": "y".repeat(BODY_MAX) })), 413, "body_too_large"),
    ];
    for (ask, status, code) in checks {
        let reply: Reply = ask.send(house.address).await;
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{reply:?}");
    }
    assert_eq!(Ask::get("/mcp").bearer(&house.token).send(house.address).await.status, 405);
    for body in ["", "{", "[]", "null", "{\"jsonrpc\":\"2.0\"}", &"[".repeat(50_000)] {
        let bad = plain().bearer(&house.token).raw("application/json", body).send(house.address).await;
        assert!((400..500).contains(&bad.status), "{body:.20}: {bad:?}");
    }
    assert!(send(&house, &house.token, "tools/list", json!({})).await["result"]["tools"].is_array());
}

#[tokio::test]
async fn an_agent_calls_in_its_own_name_and_within_its_rights() {
    let run = Run::begin().await;
    let house = &run.house;
    let who = call(house, &run.token, "who", json!({})).await;
    let me = who["sessions"].as_array().unwrap().iter().find(|one| one["me"] == true).unwrap();
    assert_eq!(me["name"], "claude", "{who}");
    let users = house.post("/locks", json!({ "repo": "textkit", "paths": ["README.md"] })).await;
    assert_eq!(users.status, 201);
    let tree = house.repo.path().to_str().unwrap();
    let held =
        call(house, &run.token, "lock_acquire", json!({ "paths": ["README.md"], "worktree": tree })).await;
    assert_eq!(held["error"]["code"], "lock_held", "{held}");
    assert_eq!(held["error"]["present"]["holders"][0]["agent"], "user");
    // Without a folder named it is the worktree the run works in.
    let taken = call(house, &run.token, "lock_acquire", json!({ "paths": ["src/a.rs"] })).await;
    assert_eq!(taken["locks"][0]["agent"], "claude", "{taken}");
    let listed = house.get("/locks").await.body;
    assert!(listed.contains("src/a.rs"), "{listed}");
    let own = call(house, &run.token, "session_read", json!({ "session": run.session })).await;
    assert_eq!(own["tasks"][0]["state"], "working", "{own}");
    let more = json!({ "prompt": "more", "agents": ["claude"] });
    let child = call(house, &run.token, "session_spawn", more).await;
    assert_eq!(
        child["session"]["parent"],
        json!(run.session),
        "an agent's child is its own session's: {child}"
    );
    for (tool, arguments, code) in [
        ("session_read", json!({ "session": run.other }), "not_your_session"),
        ("session_read", json!({}), "not_for_agents"),
        ("session_prompt", json!({ "session": run.session, "prompt": "more" }), "not_for_agents"),
    ] {
        let refused = call(house, &run.token, tool, arguments.clone()).await;
        assert_eq!(refused["error"]["code"], code, "{tool} {arguments}: {refused}");
        assert!(refused["error"]["next"].is_string() || code == "not_your_session", "{refused}");
    }
    assert!(call(house, &run.token, "task_list", json!({})).await["tasks"].is_null());
}

#[tokio::test]
async fn an_agent_keeps_and_brings_back_its_own_files_by_tool() {
    let run = Run::begin().await;
    let house = &run.house;
    house.repo.write("a.txt", "mine\n");
    let keep = json!({ "session": run.session, "name": "before it" });
    let kept = call(house, &run.token, "checkpoint_create", keep.clone()).await;
    assert_eq!((&kept["kind"], &kept["name"]), (&json!("named"), &json!("before it")), "{kept}");
    house.repo.write("a.txt", "lost\n");
    let all = call(house, &run.token, "checkpoint_restore", json!({ "checkpoint": kept["id"] })).await;
    assert_eq!(all["error"]["code"], "paths_needed", "{all}");
    let wish = json!({ "checkpoint": kept["id"], "paths": ["a.txt"] });
    let users = house.post("/locks", json!({ "repo": "textkit", "paths": ["a.txt"] })).await.json();
    let held = call(house, &run.token, "checkpoint_restore", wish.clone()).await;
    assert_eq!(held["error"]["code"], "lock_held", "{held}");
    assert_eq!(house.repo.read("a.txt"), "lost\n");
    let lock = format!("/locks/{}", users["items"][0]["token"]);
    assert_eq!(house.ask("DELETE", &lock).send(house.address).await.status, 204);
    let back = call(house, &run.token, "checkpoint_restore", wish).await;
    assert_eq!((&back["files"], &back["kept"]), (&json!(["a.txt"]), &json!([])), "{back}");
    assert_eq!(house.repo.read("a.txt"), "mine\n");
    let listed = call(house, &run.token, "checkpoint_list", json!({ "session": run.session })).await;
    let names: Vec<&Value> = listed["checkpoints"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert!(names.contains(&&kept["id"]) && names.contains(&&back["before"]), "{listed}");
    let away = json!({ "session": run.other, "name": "not mine" });
    let refused = call(house, &run.token, "checkpoint_create", away).await;
    assert_eq!(refused["error"]["code"], "not_for_agents", "{refused}");
    let nobody = json!({ "session": run.session, "name": "x", "agent": "claude" });
    let refused = call(house, &run.token, "checkpoint_create", nobody).await;
    assert_eq!(refused["error"]["code"], "worktree_not_found", "{refused}");
}

/// Arguments that a tool can read, about the run's own session where it takes one.
fn arguments(tool: &Value, session: &str) -> Value {
    let schema = &tool["inputSchema"];
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let fields = schema["properties"].as_object().expect("a tool takes fields").iter();
    let meant = fields.filter(|(name, _)| {
        required.contains(&json!(name)) || ["session", "wait_seconds"].contains(&name.as_str())
    });
    let value = |name: &str, field: &Value| match field["type"].as_str() {
        _ if name == "session" => json!(session),
        _ if name == "wait_seconds" => json!(0),
        _ if field["enum"].is_array() => field["enum"][0].clone(),
        Some("array") => json!(["claude"]),
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(false),
        Some("object") => json!({}),
        _ => json!("textkit"),
    };
    meant.map(|(name, field)| (name.clone(), value(name, field))).collect::<serde_json::Map<_, _>>().into()
}

#[tokio::test]
async fn an_agent_is_shown_the_tools_it_may_use_and_no_others() {
    let run = Run::begin().await;
    let house = &run.house;
    let listed = async |token: &str| {
        let tools = send(house, token, "tools/list", json!({})).await;
        tools["result"]["tools"].as_array().unwrap().clone()
    };
    let (all, own) = (listed(&house.token).await, listed(&run.token).await);
    let hidden: Vec<&Value> = all.iter().filter(|tool| !own.contains(tool)).collect();
    assert!(hidden.len() > 20 && own.len() > 25 && own.len() + hidden.len() == all.len(), "{}", own.len());
    for tool in &own {
        let name = tool["name"].as_str().unwrap();
        let answer = call(house, &run.token, name, arguments(tool, &run.session)).await;
        assert_ne!(answer["error"]["code"], "not_for_agents", "{name} is listed: {answer}");
        // Which of its arguments are wanted together is said by no schema.
        let unclear = name == "lock_release";
        assert_eq!(answer["error"]["code"] == "bad_arguments", unclear, "{name}: {answer}");
    }
    let mut refused = 0;
    for tool in hidden {
        let name = tool["name"].as_str().unwrap();
        let answer = call(house, &run.token, name, arguments(tool, &run.session)).await;
        // Some look at their arguments before they ask the daemon.
        let code = answer["error"]["code"].as_str().unwrap_or_default();
        assert!(["not_for_agents", "bad_arguments"].contains(&code), "{name} is hidden: {answer}");
        refused += usize::from(code == "not_for_agents");
    }
    assert!(refused > 15, "{refused}");
}

#[tokio::test]
async fn an_agent_lands_its_own_work_and_sees_what_is_in_its_way() {
    let house = House::open().await;
    let (session, other) = (house.session().await, house.session().await);
    let far = testkit::TempRepo::with(&[("a.txt", "one\n")]);
    let added = house.post("/repos", json!({ "path": far.path(), "slug": "far" })).await;
    assert_eq!(added.status, 201, "{added:?}");
    let mut paths = Vec::new();
    for (repo, name) in [("textkit", "feat"), ("textkit", "more"), ("far", "away")] {
        let made = house.post("/worktrees", json!({ "repo": repo, "name": name })).await;
        assert_eq!(made.status, 201, "{made:?}");
        paths.push(std::path::PathBuf::from(made.json()["path"].as_str().unwrap()));
    }
    let place = format!("/sessions/{session}/worktree");
    assert_eq!(house.post(&place, json!({ "worktree": "feat" })).await.status, 200);
    house.script(&[json!({ "event": "ready" })]);
    let prompt = json!({ "text": "work", "targets": ["claude"] });
    assert_eq!(house.post(&format!("/sessions/{session}/messages"), prompt).await.status, 201);
    let token = house.run_token(&session).await;
    let run = async |tool: &str, arguments: Value| call(&house, &token, tool, arguments).await;

    assert_eq!(run("conflict_list", json!({})).await["conflicts"], json!([]));
    for (path, text) in paths.iter().zip(["# one\n", "# two\n"]) {
        std::fs::write(path.join("README.md"), text).unwrap();
    }
    assert_eq!(house.ask("POST", "/conflicts/sweep").send(house.address).await.status, 200);
    let seen = run("conflict_list", json!({ "repo": "textkit" })).await;
    assert_eq!(seen["conflicts"][0]["files"], json!(["README.md"]), "{seen}");
    assert_eq!(call(&house, &house.token, "conflict_list", json!({})).await, seen, "the user sees the same");
    let foreign = run("conflict_list", json!({ "repo": "far" })).await;
    assert_eq!(foreign["error"]["code"], "not_your_repo", "{foreign}");

    for wish in [json!({ "worktree": "more" }), json!({ "session": other, "agent": "claude" })] {
        let refused = run("merge_add", wish.clone()).await;
        assert_eq!(refused["error"]["code"], "not_your_worktree", "{wish}: {refused}");
    }
    let first = Ask::new("POST", "/api/v1/merges").bearer(&token).json(&json!({ "priority": 9 }));
    let first = first.send(house.address).await;
    assert_eq!((first.status, first.code().as_str()), (403, "not_for_agents"), "{first:?}");
    let entry = run("merge_add", json!({})).await;
    assert_eq!(entry["worktree"], "textkit/feat", "{entry}");
    assert_eq!(run("merge_add", json!({ "worktree": "feat" })).await["error"]["code"], "merge_queued");
    let held = json!({ "worktree": "away", "hold": true });
    let away = house.post("/merges", held).await.json()["id"].as_str().unwrap().to_owned();
    let queue = run("merge_list", json!({})).await;
    assert_eq!(queue["merges"].as_array().unwrap().len(), 1, "{queue}");
    assert_eq!(queue["merges"][0]["id"], entry["id"]);
    let whole = call(&house, &house.token, "merge_list", json!({})).await;
    assert_eq!(whole["merges"].as_array().unwrap().len(), 2, "{whole}");
    for (id, status) in [(entry["id"].as_str().unwrap(), 200), (&away, 403)] {
        let shown = Ask::get(&format!("/api/v1/merges/{id}")).bearer(&token).send(house.address).await;
        assert_eq!(shown.status, status, "{shown:?}");
    }
}

#[tokio::test]
async fn the_user_spawns_prompts_and_reads_a_session() {
    let house = House::open().await;
    let wish = json!({ "prompt": "look around", "agents": ["claude"], "title": "A look" });
    let made = call(&house, &house.token, "session_spawn", wish).await;
    assert_eq!(
        (&made["session"]["title"], &made["session"]["agents"]),
        (&json!("A look"), &json!(["claude"]))
    );
    let session = made["session"]["id"].clone();
    let wish = json!({ "session": session, "prompt": "and again", "to": ["claude"], "priority": 3 });
    let task = call(&house, &house.token, "session_prompt", wish).await;
    assert_eq!(task["session"], session, "{task}");
    let read = call(&house, &house.token, "session_read", json!({ "session": session })).await;
    assert_eq!(read["tasks"].as_array().unwrap().len(), 2, "{read}");
    let words: Vec<&str> =
        read["messages"].as_array().unwrap().iter().filter_map(|one| one["text"].as_str()).collect();
    assert!(words.contains(&"look around") && words.contains(&"and again"), "{words:?}");
    let listed = call(&house, &house.token, "session_read", json!({})).await;
    assert_eq!(listed["sessions"][0]["id"], session);
    let tasks = call(&house, &house.token, "task_list", json!({})).await;
    assert!(tasks["tasks"].as_array().unwrap().iter().any(|one| one["id"] == task["id"]), "{tasks}");
    let ended = call(&house, &house.token, "task_cancel", json!({ "task": task["id"] })).await;
    assert_eq!(ended["state"], "canceled", "{ended}");
    let nobody = json!({ "prompt": "x", "agents": ["nobody"] });
    let refused = call(&house, &house.token, "session_spawn", nobody).await;
    assert_eq!(
        refused["error"]["code"],
        house.post("/sessions", json!({ "agents": ["nobody"] })).await.code()
    );
}

#[tokio::test]
async fn what_is_shared_by_a_tool_is_journaled() {
    let house = House::open().await;
    let set = json!({ "key": "api/shape", "value": [1, 2], "expected_version": 0 });
    let version = call(&house, &house.token, "context_set", set).await["version"].clone();
    let told = |events: &Value| {
        events["items"].as_array().is_some_and(|all| {
            all.iter().any(|event| {
                event["kind"] == "context.changed"
                    && event["payload"]["key"] == "api/shape"
                    && event["payload"]["version"] == version
            })
        })
    };
    house.until("/events?after=0.0", told).await;
}
