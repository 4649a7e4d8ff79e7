//! The JSON all four write to a hook's stdin, which differs in few names, and the answers three of them share.

use super::{HookError, Rendered, ToolUse, VENDOR_ID_MAX};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::borrow::Cow;

/// What was written, before anything is made of it.
#[derive(Debug)]
pub(crate) struct Raw<'a> {
    pub(crate) event: String,
    pub(crate) session: String,
    pub(crate) agent: Option<String>,
    pub(crate) agent_type: Option<String>,
    pub(crate) cwd: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) tool: Option<String>,
    pub(crate) call: Option<String>,
    /// Why a session starts: `startup`, `resume`, `clear`, `compact`.
    pub(crate) source: Option<String>,
    input: Option<&'a RawValue>,
}

/// Fields of unexpected shape are absent ones: a new version may write anything anywhere.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    hook_event_name: Option<&'a RawValue>,
    #[serde(borrow)]
    session_id: Option<&'a RawValue>,
    #[serde(borrow)]
    agent_id: Option<&'a RawValue>,
    #[serde(borrow)]
    agent_type: Option<&'a RawValue>,
    #[serde(borrow)]
    cwd: Option<&'a RawValue>,
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_name: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_use_id: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_call_id: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_input: Option<&'a RawValue>,
    #[serde(borrow)]
    source: Option<&'a RawValue>,
}

/// What concerns us of a tool's input; its contents are passed over unread.
#[derive(Deserialize)]
struct Input<'a> {
    #[serde(borrow)]
    file_path: Option<&'a RawValue>,
    #[serde(borrow)]
    notebook_path: Option<&'a RawValue>,
    #[serde(borrow)]
    path: Option<&'a RawValue>,
    #[serde(borrow)]
    command: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

impl<'a> Raw<'a> {
    pub(crate) fn read(input: &'a [u8]) -> Result<Self, HookError> {
        let unreadable = |error: String| HookError::Unreadable(error);
        let text = std::str::from_utf8(input).map_err(|error| unreadable(error.to_string()))?;
        let fields: Fields<'a> = serde_json::from_str(text).map_err(|error| unreadable(error.to_string()))?;
        let id = |raw| string(raw).filter(|id| !id.is_empty() && id.len() <= VENDOR_ID_MAX);
        Ok(Self {
            event: id(fields.hook_event_name).ok_or(HookError::Missing("hook_event_name"))?,
            session: id(fields.session_id).ok_or(HookError::Missing("session_id"))?,
            agent: id(fields.agent_id),
            agent_type: id(fields.agent_type),
            cwd: string(fields.cwd),
            model: id(fields.model),
            tool: id(fields.tool_name),
            call: id(fields.tool_use_id).or_else(|| id(fields.tool_call_id)),
            source: id(fields.source),
            input: fields.tool_input,
        })
    }

    /// The call, with nothing known about files yet.
    pub(crate) fn tool(&self) -> ToolUse {
        ToolUse { name: self.tool.clone().unwrap_or_default(), call: self.call.clone(), ..ToolUse::default() }
    }

    /// A tool that changes the file in this field.
    pub(crate) fn edit(&self, field: Field) -> ToolUse {
        ToolUse { paths: self.field(field).into_iter().collect(), mutates: true, ..self.tool() }
    }

    pub(crate) fn shell(&self) -> ToolUse {
        ToolUse { command: self.field(Field::Command), mutates: true, ..self.tool() }
    }

    pub(crate) fn field(&self, field: Field) -> Option<String> {
        let input: Input<'_> = serde_json::from_str(self.input?.get()).ok()?;
        let raw = match field {
            Field::FilePath => input.file_path,
            Field::NotebookPath => input.notebook_path,
            Field::Path => input.path,
            Field::Command => return words(input.command?),
            Field::Input => input.input,
        };
        string(raw).filter(|text| !text.is_empty())
    }

    /// A tool's input that is a text and nothing else.
    pub(crate) fn whole(&self) -> Option<String> {
        string(self.input)
    }
}

/// Where a tool's input has what concerns us.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Field {
    FilePath,
    NotebookPath,
    Path,
    Command,
    Input,
}

fn string(raw: Option<&RawValue>) -> Option<String> {
    let text: Cow<'_, str> = serde_json::from_str(raw?.get()).ok()?;
    Some(text.into_owned())
}

/// A command is a text, or an argv.
fn words(raw: &RawValue) -> Option<String> {
    match serde_json::from_str(raw.get()).ok()? {
        Value::String(text) => Some(text),
        Value::Array(argv) => {
            let argv: Option<Vec<&str>> = argv.iter().map(Value::as_str).collect();
            match argv?.as_slice() {
                // What a shell is told to run is the command.
                [shell, flag, script] if shell.ends_with("sh") && flag.starts_with('-') => {
                    Some((*script).to_owned())
                }
                argv => Some(argv.join(" ")),
            }
        }
        _ => None,
    }
}

/// A denial before a tool, as three of the four read it.
pub(crate) fn denied(event: &str, why: &str) -> Rendered {
    let stdout = json!({ "hookSpecificOutput": {
        "hookEventName": event,
        "permissionDecision": "deny",
        "permissionDecisionReason": why,
    }});
    Rendered { stdout: stdout.to_string(), ..Rendered::default() }
}

/// A word to the model.
pub(crate) fn context(event: &str, text: &str) -> Rendered {
    let stdout = json!({ "hookSpecificOutput": { "hookEventName": event, "additionalContext": text } });
    Rendered { stdout: stdout.to_string(), ..Rendered::default() }
}
