//! The official inspector as a client, by both ways.
//!
//! It is found by CODITECT_TEST_INSPECTOR, a program that runs `@modelcontextprotocol/inspector` with the arguments given,
//! installed outside of the tree.

use crate::command::Home;
use crate::house::program;
use crate::mcp_client::error_of;
use mcp::Uses;
use protocol::DaemonInfo;
use serde_json::Value;

/// The inspector, or why not.
#[expect(clippy::disallowed_methods, reason = "what a test may use is told by its caller")]
fn inspector() -> Option<String> {
    let variable = "CODITECT_TEST_INSPECTOR";
    let found = std::env::var(variable).ok().filter(|path| !path.is_empty());
    if found.is_none() {
        eprintln!("SKIPPED: the official inspector: set {variable} to a program that runs it");
    }
    found
}

/// What it prints: the result of the method.
fn inspect(home: &Home, inspector: &str, args: &[&str]) -> Value {
    let mut command = program(inspector);
    command.env_clear().env("PATH", testkit::search_path()).env("HOME", home.path(""));
    let output = command.arg("--cli").args(args).current_dir(home.repo()).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}\n{err}"))
}

fn names(listed: &Value) -> Vec<&str> {
    listed["tools"].as_array().unwrap().iter().filter_map(|tool| tool["name"].as_str()).collect()
}

#[test]
fn the_inspector_lists_and_calls_on_stdio() {
    let Some(inspector) = inspector() else { return };
    let home = Home::new();
    let data = format!("CODITECT_DATA_ROOT={}", home.data_root().path().display());
    let server = ["-e", &data, env!("CARGO_BIN_EXE_coditect"), "mcp"];
    let listed = inspect(&home, &inspector, &[&server[..], &["--method", "tools/list"]].concat());
    let expected: Vec<&str> =
        mcp::tools().iter().filter(|tool| tool.uses == Uses::Bus).map(|tool| tool.name).collect();
    assert_eq!(names(&listed), expected);
    let call = ["--method", "tools/call", "--tool-name", "lock_acquire", "--tool-arg", r#"paths=["a.rs"]"#];
    let taken = inspect(&home, &inspector, &[&server[..], &call].concat());
    assert_eq!(taken["structuredContent"]["locks"][0]["path"], "a.rs", "{taken}");
    assert_eq!(taken["structuredContent"]["locks"][0]["agent"], "inspector-cli");
    let call = ["--method", "tools/call", "--tool-name", "context_get", "--tool-arg", "key=none"];
    let refused = inspect(&home, &inspector, &[&server[..], &call].concat());
    assert_eq!(error_of(&refused)["code"], "no_context", "{refused}");
}

#[test]
fn the_inspector_lists_and_calls_over_http() {
    let Some(inspector) = inspector() else { return };
    let home = Home::new();
    assert_eq!(home.run(&["daemon", "start"]).exit, 0);
    let root = home.data_root();
    let info: DaemonInfo = serde_json::from_slice(&std::fs::read(root.daemon_info()).unwrap()).unwrap();
    let address = format!("http://{}/mcp", info.address);
    let header = format!("Authorization: Bearer {}", std::fs::read_to_string(root.token()).unwrap().trim());
    let server = ["--transport", "http", "--server-url", &address, "--header", &header];
    let listed = inspect(&home, &inspector, &[&server[..], &["--method", "tools/list"]].concat());
    let expected: Vec<&str> = mcp::tools().iter().map(|tool| tool.name).collect();
    assert_eq!(names(&listed), expected, "with a daemon all of them");
    let call = ["--method", "tools/call", "--tool-name", "who"];
    let who = inspect(&home, &inspector, &[&server[..], &call].concat());
    assert_eq!(who["structuredContent"]["sessions"][0]["me"], true, "{who}");
}
