//! What Claude Code's hooks say.

use crate::hook::Moment;
use crate::hook::raw::{Field, Raw};

pub(crate) fn moment(raw: &Raw<'_>) -> Moment {
    let tool = || match raw.tool.as_deref() {
        Some("Write" | "Edit" | "MultiEdit") => raw.edit(Field::FilePath),
        Some("NotebookEdit") => raw.edit(Field::NotebookPath),
        Some("Bash") => raw.shell(),
        _ => raw.tool(),
    };
    match raw.event.as_str() {
        "SessionStart" if raw.source.as_deref() == Some("compact") => Moment::Compacted,
        "SessionStart" => Moment::SessionStart,
        "UserPromptSubmit" => Moment::Prompt,
        "PreToolUse" => Moment::BeforeTool(tool()),
        "PostToolUse" | "PostToolUseFailure" => Moment::AfterTool(tool()),
        "Stop" | "StopFailure" => Moment::Stop,
        "SubagentStart" => Moment::SubagentStart,
        "SubagentStop" => Moment::SubagentStop,
        "SessionEnd" => Moment::SessionEnd,
        _ => Moment::Other,
    }
}
