//! What Kimi Code's hooks say. Only what is printed at a prompt reaches the model.

use crate::hook::raw::{Field, Raw};
use crate::hook::{Moment, Rendered};

pub(crate) fn moment(raw: &Raw<'_>) -> Moment {
    let tool = || match raw.tool.as_deref() {
        Some("Write" | "Edit" | "MultiEdit" | "StrReplaceFile" | "WriteFile") => raw.edit(Field::Path),
        Some("Bash" | "Shell") => raw.shell(),
        _ => raw.tool(),
    };
    match raw.event.as_str() {
        "SessionStart" => Moment::SessionStart,
        "UserPromptSubmit" => Moment::Prompt,
        "PreToolUse" => Moment::BeforeTool(tool()),
        "PostToolUse" | "PostToolUseFailure" => Moment::AfterTool(tool()),
        "Stop" | "StopFailure" | "Interrupt" => Moment::Stop,
        "SubagentStart" => Moment::SubagentStart,
        "SubagentStop" => Moment::SubagentStop,
        "SessionEnd" => Moment::SessionEnd,
        _ => Moment::Other,
    }
}

/// What is printed is appended to the prompt as it is.
pub(crate) fn context(text: &str) -> Rendered {
    Rendered { stdout: format!("{text}\n"), ..Rendered::default() }
}
