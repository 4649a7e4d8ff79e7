//! Gemini CLI: for the user an extension of ours, which is a folder and touches no file of the user's; for a project its
//! settings, since a project has no extensions.

use crate::Cli;
use crate::connect::{ConnectError, Part, Programs, SERVER, Scope, Surroundings, group, hook_seconds};
use serde_json::{Value, json};
use std::path::PathBuf;

pub(crate) fn parts(
    scope: Scope,
    place: &Surroundings,
    programs: &Programs,
) -> Result<Vec<(PathBuf, Part)>, ConnectError> {
    match scope {
        Scope::User => {
            let home = place.folder("GEMINI_CLI_HOME", "");
            let folder = home.join(".gemini/extensions").join(SERVER);
            let hooks: serde_json::Map<String, Value> = hooks(programs)
                .into_iter()
                .map(|(event, group)| (event.to_owned(), json!([group])))
                .collect();
            let manifest = json!({
                "name": SERVER,
                "version": env!("CARGO_PKG_VERSION"),
                "mcpServers": { SERVER: programs.server() },
            });
            Ok(vec![
                (folder.join("gemini-extension.json"), Part::Whole(pretty(&manifest))),
                (folder.join("hooks/hooks.json"), Part::Whole(pretty(&json!({ "hooks": hooks })))),
            ])
        }
        Scope::Project => {
            let mut server = programs.server();
            if let Some(fields) = server.as_object_mut() {
                fields.insert("trust".to_owned(), json!(true));
            }
            let part = Part::Json { hooks: hooks(programs), server: Some(server), approved: false };
            Ok(vec![(place.project()?.join(".gemini/settings.json"), part)])
        }
    }
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn hooks(programs: &Programs) -> Vec<(&'static str, Value)> {
    let command = programs.hook(Cli::Gemini);
    // It counts milliseconds.
    let timeout = hook_seconds() * 1000;
    let all = |event| (event, group(Some("*"), &command, timeout));
    let writers = group(Some("write_file|replace|edit|run_shell_command"), &command, timeout);
    let mut hooks = vec![("BeforeTool", writers)];
    hooks.extend(["AfterTool", "SessionStart", "SessionEnd", "BeforeAgent", "AfterAgent"].map(all));
    hooks
}
