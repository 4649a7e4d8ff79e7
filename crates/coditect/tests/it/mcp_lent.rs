//! A token that is lent to a session on the bus: it speaks for that session over HTTP, for nothing more, and no longer than it lives.

use crate::command::Home;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Child;

/// A process to live by.
struct Life(Child);

impl Drop for Life {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Joins as somebody and gives what `coditect mcp token` says.
fn lent(home: &Home) -> (Life, Value) {
    let life = Life(home.start(&["msg", "tail"]));
    let pid = life.0.id().to_string();
    assert_eq!(home.run(&["join", "--as", "ada", "--pid", &pid]).exit, 0);
    let said = home.run(&["mcp", "token", "--holder", "ada", "--json"]);
    assert_eq!(said.exit, 0, "{}", said.err);
    (life, said.json())
}

/// A request written by hand, as a program in any language would; answers with the status and the body.
fn ask(lent: &Value, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let url = lent["url"].as_str().unwrap();
    let host = url.strip_prefix("http://").unwrap().strip_suffix("/mcp").unwrap();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        lent["token"].as_str().unwrap(),
        body.len(),
    );
    let mut stream = TcpStream::connect(host).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split_whitespace().nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap_or_default())
}

/// The result of a tool.
fn call(lent: &Value, tool: &str, arguments: &Value) -> (u16, Value) {
    let params = json!({ "name": tool, "arguments": arguments });
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    ask(lent, "POST", "/mcp", &request)
}

#[test]
fn the_tools_act_for_the_session_and_the_rest_of_the_daemon_is_closed() {
    let home = Home::new();
    let (_life, lent) = lent(&home);
    let (_, who) = call(&lent, "who", &json!({}));
    let sessions = who["result"]["structuredContent"]["sessions"].as_array().unwrap().clone();
    let me = sessions.iter().find(|one| one["me"] == true).unwrap();
    assert_eq!(me["name"], "ada", "{who}");
    // It joined in the repository: that is where its locks are.
    let (_, taken) = call(&lent, "lock_acquire", &json!({ "paths": ["src/a.rs"] }));
    assert_eq!(taken["result"]["isError"], false, "{taken}");
    let lock = home.run(&["lock", "list", "--json"]).json()["items"][0].clone();
    assert_eq!((&lock["path"], &lock["agent"]), (&json!("src/a.rs"), &json!("ada")));
    let (_, spawned) = call(&lent, "session_spawn", &json!({ "agents": ["claude"], "prompt": "hi" }));
    assert!(spawned.to_string().contains("not_for_agents"), "{spawned}");
    for path in ["/api/v1/sessions", "/api/v1/cost", "/"] {
        let (status, said) = ask(&lent, "GET", path, &Value::Null);
        assert_eq!((status, &said["error"]["code"]), (403, &json!("not_for_agents")), "{path}");
    }
}

/// Something for everything a tool must be given.
fn arguments(tool: &mcp::Tool, session: &str) -> Value {
    let schema = serde_json::to_value(tool.described()).unwrap()["inputSchema"].clone();
    let wanted = schema["required"].as_array().cloned().unwrap_or_default();
    let value = |name: &str| match schema["properties"][name]["type"].as_str() {
        Some("array") => json!(["src/a.rs"]),
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(true),
        _ if name == "session" => json!(session),
        _ => json!("chk_01890000-0000-7000-8000-000000000000"),
    };
    let given = wanted.iter().filter_map(Value::as_str).map(|name| (name.to_owned(), value(name)));
    given.collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn it_is_shown_the_tools_it_may_use_and_no_others() {
    let home = Home::new();
    let root = home.data_root();
    std::fs::create_dir_all(root.path()).unwrap();
    let agent = json!({ "vendor": "anthropic", "model": "claude", "api_key_env": "NO_KEY" });
    std::fs::write(root.config(), json!({ "agents": { "claude": agent } }).to_string()).unwrap();
    let (_life, lent) = lent(&home);
    let (_, session) = home.http("POST", "/sessions", &json!({ "title": "Closed", "agents": ["claude"] }));
    let session = session["id"].as_str().unwrap();
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {} });
    let (_, listed) = ask(&lent, "POST", "/mcp", &request);
    let tools = listed["result"]["tools"].as_array().unwrap();
    let shown: Vec<&str> = tools.iter().filter_map(|tool| tool["name"].as_str()).collect();
    let (may, may_not): (Vec<_>, Vec<_>) =
        mcp::tools().iter().partition(|tool| tool.whose == mcp::Whose::Anybody);
    assert_eq!(shown, may.iter().map(|tool| tool.name).collect::<Vec<_>>());
    let refusals = |tool: &mcp::Tool| {
        let (_, answer) = call(&lent, tool.name, &arguments(tool, session));
        answer["result"]["content"][1]["text"].as_str().unwrap_or_default().to_owned()
    };
    let forbidden = ["not_for_agents", "not_your_session", "not_your_family"];
    for tool in may.iter().filter(|tool| tool.uses == mcp::Uses::Daemon) {
        let said = refusals(tool);
        assert!(!forbidden.iter().any(|code| said.contains(code)), "{} is shown: {said}", tool.name);
    }
    // Of those for sessions each is refused, whatever it is asked for.
    for tool in may_not.iter().filter(|tool| tool.whose == mcp::Whose::Session) {
        let said = refusals(tool);
        let code = serde_json::from_str::<Value>(&said).unwrap_or_default()["error"]["code"].clone();
        let closed = forbidden.iter().any(|forbidden| code == *forbidden);
        // What is at an id is looked up before it is asked whose it is.
        let unknown = ["artifact_get", "checkpoint_restore"].contains(&tool.name) && code == "not_found";
        assert!(closed || unknown, "{} is hidden: {said}", tool.name);
    }
}

#[test]
fn it_is_good_for_as_long_as_the_session_lives_and_no_longer() {
    let home = Home::new();
    let (mut life, lent) = lent(&home);
    assert_eq!(call(&lent, "who", &json!({})).0, 200);
    assert_eq!(home.run(&["daemon", "restart"]).exit, 0);
    assert_eq!(call(&lent, "who", &json!({})).0, 200, "another daemon knows it again");
    life.0.kill().unwrap();
    life.0.wait().unwrap();
    // More often than wrong credentials are looked at: a right one that came too late is no guess.
    for _ in 0..50 {
        let (status, said) = call(&lent, "who", &json!({}));
        assert_eq!((status, &said["error"]["code"]), (401, &json!("session_ended")), "{said}");
        assert!(said["error"]["hint"].as_str().unwrap().contains("coditect join"), "{said}");
    }
    let mut forged = lent.clone();
    forged["token"] = json!(format!("{}0", lent["token"].as_str().unwrap()));
    assert_eq!(call(&forged, "who", &json!({})).0, 401);
    let gone = home.run(&["mcp", "token", "--holder", lent["registration"].as_str().unwrap(), "--json"]);
    assert_eq!((gone.exit, gone.code().as_str()), (5, "registration_ended"), "{}", gone.out);
}

#[test]
fn it_is_printed_alone_and_only_to_who_may_lend() {
    let mut home = Home::new();
    let (_life, lent) = lent(&home);
    let plain = home.run(&["mcp", "token", "--holder", "ada"]);
    assert_eq!(plain.out, format!("{}\n", lent["token"].as_str().unwrap()));
    assert!(plain.err.contains(lent["url"].as_str().unwrap()), "{}", plain.err);
    let nobody = home.run_in(std::path::Path::new("/"), &["mcp", "token", "--json"]);
    assert_eq!((nobody.exit, nobody.code().as_str()), (2, "not_joined"), "{}", nobody.out);
    home.set("CODITECT_RUN", "run_1");
    let agent = home.run(&["mcp", "token", "--holder", "ada", "--json"]);
    assert_eq!((agent.exit, agent.code().as_str()), (4, "not_for_agents"), "{}", agent.out);
}
