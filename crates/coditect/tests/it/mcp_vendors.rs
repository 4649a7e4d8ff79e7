//! The vendors' real programs, told of the tools as the manual says, against a model that calls one of them.
//!
//! They are found by CODITECT_TEST_VENDORS, a folder with `bin/claude`, `bin/codex`, `bin/gemini` and `bin/kimi`. Each has
//! a home of its own and nothing of the caller's environment; whatever they want of anybody but this machine goes to a
//! port where nobody listens.

use crate::command::Home;
use crate::house::program;
use crate::mcp_model::{Model, Order};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;

/// Where nobody listens.
const NOWHERE: &str = "http://127.0.0.1:9";
/// All of them have to be there.
const ALL: [&str; 4] = ["claude", "codex", "gemini", "kimi"];

/// How a program is told where the tools are.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Way {
    Stdio,
    Http,
}

/// One vendor's program in a home of its own.
struct Trial {
    home: Home,
    vendor: &'static str,
    program: PathBuf,
    way: Way,
    /// What `coditect mcp token` said, over HTTP.
    lent: Value,
}

/// The programs, or why not.
#[expect(clippy::disallowed_methods, reason = "what a test may use is told by its caller")]
fn vendors() -> Option<PathBuf> {
    let variable = "CODITECT_TEST_VENDORS";
    let folder = std::env::var_os(variable).map(PathBuf::from);
    let found = folder.filter(|folder| ALL.iter().all(|name| folder.join("bin").join(name).exists()));
    if found.is_none() {
        testkit::skipped("the vendors' own programs", &format!("set {variable} or run cargo xtask e2e"));
    }
    found
}

/// The one vendor that is asked for, as `cargo xtask e2e --vendor` does.
#[expect(clippy::disallowed_methods, reason = "what a test may use is told by its caller")]
fn only() -> Option<String> {
    std::env::var("CODITECT_TEST_VENDOR").ok().filter(|name| !name.is_empty())
}

impl Trial {
    fn new(folder: &std::path::Path, vendor: &'static str, way: Way) -> Self {
        let home = Home::new();
        let program = folder.join("bin").join(vendor);
        let mut lent = Value::Null;
        if way == Way::Http {
            let pid = std::process::id().to_string();
            let joined = home.run(&["join", "--as", "ada", "--pid", &pid]);
            assert_eq!(joined.exit, 0, "{}", joined.err);
            lent = home.run(&["mcp", "token", "--holder", "ada", "--json"]).json();
        }
        Self { home, vendor, program, way, lent }
    }

    /// The entry of the server in a configuration of the usual shape; `url` is what the vendor calls the address.
    fn entry(&self, url: &str, more: &Value) -> Value {
        let mut entry = match self.way {
            Way::Stdio => json!({
                "command": env!("CARGO_BIN_EXE_coditect"), "args": ["mcp"],
                "env": { "CODITECT_DATA_ROOT": self.home.data_root().path() },
            }),
            // Each vendor has a way of its own to take the token from the environment.
            Way::Http => match self.vendor {
                "claude" => {
                    json!({ url: self.lent["url"], "headers": { "Authorization": "Bearer ${CODITECT_MCP_TOKEN}" } })
                }
                "gemini" => {
                    json!({ url: self.lent["url"], "headers": { "Authorization": "Bearer $CODITECT_MCP_TOKEN" } })
                }
                _ => json!({ url: self.lent["url"], "bearerTokenEnvVar": "CODITECT_MCP_TOKEN" }),
            },
        };
        entry.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        json!({ "mcpServers": { "coditect": entry } })
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.home.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = program(self.program.to_str().unwrap());
        command.env_clear().env("PATH", testkit::search_path()).env("LANG", "C.UTF-8");
        command.env("HOME", self.home.path("")).env("TMPDIR", self.home.path(""));
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
            command.env(name, NOWHERE);
        }
        if let Some(token) = self.lent["token"].as_str() {
            command.env("CODITECT_MCP_TOKEN", token);
        }
        command.env("NO_PROXY", "127.0.0.1,localhost").env("no_proxy", "127.0.0.1,localhost");
        command.args(args).current_dir(self.home.repo());
        command
    }

    fn claude(&self, model: &Model) -> Command {
        let kind = if self.way == Way::Http { json!({ "type": "http" }) } else { json!({}) };
        let servers = self.entry("url", &kind).to_string();
        let mut command = self.command(&[
            "-p",
            "go on",
            "--output-format",
            "stream-json",
            "--verbose",
            "--permission-mode",
            "default",
            "--strict-mcp-config",
            "--allowedTools",
            "mcp__coditect",
            "--mcp-config",
            &servers,
        ]);
        command
            .env("ANTHROPIC_BASE_URL", format!("http://{}", model.address))
            .env("ANTHROPIC_API_KEY", "test-key");
        for name in [
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
            "DISABLE_TELEMETRY",
            "DISABLE_AUTOUPDATER",
            "DISABLE_ERROR_REPORTING",
        ] {
            command.env(name, "1");
        }
        command
    }

    fn codex(&self, model: &Model) -> Command {
        let server = match self.way {
            Way::Stdio => format!(
                "command = {:?}\nargs = [\"mcp\"]\nenv = {{ CODITECT_DATA_ROOT = {:?} }}\n",
                env!("CARGO_BIN_EXE_coditect"),
                self.home.data_root().path(),
            ),
            Way::Http => {
                format!("url = {}\nbearer_token_env_var = \"CODITECT_MCP_TOKEN\"\n", self.lent["url"])
            }
        };
        let address = model.address;
        let config = format!(
            "model = \"gpt-5.5\"\nmodel_provider = \"fake\"\napproval_policy = \"never\"\n\
             sandbox_mode = \"workspace-write\"\ncheck_for_update_on_startup = false\n\
             [analytics]\nenabled = false\n[feedback]\nenabled = false\n\
             [model_providers.fake]\nname = \"fake\"\nbase_url = \"http://{address}/v1\"\nenv_key = \"FAKE_KEY\"\n\
             wire_api = \"responses\"\n\
             [mcp_servers.coditect]\ndefault_tools_approval_mode = \"approve\"\n{server}"
        );
        self.write(".codex/config.toml", &config);
        let mut command = self.command(&["exec", "--json", "--skip-git-repo-check", "go on"]);
        command.env("FAKE_KEY", "test-key");
        command
    }

    fn gemini(&self, model: &Model) -> Command {
        let mut settings = self.entry("httpUrl", &json!({ "trust": true }));
        let more = json!({
            "security": { "auth": { "selectedType": "gemini-api-key" }, "folderTrust": { "enabled": false } },
            "privacy": { "usageStatisticsEnabled": false }, "telemetry": { "enabled": false },
            "general": { "enableAutoUpdate": false, "enableAutoUpdateNotification": false },
            "tools": { "sandbox": false },
        });
        settings.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        self.write(".gemini/settings.json", &settings.to_string());
        let mut command = self.command(&[
            "-m",
            "gemini-2.5-flash",
            "-p",
            "go on",
            "-o",
            "stream-json",
            "--approval-mode",
            "default",
        ]);
        command.env("GEMINI_API_KEY", "test-key").env("GEMINI_CLI_NO_RELAUNCH", "1");
        command.env("GOOGLE_GEMINI_BASE_URL", format!("http://{}", model.address));
        command
    }

    fn kimi(&self, model: &Model) -> Command {
        self.write(".kimi-code/mcp.json", &self.entry("url", &json!({})).to_string());
        let mut command = self.command(&["-p", "go on", "--output-format", "stream-json"]);
        command.env("KIMI_DISABLE_TELEMETRY", "1").env("KIMI_MODEL_NAME", "kimi-k2");
        command.env("KIMI_MODEL_API_KEY", "test-key");
        command.env("KIMI_MODEL_BASE_URL", format!("http://{}/v1", model.address));
        command
    }

    /// The model calls the tool through the program, the lock is there for others to see, and the model is told.
    fn run(&self) {
        let prefix = if self.vendor == "gemini" { "mcp_coditect_" } else { "mcp__coditect__" };
        let worktree = self.home.repo().canonicalize().unwrap();
        let order = Order {
            tool: format!("{prefix}lock_acquire"),
            arguments: json!({ "paths": ["src/lib.rs"], "worktree": worktree, "ttl_seconds": 300 }),
        };
        let model = Model::start(order);
        let mut command = match self.vendor {
            "claude" => self.claude(&model),
            "codex" => self.codex(&model),
            "gemini" => self.gemini(&model),
            _ => self.kimi(&model),
        };
        let output = command.output().unwrap();
        let shown = format!(
            "{} by {:?}: {}\n{}\n{}",
            self.vendor,
            self.way,
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let told = model.results().join("\n");
        // Some programs show their model the data alone, others the text alone; what to do now is in both.
        assert!(
            told.contains("src/lib.rs") && told.contains("give them back with lock_release"),
            "{told}\n{shown}"
        );
        // The lock itself goes with the program on stdio; what happened stays.
        if self.way == Way::Http {
            let locks = self.home.run(&["lock", "list", "--json"]).json();
            let lock = &locks["items"][0];
            assert_eq!((&lock["path"], &lock["agent"]), (&json!("src/lib.rs"), &json!("ada")), "{shown}");
        } else {
            let root = self.home.data_root().workspace("default");
            let (clock, entropy) = (
                std::sync::Arc::new(bus::system::SystemClock),
                std::sync::Arc::new(bus::system::SystemEntropy),
            );
            let bus = bus::Bus::open(&root.bus(), clock, entropy).unwrap();
            let (_, rows) = bus.outbox(0, 100).unwrap();
            let vendors: Vec<String> = rows
                .iter()
                .filter_map(|row| match &row.event {
                    model::Event::RegistrationAnnounced(one) => Some(one.vendor.clone()),
                    _ => None,
                })
                .collect();
            let vendor = agent::transcript::vendor_of(self.vendor).expect("one of the four");
            assert_eq!(vendors, [vendor.as_str()], "registered as what it is: {shown}");
        }
    }
}

fn check(vendor: &'static str) {
    if only().is_some_and(|only| only != vendor) {
        return;
    }
    let Some(folder) = vendors() else { return };
    for way in [Way::Stdio, Way::Http] {
        Trial::new(&folder, vendor, way).run();
    }
}

#[test]
fn claude_calls_a_tool() {
    check("claude");
}

#[test]
fn codex_calls_a_tool() {
    check("codex");
}

#[test]
fn gemini_calls_a_tool() {
    check("gemini");
}

#[test]
fn kimi_calls_a_tool() {
    check("kimi");
}
