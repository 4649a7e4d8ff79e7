//! One message codec: what the command line sends and what a program sends over HTTP is the same task.

use crate::command::{Home, Said};
use model::Vendor;
use scripted::{Scripted, ScriptedOptions};
use serde_json::{Value, json};

const KEY: &str = "no-secret-of-anybody";

/// A daemon with one agent behind a scripted model, started by the first command that needs it.
fn home(model: &Scripted) -> Home {
    let mut home = Home::new();
    home.set("PARITY_KEY", KEY);
    let root = home.data_root();
    std::fs::create_dir_all(root.path()).unwrap();
    let agent = json!({
        "vendor": "anthropic", "model": "claude", "api_key_env": "PARITY_KEY",
        "base_url": model.base_url(Vendor::Anthropic),
    });
    let config = json!({ "agents": { "claude": agent.clone(), "second": agent } });
    std::fs::write(root.config(), config.to_string()).unwrap();
    home
}

fn session(home: &Home) -> String {
    let said = home.run(&["session", "new", "--agents", "claude,second", "--json"]);
    assert_eq!(said.exit, 0, "{}", said.err);
    said.json()["id"].as_str().unwrap().to_owned()
}

/// What the journal has of the prompt: the task and the message, without what must differ.
fn recorded(home: &Home, session: &str) -> Vec<Value> {
    let said = home.run(&["events", "export", "--session", session, "--json"]);
    let events = said.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events
        .filter(|event| match event["kind"].as_str().unwrap() {
            "task.submitted" => true,
            "message.appended" => event["payload"]["role"] == "user",
            _ => false,
        })
        .map(|event| json!({ "kind": event["kind"], "actor": event["actor"], "payload": plain(&event["payload"]) }))
        .collect()
}

/// Without ids and times; lists of ids become their length.
fn plain(value: &Value) -> Value {
    let is_id = |text: &str| text.len() == 36 && text.as_bytes()[3] == b'_';
    match value {
        Value::String(text) if is_id(text) => json!("an id"),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| !name.ends_with("_at") && *name != "short_id" && *name != "state")
            .map(|(name, value)| (name.clone(), plain(value)))
            .collect(),
        other => other.clone(),
    }
}

#[test]
fn a_prompt_is_the_same_task_by_command_and_by_http() {
    let model = Scripted::start(ScriptedOptions::default()).unwrap();
    let home = home(&model);
    let (by_command, by_http) = (session(&home), session(&home));
    let text = "[[say hi]]\nÜmlaut, \"quotes\" and a tab\t.";
    let said =
        home.run(&["session", "prompt", &by_command, text, "--to", "second", "--priority", "-3", "--json"]);
    assert_eq!(said.exit, 0, "{}", said.err);
    let body = json!({ "text": text, "targets": ["second"], "priority": -3 });
    let (status, answer) = home.http("POST", &format!("/sessions/{by_http}/messages"), &body);
    assert_eq!(status, 201, "{answer}");

    let (one, other) = (recorded(&home, &by_command), recorded(&home, &by_http));
    assert_eq!(one.len(), 2, "{one:?}");
    assert_eq!(one, other);
    let stated =
        |task: &Value| plain(&json!([task["title"], task["prompt"], task["kind"], task["priority"]]));
    assert_eq!(stated(&said.json()), stated(&answer));
    assert_eq!(said.json()["targets"][0]["agent"], answer["targets"][0]["agent"]);
}

#[test]
fn what_is_refused_is_refused_with_the_same_words() {
    let model = Scripted::start(ScriptedOptions::default()).unwrap();
    let home = home(&model);
    let session = session(&home);
    let cases: [(&[&str], Value, i32); 3] = [
        (&["  "], json!({ "text": "  " }), 2),
        (&["x", "--to", "nobody"], json!({ "text": "x", "targets": ["nobody"] }), 3),
        (&["x", "--after", "zzzzzzzz"], json!({ "text": "x", "depends_on": ["zzzzzzzz"] }), 3),
    ];
    for (args, body, exit) in cases {
        let line = [&["session", "prompt", &session, "--json"], args].concat();
        let said: Said = home.run(&line);
        let (status, answer) = home.http("POST", &format!("/sessions/{session}/messages"), &body);
        assert!(status >= 400, "{answer}");
        assert_eq!(said.exit, exit, "{args:?}: {}", said.err);
        for field in ["code", "message", "hint"] {
            assert_eq!(said.json()["error"][field], answer["error"][field], "{args:?}");
        }
    }
    assert!(recorded(&home, &session).is_empty(), "a refused prompt left something");
}
