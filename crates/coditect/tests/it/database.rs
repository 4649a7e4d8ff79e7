//! The whole product with its data on PostgreSQL: work, a kill, a move into files and back.

use crate::house::{Daemon, House, text};
use serde_json::{Value, json};
use std::process::Output;

const VARIABLE: &str = "STUDIO_DATABASE";

/// The server; without it the test is skipped, and a line says so.
#[expect(clippy::disallowed_methods, reason = "the environment names the server of these tests")]
fn server() -> Option<String> {
    let url = std::env::var("CODITECT_TEST_POSTGRES").ok().filter(|url| !url.is_empty());
    if url.is_none() {
        testkit::skipped("data on PostgreSQL", "set CODITECT_TEST_POSTGRES or run cargo xtask test");
    }
    url
}

/// A house whose commands and daemons know the server's URL.
struct Studio {
    house: House,
    url: String,
    /// What the workspace is called on the server.
    name: String,
}

impl Studio {
    fn new(url: String) -> Self {
        let house = House::new();
        let place = house.dir.path().to_string_lossy().to_ascii_lowercase();
        let name: String = place.chars().filter(char::is_ascii_alphanumeric).collect();
        std::fs::create_dir_all(house.root.path()).expect("a folder");
        Self { house, url, name: format!("house_{name}") }
    }

    fn run(&self, args: &[&str]) -> Output {
        self.house.command(args).env(VARIABLE, &self.url).output().expect("it runs")
    }

    fn json(&self, args: &[&str]) -> Value {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", text(&output));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    fn daemon(&self) -> Daemon {
        let mut command = self.house.command(&["daemon", "run"]);
        command.env(VARIABLE, &self.url);
        Daemon::start(command)
    }

    fn titles(&self) -> Vec<String> {
        let listed = self.json(&["session", "list", "--json"]);
        let mut titles: Vec<String> = listed["items"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| one["title"].as_str().expect("a title").to_owned())
            .collect();
        titles.sort();
        titles
    }
}

impl Drop for Studio {
    fn drop(&mut self) {
        let address = postgresql::Address::read(&self.url, "test").expect("an address");
        let Ok(mut client) = postgresql::Client::connect(&address) else { return };
        for ending in ["", "$rows", "$fresh", "$old"] {
            let _ = client
                .batch_execute(&format!("DROP SCHEMA IF EXISTS \"studio_{}{ending}\" CASCADE", self.name));
        }
    }
}

#[test]
fn a_workspace_lives_on_a_server_and_moves_there_and_back() {
    let Some(url) = server() else { return };
    let studio = Studio::new(url);
    let config = json!({ "limits": { "max_runs": 3 } });
    std::fs::write(studio.house.root.config(), config.to_string()).unwrap();
    studio.json(&["session", "new", "in files", "--agents", "claude", "--json"]);

    // With a daemon that runs: it is stopped for the move, and started again on the copy.
    let moved = studio.json(&["data", "move", "--to-env", VARIABLE, "--name", &studio.name, "--json"]);
    assert!(moved["records"].as_u64().is_some_and(|records| records > 0), "{moved}");
    let config: Value = serde_json::from_slice(&std::fs::read(studio.house.root.config()).unwrap()).unwrap();
    assert_eq!(config["database"], json!({ "url_env": VARIABLE, "name": studio.name }));
    assert_eq!(config["limits"]["max_runs"], 3);
    studio.json(&["session", "new", "on a server", "--agents", "claude", "--json"]);
    assert_eq!(studio.titles(), ["in files", "on a server"]);
    assert!(studio.run(&["daemon", "stop"]).status.success());

    // Killed, it comes back at once: nobody else can have this data root.
    let daemon = studio.daemon();
    studio.json(&["session", "new", "before the kill", "--agents", "claude", "--json"]);
    daemon.kill();
    let daemon = studio.daemon();
    assert_eq!(studio.titles(), ["before the kill", "in files", "on a server"]);
    let verified = studio.json(&["data", "verify", "--json"]);
    assert_eq!(verified["ok"], true, "{verified}");
    let rebuilt = studio.json(&["data", "rebuild", "--json"]);
    assert_eq!(rebuilt["problems"], json!([]), "{rebuilt}");
    drop(daemon);

    let back = studio.json(&["data", "move", "--to", "sqlite", "--json"]);
    assert_eq!(back["to"], "sqlite");
    assert_eq!(studio.titles(), ["before the kill", "in files", "on a server"]);
    let again = studio.run(&["data", "move", "--to", "sqlite", "--json"]);
    assert!(text(&again).contains("moved_already"), "{}", text(&again));
    assert!(studio.run(&["daemon", "stop"]).status.success());
}

#[test]
fn what_cannot_be_moved_is_refused_and_nothing_is_changed() {
    let house = House::new();
    for (args, code) in [
        (&["--to", "postgresql://me:s3cret@db.invalid/x"][..], "database_invalid"),
        (&["--to", "mysql://db/x"], "database_invalid"),
        (&["--to-env", "NO_SUCH_VARIABLE"], "database_invalid"),
        (&["--to", "postgresql://127.0.0.1:1/x"], "database_unreachable"),
        (&["--to", "sqlite"], "moved_already"),
    ] {
        let refused = house.run(&[&["data", "move", "--json"], args].concat());
        assert!(!refused.status.success());
        let said = text(&refused);
        assert!(said.contains(code) && !said.contains("s3cret"), "{args:?}: {said}");
        assert!(!house.root.config().exists());
    }
}

#[test]
fn a_server_that_is_not_there_is_said_with_what_to_do() {
    let house = House::new();
    std::fs::create_dir_all(house.root.path()).expect("a folder");
    let config = json!({ "database": { "url": "postgresql://nobody@127.0.0.1:1/none" } });
    std::fs::write(house.root.config(), config.to_string()).unwrap();
    let refused = house.run(&["daemon", "run"]);
    assert!(!refused.status.success());
    assert!(text(&refused).contains("database.url answers"), "{}", text(&refused));
}
