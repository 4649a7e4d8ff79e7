//! Kimi Code: hooks in the user's config.toml and nowhere else, the server in mcp.json. It drops every hook when it does
//! not like one key, so its own `kimi doctor` is asked afterwards.

use crate::Cli;
use crate::connect::{ConnectError, Part, Programs, Scope, Surroundings, hook_seconds, toml_text};
use std::path::PathBuf;

pub(crate) fn parts(
    scope: Scope,
    place: &Surroundings,
    programs: &Programs,
) -> Result<Vec<(PathBuf, Part)>, ConnectError> {
    if scope == Scope::Project {
        return Err(ConnectError::UserOnly);
    }
    let folder = place.folder("KIMI_CODE_HOME", ".kimi-code");
    let command = toml_text(&programs.hook(Cli::Kimi));
    let hook = |event: &str, matcher: Option<&str>| {
        let matcher =
            matcher.map(|matcher| format!("matcher = {}\n", toml_text(matcher))).unwrap_or_default();
        format!(
            "[[hooks]]\nevent = \"{event}\"\n{matcher}command = {command}\ntimeout = {}\n",
            hook_seconds()
        )
    };
    let mut block = hook("PreToolUse", Some("Write|Edit|Bash"));
    let tools = ["PostToolUse", "PostToolUseFailure"];
    // A turn that fails or is interrupted has no `Stop`.
    let turns = ["SessionStart", "SessionEnd", "UserPromptSubmit", "Stop", "StopFailure", "Interrupt"];
    for event in tools.into_iter().chain(turns).chain(["SubagentStart", "SubagentStop"]) {
        block.push_str(&hook(event, None));
    }
    let server = Part::Json { hooks: Vec::new(), server: Some(programs.server()), approved: false };
    Ok(vec![(folder.join("config.toml"), Part::Toml(block)), (folder.join("mcp.json"), server)])
}
