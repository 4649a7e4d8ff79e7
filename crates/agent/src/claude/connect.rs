//! Claude Code: hooks in its settings, the server where its own `claude mcp add` puts it. A plugin would have to be
//! named at every start, so the settings it always reads are the sturdier place.

use crate::Cli;
use crate::connect::{ConnectError, Part, Programs, Scope, Surroundings, group, hook_seconds};
use serde_json::{Value, json};
use std::path::PathBuf;

pub(crate) fn parts(
    scope: Scope,
    place: &Surroundings,
    programs: &Programs,
) -> Result<Vec<(PathBuf, Part)>, ConnectError> {
    let mut server = programs.server();
    if let Some(fields) = server.as_object_mut() {
        fields.insert("type".to_owned(), json!("stdio"));
    }
    let (settings, servers) = match scope {
        Scope::User => {
            let moved = place.environment.get("CLAUDE_CONFIG_DIR").is_some_and(|value| !value.is_empty());
            let folder = place.folder("CLAUDE_CONFIG_DIR", ".claude");
            let servers = if moved { folder.join(".claude.json") } else { place.home.join(".claude.json") };
            (folder.join("settings.json"), servers)
        }
        Scope::Project => {
            // The hooks name a binary of this machine: they belong into the settings that are not shared.
            let top = place.project()?;
            (top.join(".claude/settings.local.json"), top.join(".mcp.json"))
        }
    };
    let approved = scope == Scope::Project;
    Ok(vec![
        (settings, Part::Json { hooks: hooks(programs), server: None, approved }),
        (servers, Part::Json { hooks: Vec::new(), server: Some(server), approved: false }),
    ])
}

fn hooks(programs: &Programs) -> Vec<(&'static str, Value)> {
    let command = programs.hook(Cli::Claude);
    let all = |event| (event, group(None, &command, hook_seconds()));
    let writers = group(Some("Write|Edit|MultiEdit|NotebookEdit|Bash"), &command, hook_seconds());
    let mut hooks = vec![("PreToolUse", writers)];
    let others = ["PostToolUse", "PostToolUseFailure", "SessionStart", "SessionEnd", "UserPromptSubmit"];
    hooks.extend(others.into_iter().chain(["Stop", "SubagentStart", "SubagentStop"]).map(all));
    hooks
}
