//! One table of use cases by faces: what is done by HTTP, by command and by tool is one thing, and the WebSocket tells of it.
//!
//! To add a use case, add a row to its noun's file in `faces/`. An operation that is in no row and not in [`ELSEWHERE`] fails the test, and so do one
//! whose rows are all refused and that is not in [`REFUSED_HERE`], and a tool of the daemon that no row uses; so nobody can add one
//! to a face and forget the others.
//!
//! Each row is done three times, once by each face, on nouns of its own that are alike. Then the answers are compared, field by field,
//! and what the journal says of the user's doings, without ids and times.

mod answering;
mod artifact;
mod board;
mod checkpoint;
mod context;
mod file;
mod lineage;
mod merge;
mod plan;
mod script;
mod session;
mod task;
mod worktree;

use crate::command::{Home, Said};
use crate::house::until;
use crate::mcp_client::Agent;
use bus::system::SystemEntropy;
use client::{Client, Options, StreamItem};
use model::Vendor;
use protocol::ws::{Feed, ServerMessage, Subscription};
use protocol::{Cursor, operations};
use scripted::{Scripted, ScriptedOptions};
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use testkit::TempRepo;

const KEY: &str = "no-secret-of-anybody";
/// How long a watcher may take to hear of what is in the journal already. Only a failing test waits that long.
const HEARD_WITHIN: Duration = Duration::from_secs(30);

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
    ("get_agent_stats", "is for the user; agents pay for every tool: engine/tests/it/archiving.rs counts"),
    ("list_live_turns", "is about now, and gone at the next look"),
    ("list_participants", "is a part of the session"),
    ("list_permissions", "needs an agent that asks: permissions are tested with runs"),
    ("get_permission", "as list_permissions"),
    ("decide_permission", "as list_permissions"),
    ("list_permission_rules", "as list_permissions"),
    ("remove_permission_rule", "as list_permissions"),
    ("get_cost", "sums up what agents used"),
    ("import_session", "reads a file of the user's: server/tests/it/artifacts.rs"),
    ("put_artifact", "takes bytes and no JSON: server/tests/it/artifacts.rs"),
    ("get_artifact_content", "gives bytes and no JSON: server/tests/it/artifacts.rs"),
    ("remove_artifact", "needs one that was put"),
    ("list_plans", "shows what agents plan: coditect/tests/it/driven_plan.rs"),
    ("get_plan", "as list_plans"),
    ("cancel_plan", "as list_plans"),
    ("list_registrations", "is the bus's own: mcp_stdio.rs"),
    ("acquire_locks", "is the bus's own: mcp_stdio.rs"),
    ("release_lock", "is the bus's own: mcp_stdio.rs"),
    ("list_inbox", "is the bus's own: mcp_stdio.rs"),
    ("ack_notice", "is the bus's own: mcp_stdio.rs"),
    ("list_receipts", "is the bus's own: mcp_stdio.rs"),
    ("list_channels", "is the bus's own: mcp_stdio.rs"),
    ("start_import", "reads the user's transcripts: importing.rs"),
    ("get_import", "as start_import"),
    ("cancel_import", "as start_import"),
    ("restore_file", "needs agents that change files: strays.rs"),
    ("land_session", "needs agents that change files: isolation.rs"),
    ("remove_worktree", "needs agents that change files: isolation.rs"),
    ("prune_worktrees", "needs agents that change files: isolation.rs"),
    ("resume_vendor", "needs a vendor that takes no calls: engine/tests/it/limits.rs"),
];

/// Operations whose rows compare a refusal alone: with which words, and in which tests, they are carried out.
const REFUSED_HERE: &[(&str, &str, &str)] = &[
    ("cancel_clone", ".cancel_clone(", "engine/tests/it/cloning.rs"),
    ("compact_session", ".compact_session(", "engine/tests/it/condensing.rs"),
    ("export_session", "/export?family=true", "server/tests/it/operations.rs"),
    ("get_artifact", "check(\"get_artifact\"", "server/tests/it/operations.rs"),
    ("import_bundle", "\"checkpoint\", \"import\"", "coditect/tests/it/checkpoints.rs"),
    ("start_clone", ".start_clone(", "engine/tests/it/cloning.rs"),
    ("start_script", ".start_script(", "engine/tests/it/worktrees.rs"),
    ("steer_task", ".steer_task(", "engine/tests/it/driven.rs"),
];

/// Tools of the daemon that are in no row: why, and in which tests they are called.
const TOOLS_ELSEWHERE: &[(&str, &str, &str)] = &[
    ("worktree_prune", "looks at the worktrees of all repositories", "coditect/tests/it/isolation.rs"),
    ("artifact_put", "takes text where HTTP takes bytes", "server/tests/it/artifacts.rs"),
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

impl Row {
    fn new(
        operation: &'static str,
        stage: Stage,
        http: (&'static str, &'static str, Value),
        cli: &'static [&'static str],
        mcp: Result<(&'static str, Value), &'static str>,
        at: [&'static str; 3],
        fields: &'static [&'static str],
    ) -> Self {
        Self { operation, stage, http, cli, mcp, at, fields, refused: "" }
    }

    fn refused(self, refused: &'static str) -> Self {
        Self { refused, ..self }
    }
}

/// No body.
const NONE: Value = Value::Null;
/// The compared thing is the whole answer.
const WHOLE: [&str; 3] = ["", "", ""];

/// What a row is done on.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
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
    /// As quiet; and what is in `board.rs`.
    Board,
    /// As quiet, but that `{task}` is in the pool.
    Pool,
    /// The same, and it is claimed.
    Claimed,
    /// As quiet; and `parity.{session}` is shared.
    Shared,
    /// As quiet; and something was said on `to.{session}`.
    Told,
    /// A repository at `{path}` that is not registered; it may be called `{slug}`.
    Checkout,
    /// The same, registered.
    Repo,
    /// The same; besides, the user has locked a file of it.
    Locked,
    /// As repo; besides, it has a script, whose hash is `{hash}`.
    Scripted,
    /// As repo; besides, git has made a worktree of it at `{foreign}`.
    Foreign,
    /// As repo; besides, `{session}` is in it, of which `{checkpoint}` was kept, and a file was changed since.
    Kept,
    /// As repo; besides, `{worktree}` was made of it, and `{session}` is in the repository.
    Worktree,
    /// As worktree; besides, a commit is in it that is nowhere else.
    Unlanded,
    /// The same; besides, `{merge}` is held in the queue for it.
    Merging,
    /// As worktree; besides, the same line was changed in it and in the checkout.
    Colliding,
    /// As worktree, and in the trash.
    Trashed,
}

fn rows() -> Vec<Row> {
    [
        session::rows(),
        lineage::rows(),
        task::rows(),
        answering::rows(),
        plan::rows(),
        worktree::rows(),
        checkpoint::rows(),
        board::rows(),
        artifact::rows(),
        file::rows(),
        merge::rows(),
        script::rows(),
        context::rows(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

struct Place {
    home: Home,
    /// Those of the stages so far.
    repos: RefCell<Vec<TempRepo>>,
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
        let place = Self { home, repos: RefCell::default(), _model: model };
        assert_eq!(place.home.run(&["daemon", "start"]).exit, 0);
        place
    }

    fn made(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.home.http("POST", path, body);
        assert!(status < 300, "{path}: {answer}");
        answer
    }

    fn get(&self, path: &str) -> Value {
        self.home.http("GET", path, &Value::Null).1
    }

    fn prompt(&self, session: &str, text: &str) -> String {
        let body = json!({ "text": text, "targets": ["claude"] });
        id(&self.made(&format!("/sessions/{session}/messages"), &body))
    }

    fn stage(&self, stage: Stage) -> Names {
        if stage >= Stage::Checkout { self.repository(stage) } else { self.conversation(stage) }
    }

    fn repository(&self, stage: Stage) -> Names {
        let repo = TempRepo::with(&[("a.txt", "one\n")]);
        let slug = format!("shop{}", self.repos.borrow().len());
        let path = repo.path().to_str().unwrap().to_owned();
        let mut names = Names::from([("path", path.clone()), ("slug", slug.clone())]);
        if stage > Stage::Checkout {
            self.made("/repos", &json!({ "path": path, "slug": slug }));
        }
        if stage == Stage::Locked {
            context::lock(self, &slug);
        }
        if stage == Stage::Scripted {
            names.insert("hash", script::write(self, &repo, &slug));
        }
        if stage == Stage::Foreign {
            let foreign = repo.beside("foreign").to_str().unwrap().to_owned();
            repo.git(&["worktree", "add", "--quiet", "-b", "foreign", &foreign]);
            names.insert("foreign", foreign);
        }
        if stage == Stage::Kept {
            let session = json!({ "title": "Parity", "agents": ["claude"], "repo": slug });
            let session = id(&self.made("/sessions", &session));
            let kept = self.made(&format!("/sessions/{session}/checkpoints"), &json!({ "name": "first" }));
            names.extend([("checkpoint", id(&kept)), ("session", session)]);
            repo.write("a.txt", "two\n");
        }
        if stage >= Stage::Worktree {
            let made = self.made("/worktrees", &json!({ "repo": slug, "name": "feat" }));
            let session = json!({ "title": "Parity", "agents": ["claude"], "repo": slug });
            names.extend([("worktree", id(&made)), ("session", id(&self.made("/sessions", &session)))]);
            if matches!(stage, Stage::Unlanded | Stage::Merging) {
                let at = made["path"].as_str().unwrap();
                std::fs::write(Path::new(at).join("b.txt"), "two\n").unwrap();
                repo.git(&["-C", at, "add", "b.txt"]);
                repo.git(&["-C", at, "commit", "--quiet", "--message", "second"]);
            }
            if stage == Stage::Merging {
                names.insert("merge", merge::hold(self, &names["worktree"]));
            }
            if stage == Stage::Colliding {
                merge::collide(self, made["path"].as_str().unwrap(), &names["path"]);
            }
            if stage == Stage::Trashed {
                self.made(&format!("/worktrees/{}/remove", names["worktree"]), &json!({}));
            }
        }
        self.repos.borrow_mut().push(repo);
        names
    }

    fn conversation(&self, stage: Stage) -> Names {
        let session =
            id(&self.made("/sessions", &json!({ "title": "Parity", "agents": ["claude", "second"] })));
        let mut names = Names::new();
        let busy = stage == Stage::Queue;
        let mut task = self.prompt(&session, if busy { "[[ask Go on?]]\n[[say on]]" } else { "[[say one]]" });
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
            Stage::Pool | Stage::Claimed => {
                let body = json!({ "text": "pooled", "pool": true });
                task = id(&self.made(&format!("/sessions/{session}/messages"), &body));
                if stage == Stage::Claimed {
                    self.made("/pool/claim", &json!({ "task": task, "holder": "w" }));
                }
            }
            Stage::Shared => context::share(self, &session),
            Stage::Told => context::tell(self, &session),
            Stage::Board => board::stage(self, &session, &mut names),
            Stage::Archived => drop(self.made(&format!("/sessions/{session}/archive"), &Value::Null)),
            _ => unreachable!("it is a stage of a repository"),
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
                let Ok(item) = tokio::time::timeout(HEARD_WITHIN, stream.next()).await else {
                    panic!("the watcher heard {} of {count} events after {after}: {heard:?}", heard.len());
                };
                let StreamItem::Message(message) = item.unwrap() else { continue };
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

/// Without ids, times, and what git and the machine gave out.
fn plain(value: &Value) -> Value {
    const GIVEN: [&str; 7] = ["short_id", "slug", "rank", "port_base", "git_id", "git_ref", "at"];
    let is_id = |text: &str| text.len() == 36 && text.as_bytes()[3] == b'_';
    let is_commit = |text: &str| text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match value {
        Value::String(text) if is_id(text) => json!("an id"),
        Value::String(text) if is_commit(text) => json!("a commit"),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| !name.ends_with("_at") && !GIVEN.contains(&name.as_str()))
            .map(|(name, value)| match value {
                // Said in seconds from now, so each face has its own.
                Value::String(_) if name == "deadline" => (name.clone(), json!("a time")),
                value => (name.clone(), plain(value)),
            })
            .collect(),
        other => other.clone(),
    }
}

/// With the names of the stage where what they stand for was.
fn named(value: &Value, names: &Names) -> Value {
    let hide = |text: String, (name, given): (&&str, &String)| text.replace(given, &format!("{{{name}}}"));
    match value {
        Value::String(text) => names.iter().fold(text.clone(), hide).into(),
        Value::Array(items) => items.iter().map(|item| named(item, names)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| match (name.as_str(), named(value, names)) {
                // In the order of their paths, which each stage has of its own.
                ("worktrees", Value::Array(mut paths)) => {
                    paths.sort_by_cached_key(ToString::to_string);
                    (name.clone(), paths.into())
                }
                (_, value) => (name.clone(), value),
            })
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

impl Made {
    fn of(answer: &Value, doings: &[Value], names: &Names) -> Self {
        let doings = doings.iter().map(|doing| named(doing, names)).collect();
        Self { answer: named(answer, names), doings }
    }
}

fn by_http(place: &Place, row: &Row) -> Made {
    let (names, after) = (place.stage(row.stage), place.newest());
    let (method, path, body) = &row.http;
    let (status, answer) = place.home.http(method, &filled(path, &names), &filled_in(body, &names));
    let answer = match row.refused {
        "" => shown(&answer, row.at[0], row.fields),
        _ => answer["error"]["code"].clone(),
    };
    assert_eq!(status >= 400, !row.refused.is_empty(), "{}: {answer}", row.operation);
    // The other two are compared with this one.
    assert!(
        row.refused.is_empty() || answer == row.refused,
        "{}: {answer}, not {}",
        row.operation,
        row.refused
    );
    let doings = place.doings(&after);
    assert_eq!(place.heard(&after, doings.len()), doings, "{}: the WebSocket", row.operation);
    Made::of(&answer, &doings, &names)
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
    Made::of(&answer, &place.doings(&after), &names)
}

fn by_tool(place: &Place, agent: &mut Agent, row: &Row, tool: &str, arguments: &Value) -> Made {
    let (names, after) = (place.stage(row.stage), place.newest());
    let outcome = agent.call(tool, filled_in(arguments, &names));
    let answer = match row.refused {
        "" => shown(outcome.data(), row.at[2], row.fields),
        _ => outcome.code().into(),
    };
    Made::of(&answer, &place.doings(&after), &names)
}

fn the_same_by_every_face(rows: impl Iterator<Item = Row>) {
    let place = Place::new();
    let mut agent = Agent::start(&place.home, &[]);
    for row in rows {
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
fn a_use_case_is_the_same_by_every_face() {
    the_same_by_every_face(rows().into_iter().filter(|row| row.stage < Stage::Checkout));
}

#[test]
fn a_use_case_of_repositories_is_the_same_by_every_face() {
    the_same_by_every_face(rows().into_iter().filter(|row| row.stage >= Stage::Checkout));
}

#[test]
fn no_operation_and_no_tool_is_forgotten() {
    let rows = rows();
    let done = rows.iter().filter(|row| row.refused.is_empty());
    let mut known: BTreeSet<&str> = done.map(|row| row.operation).collect();
    for (operation, words, file) in REFUSED_HERE {
        assert!(rows.iter().any(|row| row.operation == *operation), "{operation} is in no row");
        assert!(known.insert(operation), "{operation} is done in a row, or in the list twice");
        assert!(tests_of(file).contains(words), "{operation} is carried out by no test in {file}");
    }
    for (operation, why) in ELSEWHERE {
        assert!(!why.is_empty() && known.insert(operation), "{operation} is in a row, or in the list twice");
    }
    let there = operations();
    for operation in &there {
        let id = operation.id;
        assert!(known.remove(id), "{id} is in no row of the table of faces, or refused in each; add one");
    }
    assert_eq!(known, BTreeSet::new(), "these are no operations");
    let used: BTreeSet<&str> = rows.iter().filter_map(|row| Some(row.mcp.as_ref().ok()?.0)).collect();
    for tool in mcp::tools().iter().filter(|tool| tool.uses == mcp::Uses::Daemon) {
        let elsewhere = TOOLS_ELSEWHERE.iter().any(|(name, ..)| tool.name == *name);
        assert!(
            elsewhere || used.contains(tool.name),
            "the tool {} is in no row of the table of faces",
            tool.name
        );
    }
    for (tool, why, file) in TOOLS_ELSEWHERE {
        let called = tests_of(file).contains(&format!("\"{tool}\""));
        assert!(called && !why.is_empty(), "{tool} is called by no test in {file}");
    }
}

/// The text of a file of tests, by its path below the crates.
fn tests_of(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)).unwrap()
}
