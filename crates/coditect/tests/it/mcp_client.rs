//! A client of `coditect mcp` as a vendor's program has it: a child, and JSON on lines.

use crate::command::Home;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// How long anything may take before the test has failed.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Agent {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<Value>,
    /// What came while something else was waited for.
    aside: Vec<Value>,
    next: i64,
}

/// A result of a tool.
#[derive(Debug)]
pub(crate) struct Outcome(pub(crate) Value);

impl Outcome {
    /// The data of a tool that did what was asked.
    pub(crate) fn data(&self) -> &Value {
        assert_eq!(self.0["result"]["isError"], false, "{}", self.0);
        &self.0["result"]["structuredContent"]
    }

    /// The error of one that did not; it has a next step in both forms.
    pub(crate) fn error(&self) -> Value {
        assert_eq!(self.0["result"]["isError"], true, "{}", self.0);
        let error = error_of(&self.0["result"]);
        assert!(error["next"].is_string(), "{error} has no next step");
        assert!(self.text().contains("Next: "), "{}", self.text());
        error
    }

    pub(crate) fn code(&self) -> String {
        self.error()["code"].as_str().unwrap().to_owned()
    }

    pub(crate) fn text(&self) -> &str {
        self.0["result"]["content"][0]["text"].as_str().unwrap()
    }
}

/// The error of a result that is one.
pub(crate) fn error_of(result: &Value) -> Value {
    let text = result["content"][1]["text"].as_str().unwrap_or_default();
    serde_json::from_str::<Value>(text).unwrap_or_else(|_| panic!("no error: {result}"))["error"].clone()
}

impl Agent {
    /// A client that has not said anything yet.
    pub(crate) fn raw(home: &Home, variables: &[(&str, &str)]) -> Self {
        let mut command = home.command(&home.repo(), &["mcp"]);
        command.envs(variables.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (say, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let message = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no message: {line}"));
                if say.send(message).is_err() {
                    return;
                }
            }
        });
        Self { child, input, lines, aside: Vec::new(), next: 1 }
    }

    /// A client that has shaken hands.
    pub(crate) fn start(home: &Home, variables: &[(&str, &str)]) -> Self {
        let mut agent = Self::raw(home, variables);
        let told = agent.shake_hands("claude-code");
        assert_eq!(told["result"]["serverInfo"]["name"], "coditect", "{told}");
        agent
    }

    /// One of several: it acts for a session of this name, which lives as long as the returned process.
    pub(crate) fn named(home: &Home, name: &str) -> (Self, Life) {
        let life = Life(home.start(&["msg", "tail"]));
        let pid = life.0.id().to_string();
        let said = home.run(&["join", "--as", name, "--pid", &pid, "--json"]);
        assert_eq!(said.exit, 0, "{}", said.err);
        let id = said.json()["id"].as_str().unwrap().to_owned();
        (Self::start(home, &[("CODITECT_HOLDER", &id)]), life)
    }

    /// One that acts as the user of this data root.
    pub(crate) fn of_user(root: &model::DataRoot) -> (Self, Home) {
        let home = Home::new();
        let agent = Self::start(&home, &[("CODITECT_DATA_ROOT", root.path().to_str().unwrap())]);
        (agent, home)
    }

    pub(crate) fn shake_hands(&mut self, program: &str) -> Value {
        let hello = json!({
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": { "name": program, "version": "1" },
        });
        let id = self.send("initialize", hello);
        let told = self.answer(id);
        self.write(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string().as_bytes());
        told
    }

    pub(crate) fn write(&mut self, line: &[u8]) {
        let input = self.input.as_mut().unwrap();
        input.write_all(line).unwrap();
        input.write_all(b"\n").unwrap();
        input.flush().unwrap();
    }

    /// Sends a request and gives its id.
    pub(crate) fn send(&mut self, method: &str, params: Value) -> i64 {
        let id = self.next;
        self.next += 1;
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.write(request.to_string().as_bytes());
        id
    }

    /// The first message that is the wished one.
    pub(crate) fn until(&mut self, wished: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.aside.iter().position(&wished) {
            return self.aside.remove(at);
        }
        loop {
            let message = self.lines.recv_timeout(PATIENCE).expect("the server says something");
            if wished(&message) {
                return message;
            }
            self.aside.push(message);
        }
    }

    pub(crate) fn answer(&mut self, id: i64) -> Value {
        self.until(|message| message["id"] == id)
    }

    /// Begins to call a tool.
    pub(crate) fn begin(&mut self, tool: &str, arguments: Value) -> i64 {
        self.send("tools/call", json!({ "name": tool, "arguments": arguments }))
    }

    pub(crate) fn end(&mut self, id: i64) -> Outcome {
        Outcome(self.answer(id))
    }

    pub(crate) fn call(&mut self, tool: &str, arguments: Value) -> Outcome {
        let id = self.begin(tool, arguments);
        self.end(id)
    }

    /// Takes a call back.
    pub(crate) fn cancel(&mut self, id: i64) {
        let note = json!({
            "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id, "reason": "no" },
        });
        self.write(note.to_string().as_bytes());
    }

    pub(crate) fn tools(&mut self) -> Vec<Value> {
        let id = self.send("tools/list", json!({}));
        self.answer(id)["result"]["tools"].as_array().unwrap().clone()
    }

    /// Ends the input; gives the exit code of the server.
    pub(crate) fn hang_up(mut self) -> Option<i32> {
        drop(self.input.take());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process to live by.
pub(crate) struct Life(Child);

impl Drop for Life {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
