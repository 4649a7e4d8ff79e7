//! What Codex' hooks say. Its edits are patches, with the paths inside.

use crate::hook::raw::{Field, Raw};
use crate::hook::{Moment, ToolUse};

pub(crate) fn moment(raw: &Raw<'_>) -> Moment {
    let tool = || match raw.tool.as_deref() {
        Some("apply_patch") => patch(raw),
        Some("Bash" | "shell" | "exec_command" | "local_shell") => raw.shell(),
        _ => raw.tool(),
    };
    match raw.event.as_str() {
        "SessionStart" => Moment::SessionStart,
        "UserPromptSubmit" => Moment::Prompt,
        "PreToolUse" => Moment::BeforeTool(tool()),
        "PostToolUse" => Moment::AfterTool(tool()),
        "Stop" | "Interrupt" => Moment::Stop,
        "SubagentStart" => Moment::SubagentStart,
        "SubagentStop" => Moment::SubagentStop,
        "SessionEnd" => Moment::SessionEnd,
        _ => Moment::Other,
    }
}

fn patch(raw: &Raw<'_>) -> ToolUse {
    let text = raw.field(Field::Command).or_else(|| raw.field(Field::Input)).or_else(|| raw.whole());
    ToolUse { paths: text.as_deref().map(touched).unwrap_or_default(), mutates: true, ..raw.tool() }
}

/// Every file a patch names: added, updated, deleted, and where one is moved to.
fn touched(patch: &str) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    for path in patch.lines().filter_map(|line| named(line.trim_end())) {
        let path = path.trim();
        if !path.is_empty() && paths.iter().all(|known| known != path) {
            paths.push(path.to_owned());
        }
    }
    paths
}

fn named(line: &str) -> Option<&str> {
    const HEADS: [&str; 4] = ["*** Add File: ", "*** Update File: ", "*** Delete File: ", "*** Move to: "];
    HEADS.iter().find_map(|head| line.strip_prefix(head))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_names_every_file_it_touches_once() {
        let patch = "*** Begin Patch\n*** Add File: a b.txt\n+*** Delete File: not a head\n*** Update File: src/x.rs\r\n\
                     *** Move to: src/y.rs\n@@\n-1\n+2\n*** Delete File: z\n*** Update File: z\n*** End Patch";
        assert_eq!(touched(patch), ["a b.txt", "src/x.rs", "src/y.rs", "z"]);
        assert!(touched("no patch").is_empty());
    }
}
