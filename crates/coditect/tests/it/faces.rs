//! One table of use cases by faces: what is done by HTTP, by command and by tool is one thing, and the WebSocket tells of it.
//!
//! To add a use case, add a row to [`rows`]. An operation that is in no row and not in [`ELSEWHERE`] fails the test, and so does a tool
//! of the daemon that no row uses; so nobody can add one to a face and forget the others.
//!
//! Each row is done three times, once by each face, on nouns of its own that are alike. Then the answers are compared, field by field,
//! and what the journal says of the user's doings, without ids and times.

use crate::command::{Home, Said};
use crate::house::until;
use crate::mcp_client::Agent;
use bus::system::SystemEntropy;
use client::{Client, Options, StreamItem};
use model::Vendor;
use protocol::ws::{Feed, ServerMessage, Subscription};
use protocol::{Cursor, DaemonInfo, operations};
use scripted::{Scripted, ScriptedOptions};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

const KEY: &str = "no-secret-of-anybody";

/// Operations that are in no row, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("health", "is for whoever watches processes"),
    ("get_version", "is asked by every client before anything else"),
    ("openapi", "describes the API and nothing else"),
    ("create_launch", "lets a browser in"),
    ("use_launch", "lets a browser in"),
    ("shut_down", "ends the daemon of the test"),
    ("reload_config", "is the user's, and of the machine"),
    ("get_status", "is about the daemon, as are the next ones"),
    ("doctor", "looks at the machine"),
    ("verify_data", "is maintenance"),
    ("rebuild_data", "is maintenance"),
    ("export_data", "is maintenance"),
    ("list_events", "is how this test looks at the others"),
    ("watch", "is how this test looks at the others"),
    ("list_agents", "shows the configuration"),
    ("list_live_turns", "is about now, and gone at the next look"),
    ("list_participants", "is a part of the session"),
    ("steer_task", "needs an agent that works: engine/tests/it/driven.rs"),
    ("answer_task", "needs an agent that asks: engine/tests/it/prompting.rs"),
    ("list_permissions", "needs an agent that asks: permissions are tested with runs"),
    ("get_permission", "as list_permissions"),
    ("decide_permission", "as list_permissions"),
    ("list_permission_rules", "as list_permissions"),
    ("remove_permission_rule", "as list_permissions"),
    ("get_cost", "sums up what agents used"),
    ("list_checkpoints", "needs agents that change files"),
    ("coordinate", "needs a repository: coditect/tests/it/driven_plan.rs"),
    ("list_plans", "as coordinate"),
    ("get_plan", "as coordinate"),
    ("cancel_plan", "as coordinate"),
    ("list_registrations", "is the bus's own: mcp_stdio.rs"),
    ("list_locks", "is the bus's own: mcp_stdio.rs"),
    ("acquire_locks", "is the bus's own: mcp_stdio.rs"),
    ("release_lock", "is the bus's own: mcp_stdio.rs"),
    ("list_notices", "is the bus's own: mcp_stdio.rs"),
    ("publish_notice", "is the bus's own: mcp_stdio.rs"),
    ("list_inbox", "is the bus's own: mcp_stdio.rs"),
    ("ack_notice", "is the bus's own: mcp_stdio.rs"),
    ("list_receipts", "is the bus's own: mcp_stdio.rs"),
    ("list_channels", "is the bus's own: mcp_stdio.rs"),
    ("start_import", "reads the user's transcripts: importing.rs"),
    ("get_import", "as start_import"),
    ("cancel_import", "as start_import"),
    ("add_repo", "repositories have their own tests"),
    ("list_repos", "repositories have their own tests"),
    ("get_repo", "repositories have their own tests"),
    ("change_repo", "repositories have their own tests"),
    ("remove_repo", "repositories have their own tests"),
    ("restore_file", "needs agents that change files: strays.rs"),
    ("list_worktrees", "needs agents that change files: isolation.rs"),
    ("land_session", "needs agents that change files: isolation.rs"),
    ("remove_worktree", "needs agents that change files: isolation.rs"),
    ("prune_worktrees", "needs agents that change files: isolation.rs"),
    ("start_clone", "repositories and worktrees have their own tests"),
    ("list_clones", "repositories and worktrees have their own tests"),
    ("cancel_clone", "repositories and worktrees have their own tests"),
    ("list_scripts", "repositories and worktrees have their own tests"),
    ("trust_scripts", "repositories and worktrees have their own tests"),
    ("add_worktree", "repositories and worktrees have their own tests"),
    ("adopt_worktree", "repositories and worktrees have their own tests"),
    ("get_worktree", "repositories and worktrees have their own tests"),
    ("assign_worktree", "repositories and worktrees have their own tests"),
    ("unassign_worktree", "repositories and worktrees have their own tests"),
    ("merge_worktree", "repositories and worktrees have their own tests"),
    ("start_script", "repositories and worktrees have their own tests"),
    ("stop_scripts", "repositories and worktrees have their own tests"),
    ("trash_worktree", "repositories and worktrees have their own tests"),
    ("restore_worktree", "repositories and worktrees have their own tests"),
    ("purge_worktree", "repositories and worktrees have their own tests"),
    ("list_conflicts", "needs worktrees that are in each other's way: conflicts.rs"),
    ("sweep_conflicts", "as list_conflicts"),
    ("list_tasks", "shows the tasks of everybody"),
];

/// Tools of the daemon that are in no row, by how their names begin, and why.
const TOOLS_ELSEWHERE: &[(&str, &str)] = &[
    ("repo_", "repositories have their own tests"),
    ("worktree_", "worktrees have their own tests"),
    ("conflict_", "conflicts have their own test: conflicts.rs"),
];

/// One use case and the ways to it. `{name}` stands for what the row's stage has made.
struct Row {
    operation: &'static str,
    stage: Stage,
    /// Method, path with its query, and body.
    http: (&'static str, &'static str, Value),
    /// Words of the command; `--json` is added.
    cli: &'static [&'static str],
    /// Tool and arguments; none where the reason says why there is none.
    mcp: Result<(&'static str, Value), &'static str>,
    /// Where in the answers of the three the compared thing is: an object, or a list of them.
    at: [&'static str; 3],
    /// Fields all three have.
    fields: &'static [&'static str],
    /// The code all three refuse with; empty when they do it.
    refused: &'static str,
}

/// What a row is done on.
#[derive(Clone, Copy, PartialEq)]
enum Stage {
    /// `{session}` in which `claude` has said one thing, in `{message}`, for `{task}`.
    Quiet,
    /// As quiet; besides, `{fork}` was forked from it.
    Family,
    /// As quiet; besides, `{fork}` was spawned by it.
    Child,
    /// `{session}` in which `{task}` is worked on and `{first}` and `{second}` wait.
    Queue,
    /// As quiet, and archived.
    Archived,
}

#[expect(clippy::too_many_lines, reason = "a table is as long as what is in it")]
fn rows() -> Vec<Row> {
    const SESSION: &[&str] = &["title", "state", "archived", "tags"];
    const TASK: &[&str] = &["title", "state"];
    let row = |operation, stage, http, cli, mcp, at, fields| Row {
        operation,
        stage,
        http,
        cli,
        mcp,
        at,
        fields,
        refused: "",
    };
    let no = |row: Row, refused| Row { refused, ..row };
    let none = || Value::Null;
    let whole = ["", "", ""];
    vec![
        row(
            "create_session",
            Stage::Quiet,
            ("POST", "/sessions", json!({ "title": "New", "agents": ["claude"] })),
            &["session", "new", "New", "--agents", "claude"],
            Err("session_spawn makes one with its first prompt"),
            whole,
            &["title", "state", "tags"],
        ),
        row(
            "get_session",
            Stage::Quiet,
            ("GET", "/sessions/{session}", none()),
            &["session", "show", "{session}"],
            Ok(("session_read", json!({ "session": "{session}" }))),
            ["", "/session", "/sessions/0"],
            SESSION,
        ),
        no(
            row(
                "get_session",
                Stage::Quiet,
                ("GET", "/sessions/zzzzzzzz", none()),
                &["session", "show", "zzzzzzzz"],
                Ok(("session_read", json!({ "session": "zzzzzzzz" }))),
                whole,
                &[],
            ),
            "not_found",
        ),
        row(
            "list_sessions",
            Stage::Family,
            ("GET", "/sessions?parent={session}&sort=title&text=parity", none()),
            &["session", "list", "--parent", "{session}", "--sort", "title", "--text", "parity"],
            Ok(("session_list", json!({ "parent": "{session}", "sort": "title", "text": "parity" }))),
            ["/items", "/items", "/sessions"],
            SESSION,
        ),
        no(
            row(
                "list_sessions",
                Stage::Quiet,
                ("GET", "/sessions?cursor=nonsense", none()),
                &["session", "list", "--cursor", "nonsense"],
                Ok(("session_list", json!({ "cursor": "nonsense" }))),
                whole,
                &[],
            ),
            "cursor_malformed",
        ),
        row(
            "change_session",
            Stage::Quiet,
            ("PATCH", "/sessions/{session}", json!({ "title": "Other" })),
            &["session", "rename", "{session}", "Other"],
            Ok(("session_change", json!({ "session": "{session}", "title": "Other" }))),
            whole,
            SESSION,
        ),
        row(
            "change_session",
            Stage::Quiet,
            ("PATCH", "/sessions/{session}", json!({ "add_tags": ["ui", "a"] })),
            &["session", "tag", "{session}", "ui", "a"],
            Ok(("session_change", json!({ "session": "{session}", "add_tags": ["ui", "a"] }))),
            whole,
            SESSION,
        ),
        no(
            row(
                "change_session",
                Stage::Quiet,
                ("PATCH", "/sessions/{session}", json!({ "add_tags": ["a b"] })),
                &["session", "tag", "{session}", "a b"],
                Ok(("session_change", json!({ "session": "{session}", "add_tags": ["a b"] }))),
                whole,
                &[],
            ),
            "tag_invalid",
        ),
        row(
            "change_session",
            Stage::Child,
            ("PATCH", "/sessions/{fork}", json!({ "callback": "always" })),
            &["session", "callback", "{fork}", "always"],
            Ok(("session_change", json!({ "session": "{fork}", "callback": "always" }))),
            whole,
            SESSION,
        ),
        row(
            "archive_session",
            Stage::Quiet,
            ("POST", "/sessions/{session}/archive", none()),
            &["session", "archive", "{session}"],
            Ok(("session_change", json!({ "session": "{session}", "archived": true }))),
            whole,
            SESSION,
        ),
        row(
            "unarchive_session",
            Stage::Archived,
            ("POST", "/sessions/{session}/unarchive", none()),
            &["session", "unarchive", "{session}"],
            Ok(("session_change", json!({ "session": "{session}", "archived": false }))),
            whole,
            SESSION,
        ),
        row(
            "remove_session",
            Stage::Family,
            ("DELETE", "/sessions/{session}?anyway=true", none()),
            &["session", "rm", "{session}", "--anyway"],
            Ok(("session_remove", json!({ "session": "{session}", "anyway": true }))),
            whole,
            &["id", "relatives"],
        ),
        no(
            row(
                "remove_session",
                Stage::Family,
                ("DELETE", "/sessions/{session}", none()),
                &["session", "rm", "{session}"],
                Ok(("session_remove", json!({ "session": "{session}" }))),
                whole,
                &[],
            ),
            "session_has_relatives",
        ),
        row(
            "fork_session",
            Stage::Quiet,
            ("POST", "/sessions/{session}/fork", json!({ "message": "{message}" })),
            &["session", "fork", "{session}", "--at", "{message}"],
            Ok(("session_fork", json!({ "session": "{session}", "message": "{message}" }))),
            whole,
            &["title", "state", "forked_from"],
        ),
        no(
            row(
                "fork_session",
                Stage::Quiet,
                (
                    "POST",
                    "/sessions/{session}/fork",
                    json!({ "message": "msg_018f000000007000800000000000000a" }),
                ),
                &["session", "fork", "{session}", "--at", "msg_018f000000007000800000000000000a"],
                Ok((
                    "session_fork",
                    json!({ "session": "{session}", "message": "msg_018f000000007000800000000000000a" }),
                )),
                whole,
                &[],
            ),
            "not_found",
        ),
        row(
            "spawn_session",
            Stage::Quiet,
            (
                "POST",
                "/sessions/{session}/spawn",
                json!({ "prompt": "[[say child]]", "agents": ["second"], "callback": "once" }),
            ),
            &["session", "spawn", "{session}", "[[say child]]", "--agents", "second", "--callback", "once"],
            Ok((
                "session_spawn",
                json!({ "parent": "{session}", "prompt": "[[say child]]", "agents": ["second"], "callback": "once" }),
            )),
            ["/session", "/session", "/session"],
            &["title", "parent"],
        ),
        row(
            "ask_session",
            Stage::Quiet,
            ("POST", "/sessions/{session}/ask", json!({ "question": "Which?\n[[say that one]]" })),
            &["session", "ask", "{session}", "Which?\n[[say that one]]", "--no-wait"],
            Ok((
                "session_ask",
                json!({ "session": "{session}", "question": "Which?\n[[say that one]]", "wait_seconds": 0 }),
            )),
            whole,
            &["asked", "question"],
        ),
        row(
            "list_asides",
            Stage::Quiet,
            ("GET", "/sessions/{session}/asides", none()),
            &["session", "asides", "{session}"],
            Ok(("aside_list", json!({ "session": "{session}" }))),
            ["/items", "/items", "/asides"],
            &["question", "answer"],
        ),
        row(
            "get_family",
            Stage::Family,
            ("GET", "/sessions/{session}/family?depth=2", none()),
            &["session", "tree", "{session}", "--depth", "2"],
            Ok(("family_get", json!({ "session": "{session}", "depth": 2 }))),
            ["/descendants", "/descendants", "/descendants"],
            &["title", "state", "depth", "forked_from"],
        ),
        row(
            "list_messages",
            Stage::Family,
            ("GET", "/sessions/{session}/messages", none()),
            &["session", "messages", "{session}"],
            Ok(("session_read", json!({ "session": "{session}" }))),
            ["/items", "/items", "/messages"],
            &["role"],
        ),
        row(
            "prompt",
            Stage::Quiet,
            (
                "POST",
                "/sessions/{session}/messages",
                json!({ "text": "[[say two]]", "targets": ["second"], "priority": 2 }),
            ),
            &["session", "prompt", "{session}", "[[say two]]", "--to", "second", "--priority", "2"],
            Ok((
                "session_prompt",
                json!({ "session": "{session}", "prompt": "[[say two]]", "to": ["second"], "priority": 2 }),
            )),
            whole,
            &["title"],
        ),
        no(
            row(
                "prompt",
                Stage::Archived,
                ("POST", "/sessions/{session}/messages", json!({ "text": "x" })),
                &["session", "prompt", "{session}", "x"],
                Ok(("session_prompt", json!({ "session": "{session}", "prompt": "x" }))),
                whole,
                &[],
            ),
            "session_archived",
        ),
        row(
            "list_session_tasks",
            Stage::Quiet,
            ("GET", "/sessions/{session}/tasks", none()),
            &["task", "list", "--session", "{session}"],
            Ok(("session_read", json!({ "session": "{session}" }))),
            ["/items", "/items", "/tasks"],
            TASK,
        ),
        row(
            "get_task",
            Stage::Quiet,
            ("GET", "/tasks/{task}", none()),
            &["task", "show", "{task}"],
            Err("session_read shows the tasks of a session"),
            whole,
            &["title", "state", "text"],
        ),
        row(
            "list_queue",
            Stage::Queue,
            ("GET", "/sessions/{session}/queue", none()),
            &["session", "queue", "{session}"],
            Ok(("queue_list", json!({ "session": "{session}" }))),
            ["/items", "/items", "/tasks"],
            TASK,
        ),
        row(
            "move_task",
            Stage::Queue,
            ("POST", "/tasks/{second}/move", json!({ "before": "{first}" })),
            &["task", "move", "{second}", "--before", "{first}"],
            Ok(("task_move", json!({ "task": "{second}", "before": "{first}" }))),
            ["/items", "/items", "/tasks"],
            TASK,
        ),
        no(
            row(
                "move_task",
                Stage::Queue,
                ("POST", "/tasks/{task}/move", json!({ "last": true })),
                &["task", "move", "{task}", "--last"],
                Ok(("task_move", json!({ "task": "{task}", "last": true }))),
                whole,
                &[],
            ),
            "task_begun",
        ),
        row(
            "cancel_task",
            Stage::Queue,
            ("POST", "/tasks/{first}/cancel", none()),
            &["task", "cancel", "{first}"],
            Ok(("task_cancel", json!({ "task": "{first}" }))),
            whole,
            TASK,
        ),
        row(
            "attach_client",
            Stage::Quiet,
            (
                "POST",
                "/sessions/{session}/attach",
                json!({ "client": "c", "name": "phone", "input": "claim" }),
            ),
            &["session", "attach", "{session}", "--client", "c", "--name", "phone", "--claim"],
            Ok((
                "client_attach",
                json!({ "session": "{session}", "client": "c", "name": "phone", "input": "claim" }),
            )),
            ["/clients", "/clients", "/clients"],
            &["client", "name", "owns_input", "typing"],
        ),
        row(
            "detach_client",
            Stage::Quiet,
            ("POST", "/sessions/{session}/detach", json!({ "client": "c" })),
            &["session", "detach", "{session}", "--client", "c"],
            Ok(("client_attach", json!({ "session": "{session}", "client": "c", "input": "leave" }))),
            whole,
            &["clients"],
        ),
        row(
            "list_clients",
            Stage::Quiet,
            ("GET", "/sessions/{session}/clients", none()),
            &["session", "clients", "{session}"],
            Ok(("client_list", json!({ "session": "{session}" }))),
            whole,
            &["clients"],
        ),
    ]
}

struct Place {
    home: Home,
    _model: Scripted,
}

type Names = BTreeMap<&'static str, String>;

impl Place {
    fn new() -> Self {
        let model = Scripted::start(ScriptedOptions::default()).unwrap();
        let mut home = Home::new();
        home.set("PARITY_KEY", KEY);
        let root = home.data_root();
        std::fs::create_dir_all(root.path()).unwrap();
        let agent = json!({
            "vendor": "anthropic", "model": "claude", "api_key_env": "PARITY_KEY",
            "base_url": model.base_url(Vendor::Anthropic),
        });
        let config = json!({ "agents": { "claude": agent.clone(), "second": agent }, "titles": "words" });
        std::fs::write(root.config(), config.to_string()).unwrap();
        let place = Self { home, _model: model };
        assert_eq!(place.home.run(&["daemon", "start"]).exit, 0);
        place
    }

    /// A request written by hand, as a program in any language would.
    fn http(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let root = self.home.data_root();
        let info: DaemonInfo = serde_json::from_slice(&std::fs::read(root.daemon_info()).unwrap()).unwrap();
        let token = std::fs::read_to_string(root.token()).unwrap();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let kind = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
        let request = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n{kind}\
             connection: close\r\ncontent-length: {}\r\n\r\n{body}",
            info.address,
            token.trim(),
            body.len(),
        );
        let mut stream = TcpStream::connect(info.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    fn made(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.http("POST", path, body);
        assert!(status < 300, "{path}: {answer}");
        answer
    }

    fn get(&self, path: &str) -> Value {
        self.http("GET", path, &Value::Null).1
    }

    fn prompt(&self, session: &str, text: &str) -> String {
        let body = json!({ "text": text, "targets": ["claude"] });
        id(&self.made(&format!("/sessions/{session}/messages"), &body))
    }

    fn stage(&self, stage: Stage) -> Names {
        let session =
            id(&self.made("/sessions", &json!({ "title": "Parity", "agents": ["claude", "second"] })));
        let mut names = Names::new();
        let busy = stage == Stage::Queue;
        let task = self.prompt(&session, if busy { "[[ask Go on?]]\n[[say on]]" } else { "[[say one]]" });
        let state = if busy { "input_required" } else { "completed" };
        until("the stage is set", || (self.get(&format!("/tasks/{task}"))["state"] == state).then_some(()));
        let message = id(&self.get(&format!("/sessions/{session}/messages"))["items"][0]);
        match stage {
            Stage::Quiet => {}
            Stage::Family => {
                names.insert("fork", id(&self.made(&format!("/sessions/{session}/fork"), &json!({}))));
            }
            Stage::Child => {
                let new = json!({ "title": "Child", "agents": ["claude"], "parent": session });
                names.insert("fork", id(&self.made("/sessions", &new)));
            }
            Stage::Queue => {
                names.insert("first", self.prompt(&session, "[[say first]]"));
                names.insert("second", self.prompt(&session, "[[say second]]"));
            }
            Stage::Archived => drop(self.made(&format!("/sessions/{session}/archive"), &Value::Null)),
        }
        names.extend([("session", session), ("task", task), ("message", message)]);
        names
    }

    fn newest(&self) -> String {
        self.get("/status")["cursor"].as_str().unwrap().to_owned()
    }

    /// What the user has done since, without ids and times.
    fn doings(&self, after: &str) -> Vec<Value> {
        let events = self.get(&format!("/events?after={after}&limit=1000"));
        let of_user = events["items"].as_array().unwrap().iter().filter(|event| event["actor"] == "user");
        of_user.map(|event| json!({ "kind": event["kind"], "payload": plain(&event["payload"]) })).collect()
    }

    /// The same, as a watcher hears it.
    fn heard(&self, after: &str, count: usize) -> Vec<Value> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = Client::new(Options::user(self.home.data_root(), Arc::new(SystemEntropy)));
        let after: Cursor = after.parse().unwrap();
        let wish =
            Subscription { after: Some(after), session: None, feeds: vec![Feed::Events], client: None };
        runtime.block_on(async {
            let mut stream = client.watch(wish, None);
            let mut heard = Vec::new();
            while heard.len() < count {
                let StreamItem::Message(message) = stream.next().await.unwrap() else { continue };
                let ServerMessage::Event(event) = *message else { continue };
                if event.actor == protocol::Actor::User {
                    heard.push(json!({ "kind": event.kind, "payload": plain(&event.payload) }));
                }
            }
            heard
        })
    }
}

fn id(value: &Value) -> String {
    value["id"].as_str().unwrap_or_else(|| panic!("no id: {value}")).to_owned()
}

fn filled(text: &str, names: &Names) -> String {
    names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

fn filled_in(value: &Value, names: &Names) -> Value {
    match value {
        Value::String(text) => filled(text, names).into(),
        Value::Array(items) => items.iter().map(|item| filled_in(item, names)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), filled_in(value, names))).collect()
        }
        other => other.clone(),
    }
}

/// Without ids and times.
fn plain(value: &Value) -> Value {
    let is_id = |text: &str| text.len() == 36 && text.as_bytes()[3] == b'_';
    match value {
        Value::String(text) if is_id(text) => json!("an id"),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| !name.ends_with("_at") && !["short_id", "rank"].contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), plain(value)))
            .collect(),
        other => other.clone(),
    }
}

/// The fields that are compared, of the thing or of each of the things at the place.
fn shown(answer: &Value, at: &str, fields: &[&str]) -> Value {
    let one = |thing: &Value| -> Value {
        let field = |name: &&str| ((*name).to_owned(), plain(&thing[*name]));
        fields.iter().map(field).collect::<Map<String, Value>>().into()
    };
    match answer.pointer(at).unwrap_or(&Value::Null) {
        Value::Array(items) => items.iter().map(one).collect(),
        thing => one(thing),
    }
}

/// What one face made of a row: the compared part of its answer or its code, and what was done.
#[derive(Debug, PartialEq)]
struct Made {
    answer: Value,
    doings: Vec<Value>,
}

fn by_http(place: &Place, row: &Row) -> Made {
    let (names, after) = (place.stage(row.stage), place.newest());
    let (method, path, body) = &row.http;
    let (status, answer) = place.http(method, &filled(path, &names), &filled_in(body, &names));
    let answer = match row.refused {
        "" => shown(&answer, row.at[0], row.fields),
        _ => answer["error"]["code"].clone(),
    };
    assert_eq!(status >= 400, !row.refused.is_empty(), "{}: {answer}", row.operation);
    let doings = place.doings(&after);
    assert_eq!(place.heard(&after, doings.len()), doings, "{}: the WebSocket", row.operation);
    Made { answer, doings }
}

fn by_command(place: &Place, row: &Row) -> Made {
    let (names, after) = (place.stage(row.stage), place.newest());
    let words: Vec<String> = row.cli.iter().map(|word| filled(word, &names)).collect();
    let mut line: Vec<&str> = words.iter().map(String::as_str).collect();
    line.push("--json");
    let said: Said = place.home.run(&line);
    let answer = match row.refused {
        "" => shown(&said.json(), row.at[1], row.fields),
        _ => said.code().into(),
    };
    assert_eq!(said.exit != 0, !row.refused.is_empty(), "{line:?}: {} {}", said.out, said.err);
    Made { answer, doings: place.doings(&after) }
}

fn by_tool(place: &Place, agent: &mut Agent, row: &Row, tool: &str, arguments: &Value) -> Made {
    let (names, after) = (place.stage(row.stage), place.newest());
    let outcome = agent.call(tool, filled_in(arguments, &names));
    let answer = match row.refused {
        "" => shown(outcome.data(), row.at[2], row.fields),
        _ => outcome.code().into(),
    };
    Made { answer, doings: place.doings(&after) }
}

#[test]
fn a_use_case_is_the_same_by_every_face() {
    let place = Place::new();
    let mut agent = Agent::start(&place.home, &[]);
    for row in rows() {
        let http = by_http(&place, &row);
        if !row.refused.is_empty() {
            assert_eq!(http.doings, Vec::<Value>::new(), "{}: what is refused leaves nothing", row.operation);
        }
        let command = by_command(&place, &row);
        assert_eq!(http, command, "{}: HTTP and the command line", row.operation);
        if let Ok((tool, arguments)) = &row.mcp {
            let by_tool = by_tool(&place, &mut agent, &row, tool, arguments);
            assert_eq!(http, by_tool, "{}: HTTP and the tool {tool}", row.operation);
        }
    }
}

#[test]
fn no_operation_and_no_tool_is_forgotten() {
    let rows = rows();
    let mut known: BTreeSet<&str> = rows.iter().map(|row| row.operation).collect();
    for (operation, why) in ELSEWHERE {
        assert!(!why.is_empty() && known.insert(operation), "{operation} is in a row, or in the list twice");
    }
    let there = operations();
    for operation in &there {
        assert!(known.remove(operation.id), "{} is in no row of the table of faces; add one", operation.id);
    }
    assert_eq!(known, BTreeSet::new(), "these are no operations");
    let used: BTreeSet<&str> = rows.iter().filter_map(|row| Some(row.mcp.as_ref().ok()?.0)).collect();
    for tool in mcp::tools().iter().filter(|tool| tool.uses == mcp::Uses::Daemon) {
        let elsewhere = TOOLS_ELSEWHERE.iter().any(|(begins, _)| tool.name.starts_with(begins));
        assert!(
            elsewhere || used.contains(tool.name),
            "the tool {} is in no row of the table of faces",
            tool.name
        );
    }
}
