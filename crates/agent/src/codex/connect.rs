//! Codex: hooks.json, the server in config.toml, and then its trust, without which it passes over hooks in silence.

use crate::Cli;
use crate::connect::{
    ConnectError, Part, Programs, SERVER, Scope, Surroundings, group, hook_seconds, toml_text,
};
use serde_json::Value;
use std::path::PathBuf;

/// It gives the end of a session, and an interrupted turn, no more than this, in seconds.
const END_SECONDS: u64 = 3;

pub(crate) fn folder(scope: Scope, place: &Surroundings) -> Result<PathBuf, ConnectError> {
    Ok(match scope {
        Scope::User => place.folder("CODEX_HOME", ".codex"),
        Scope::Project => place.project()?.join(".codex"),
    })
}

pub(crate) fn parts(
    scope: Scope,
    place: &Surroundings,
    programs: &Programs,
) -> Result<Vec<(PathBuf, Part)>, ConnectError> {
    let folder = folder(scope, place)?;
    let args: Vec<String> = programs.server_args().iter().map(|arg| toml_text(arg)).collect();
    // Its tools take locks and talk; with nobody asked, Codex would refuse them where approvals are off.
    let block = format!(
        "[mcp_servers.{SERVER}]\ncommand = {}\nargs = [{}]\ndefault_tools_approval_mode = \"approve\"",
        toml_text(&programs.binary),
        args.join(", "),
    );
    let hooks = Part::Json { hooks: hooks(programs), server: None, approved: false };
    Ok(vec![(folder.join("hooks.json"), hooks), (folder.join("config.toml"), Part::Toml(block))])
}

fn hooks(programs: &Programs) -> Vec<(&'static str, Value)> {
    let command = programs.hook(Cli::Codex);
    let tool = |event| (event, group(Some(".*"), &command, hook_seconds()));
    let all = |event| (event, group(None, &command, hook_seconds()));
    let mut hooks = vec![tool("PreToolUse"), tool("PostToolUse"), all("SessionStart")];
    // A turn that is interrupted has no `Stop`.
    hooks.extend(["SessionEnd", "Interrupt"].map(|event| (event, group(None, &command, END_SECONDS))));
    hooks.extend(["UserPromptSubmit", "Stop", "SubagentStart", "SubagentStop"].map(all));
    hooks
}
