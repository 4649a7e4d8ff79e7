//! The official inspector as a client, by both ways.
//!
//! It is found by CODITECT_TEST_INSPECTOR, a program that runs `@modelcontextprotocol/inspector` with the arguments given.
//! `cargo xtask e2e` and `cargo xtask test` install it outside of the tree and say where.

use crate::command::Home;
use crate::house::program;
use crate::mcp_client::error_of;
use mcp::Uses;
use serde_json::{Value, json};
use std::process::Child;

/// Its exit code when a tool says that it failed.
const TOOL_FAILED: i32 = 5;

/// The inspector, or why not.
#[expect(clippy::disallowed_methods, reason = "what a test may use is told by its caller")]
fn inspector() -> Option<String> {
    let variable = "CODITECT_TEST_INSPECTOR";
    let found = std::env::var(variable).ok().filter(|path| !path.is_empty());
    if found.is_none() {
        testkit::skipped(
            "the official inspector",
            &format!("set {variable} to a program that runs it, or run cargo xtask e2e"),
        );
    }
    found
}

/// A session on the bus, and one way of the inspector to the tools in its name.
struct Way {
    inspector: String,
    home: Home,
    server: Vec<String>,
    life: Child,
}

impl Way {
    /// `server` makes of the home and of who joined how the server is named.
    fn new(server: impl FnOnce(&Home, &str) -> Vec<String>) -> Option<Self> {
        let inspector = inspector()?;
        let home = Home::new();
        let life = home.start(&["msg", "tail"]);
        let pid = life.id().to_string();
        let joined = home.run(&["join", "--as", "ada", "--pid", &pid, "--json"]).json();
        let server = server(&home, joined["id"].as_str().unwrap());
        Some(Self { inspector, home, server, life })
    }

    /// Exit code, and what it prints: the result of the method.
    fn inspect(&self, args: &[&str]) -> (i32, Value) {
        let mut command = program(&self.inspector);
        command.env_clear().env("PATH", testkit::search_path()).env("HOME", self.home.path(""));
        let output = command
            .arg("--cli")
            .args(&self.server)
            .args(args)
            .current_dir(self.home.repo())
            .output()
            .unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let exit = output.status.code().unwrap();
        (exit, serde_json::from_str(&out).unwrap_or_else(|_| panic!("{exit}: {out}\n{err}")))
    }

    fn call(&self, tool: &str, arguments: &[&str]) -> (i32, Value) {
        let pairs = arguments.iter().flat_map(|pair| ["--tool-arg", *pair]);
        let words = ["--method", "tools/call", "--tool-name", tool].into_iter().chain(pairs);
        self.inspect(&words.collect::<Vec<_>>())
    }

    /// The data of a tool that does what is asked.
    fn data(&self, tool: &str, arguments: &[&str]) -> Value {
        let (exit, result) = self.call(tool, arguments);
        assert_eq!((exit, &result["isError"]), (0, &json!(false)), "{tool}: {result}");
        result["structuredContent"].clone()
    }

    fn refused(&self, tool: &str, arguments: &[&str], code: &str) {
        let (exit, result) = self.call(tool, arguments);
        assert_eq!((exit, &error_of(&result)["code"]), (TOOL_FAILED, &json!(code)), "{tool}: {result}");
    }

    /// Lists the tools, reads with each that only reads, takes a lock and gives it back, and is told what is wrong.
    fn does_everything(&self, expected: &[&str]) {
        // Strict: a schema that some client may refuse is an exit code of its own.
        let (exit, listed) = self.inspect(&["--method", "tools/list", "--strict"]);
        let tools = listed["tools"].as_array().unwrap();
        let names: Vec<&str> = tools.iter().filter_map(|tool| tool["name"].as_str()).collect();
        assert_eq!((exit, names.as_slice()), (0, expected));

        let taken = self.data("lock_acquire", &[r#"paths=["src/a.rs"]"#]);
        assert_eq!(
            (&taken["locks"][0]["path"], &taken["locks"][0]["agent"]),
            (&json!("src/a.rs"), &json!("ada"))
        );
        self.data("context_set", &["key=shape", r#"value={"v":2}"#]);
        let reading: Vec<&Value> =
            tools.iter().filter(|tool| tool["annotations"]["readOnlyHint"] == true).collect();
        let words: Vec<&str> = reading.iter().filter_map(|tool| tool["name"].as_str()).collect();
        for word in ["lock_list", "task_list", "context_get", "context_list", "who"] {
            assert!(words.contains(&word), "{words:?}");
        }
        for (description, tool) in reading.into_iter().zip(words) {
            if mcp::tools().iter().any(|known| known.name == tool && known.uses == Uses::Daemon) {
                let wants = &description["inputSchema"]["required"];
                match tool {
                    // What is there to claim is for everybody who can work.
                    "pool_list" => assert_eq!(self.data(tool, &[])["tasks"], json!([])),
                    _ => {
                        assert!(wants.as_array().is_some_and(|all| !all.is_empty()), "{description}");
                        self.refused(tool, &[], "bad_arguments");
                    }
                }
                continue;
            }
            let arguments: &[&str] = if tool == "context_get" { &["key=shape"] } else { &[] };
            let data = self.data(tool, arguments);
            match tool {
                "lock_list" => assert_eq!(data["locks"][0]["path"], "src/a.rs", "{data}"),
                "context_get" => assert_eq!(data["value"], json!({ "v": 2 })),
                "who" => assert_eq!(data["sessions"][0]["name"], "ada", "{data}"),
                _ => assert!(data.is_object(), "{tool}: {data}"),
            }
        }
        let token = format!("tokens=[{}]", taken["locks"][0]["token"]);
        let released = self.data("lock_release", &[&token]);
        assert_eq!(released["released"], json!([taken["locks"][0]["token"]]), "{released}");
        assert_eq!(self.data("lock_list", &[])["locks"], json!([]));

        self.refused("lock_acquire", &["paths=7"], "bad_arguments");
        self.refused("lock_acquire", &[], "bad_arguments");
        self.refused("context_get", &["key=none"], "no_context");
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        let _ = self.life.kill();
        let _ = self.life.wait();
    }
}

#[test]
fn the_inspector_does_everything_on_stdio() {
    let way = Way::new(|home, id| {
        let data = format!("CODITECT_DATA_ROOT={}", home.data_root().path().display());
        let holder = format!("CODITECT_HOLDER={id}");
        let words = ["-e", &data, "-e", &holder, env!("CARGO_BIN_EXE_coditect"), "mcp"];
        words.map(str::to_owned).to_vec()
    });
    let Some(way) = way else { return };
    let of_bus = mcp::tools().iter().filter(|tool| tool.uses == Uses::Bus);
    way.does_everything(&of_bus.map(|tool| tool.name).collect::<Vec<_>>());
}

#[test]
fn the_inspector_does_everything_over_http() {
    let way = Way::new(|home, id| {
        let lent = home.run(&["mcp", "token", "--holder", id, "--json"]).json();
        let header = format!("Authorization: Bearer {}", lent["token"].as_str().unwrap());
        let words =
            ["--transport", "http", "--server-url", lent["url"].as_str().unwrap(), "--header", &header];
        words.map(str::to_owned).to_vec()
    });
    let Some(mut way) = way else { return };
    // With a daemon all of them but the user's own, and those of the studio's sessions.
    let shown = mcp::tools().iter().filter(|tool| tool.whose == mcp::Whose::Anybody);
    way.does_everything(&shown.map(|tool| tool.name).collect::<Vec<_>>());
    let token = std::fs::read_to_string(way.home.data_root().token()).unwrap();
    *way.server.last_mut().unwrap() = format!("Authorization: Bearer {}", token.trim());
    for (tool, what) in [("session_read", "sessions"), ("session_list", "sessions"), ("repo_list", "repos")] {
        assert!(way.data(tool, &[])[what].is_array(), "{tool}: {:?}", way.data(tool, &[]));
    }
}
