//! What Gemini CLI's hooks say, and how it is refused something.

use crate::hook::raw::{Field, Raw};
use crate::hook::{Moment, Rendered};
use serde_json::json;

pub(crate) fn moment(raw: &Raw<'_>) -> Moment {
    let tool = || match raw.tool.as_deref() {
        Some("write_file" | "replace" | "edit") => raw.edit(Field::FilePath),
        Some("run_shell_command") => raw.shell(),
        _ => raw.tool(),
    };
    match raw.event.as_str() {
        "SessionStart" => Moment::SessionStart,
        "BeforeAgent" => Moment::Prompt,
        "BeforeTool" => Moment::BeforeTool(tool()),
        "AfterTool" => Moment::AfterTool(tool()),
        "AfterAgent" => Moment::Stop,
        "SessionEnd" => Moment::SessionEnd,
        _ => Moment::Other,
    }
}

pub(crate) fn denied(why: &str) -> Rendered {
    Rendered { stdout: json!({ "decision": "deny", "reason": why }).to_string(), ..Rendered::default() }
}
