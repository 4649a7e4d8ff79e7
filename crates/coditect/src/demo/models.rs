//! The demo's models: the scripted server as a process of its own, and the configuration that leads the agents to it.

use super::scratch::Scratch;
use crate::output::Complaint;
use crate::process::command;
use cli::Host;
use model::Vendor;
use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

/// Where the daemon finds the key, in place of an environment variable.
const KEY_VARIABLE: &str = "CODITECT_DEMO_KEY";
/// The scripted models take any.
const KEY: &str = "demo-key-of-no-value";
/// The four agents, in the order in which they sit.
pub(crate) const AGENTS: [(&str, Vendor, &str); 4] = [
    ("claude", Vendor::Anthropic, "claude-sonnet-4-5"),
    ("gemini", Vendor::Google, "gemini-2.5-pro"),
    ("kimi", Vendor::Moonshot, "kimi-k2"),
    ("codex", Vendor::Openai, "gpt-5.5"),
];
/// A demo whose daemon is killed over and over still comes to its end.
const ATTEMPTS: u32 = 50;
/// How long the server may take to say where it is, and to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// The key of the demo's agents, which every daemon has: it is worth nothing anywhere else.
pub(crate) fn key(variable: &str) -> Option<String> {
    (variable == KEY_VARIABLE).then(|| KEY.to_owned())
}

pub(crate) struct Models {
    child: Child,
    base_urls: BTreeMap<String, String>,
}

#[derive(serde::Deserialize)]
struct Place {
    base_urls: BTreeMap<String, String>,
}

/// Pause between two pieces of an answer that somebody reads while it is written.
const WATCHED_PACE_MS: &str = "40";

impl Models {
    /// Models that are watched take their time.
    pub(crate) async fn start(host: &Host, scratch: &Scratch, watched: bool) -> Result<Self, Complaint> {
        let mut order = command(&host.executable);
        order.args(["__scripted", "--log"]).arg(scratch.request_log());
        if watched {
            order.args(["--pace", WATCHED_PACE_MS]);
        }
        order.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut order = tokio::process::Command::from(order);
        order.kill_on_drop(true);
        let mut child = order.spawn().map_err(|error| failed(&error.to_string()))?;
        let stdout = child.stdout.take().ok_or_else(|| failed("it has no output"))?;
        let mut line = String::new();
        let mut stdout = BufReader::new(stdout);
        let read = tokio::time::timeout(PATIENCE, stdout.read_line(&mut line)).await;
        read.map_err(|_| failed("it does not say where it is"))?
            .map_err(|error| failed(&error.to_string()))?;
        let place: Place = serde_json::from_str(&line).map_err(|error| failed(&error.to_string()))?;
        Ok(Self { child, base_urls: place.base_urls })
    }

    /// `config.json` with the four agents.
    pub(crate) fn config(&self) -> serde_json::Value {
        let agents: serde_json::Map<String, serde_json::Value> = AGENTS
            .into_iter()
            .map(|(name, vendor, model)| {
                let agent = serde_json::json!({
                    "vendor": vendor.as_str(),
                    "model": model,
                    "base_url": self.base_urls.get(vendor.as_str()),
                    "api_key_env": KEY_VARIABLE,
                });
                (name.to_owned(), agent)
            })
            .collect();
        serde_json::json!({ "agents": agents, "limits": { "max_attempts": ATTEMPTS } })
    }

    /// It ends with its stdin.
    pub(crate) async fn stop(mut self) {
        drop(self.child.stdin.take());
        if tokio::time::timeout(PATIENCE, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}

fn failed(reason: &str) -> Complaint {
    Complaint::failed("model_server_failed", format!("the scripted model server does not start: {reason}"))
}
