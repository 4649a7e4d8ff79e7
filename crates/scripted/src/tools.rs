//! Which of the offered tools a directive calls, and how that tool wants to be told.
//!
//! Invariant: the same directive does the same with every program, as far as its tools can.

use crate::conversation::{Conversation, Form, OfferedTool};
use crate::directive::Directive;
use crate::errand::is_deferred;
use crate::script::Call;
use model::Vendor;
use serde_json::{Map, Value, json};

/// Names one argument has in the tools we know.
const PATH: &[&str] = &["path", "file_path", "absolute_path", "dir_path"];
const CONTENT: &[&str] = &["content"];
const OLD: &[&str] = &["old", "old_string"];
const NEW: &[&str] = &["new", "new_string"];
const COMMAND: &[&str] = &["command", "cmd"];
const PATTERN: &[&str] = &["pattern", "regex"];
const QUESTION: &[&str] = &["question"];
const CHANNEL: &[&str] = &["channel"];
const TEXT: &[&str] = &["text"];
const PROMPT: &[&str] = &["prompt", "message"];

/// What a required text is when the script has none for it.
const AS_ASKED: &str = "As asked.";

/// The call the directive makes; none when no tool can carry it out.
pub(crate) fn call(directive: &Directive, conversation: &Conversation) -> Option<Call> {
    if let Directive::Tool { name, arguments } = directive {
        return Some(named_tool(name, arguments, conversation));
    }
    wanted(directive, conversation.vendor).into_iter().find_map(|(name, arguments)| {
        let tool = find(name, conversation)?;
        let arguments = arguments.of(&tool)?;
        Some(finish(directive.name(), tool, arguments))
    })
}

/// Whether the tool is there is what such a script may want to try.
fn named_tool(name: &str, arguments: &Value, conversation: &Conversation) -> Call {
    // Of MCP's tools each program makes its own names.
    let single = name.replacen("mcp__", "mcp_", 1).replacen("__", "_", 1);
    let tool = [name, single.as_str()].into_iter().find_map(|name| find(name, conversation));
    let tool = tool.unwrap_or_else(|| OfferedTool {
        name: name.to_owned(),
        schema: Value::Null,
        form: Form::Function,
    });
    finish("tool", tool, arguments.clone())
}

/// The tool as it is offered, or as it will be when it is searched for.
fn find(name: &str, conversation: &Conversation) -> Option<OfferedTool> {
    let nested = conversation.tools.iter().any(|tool| tool.form == Form::Nested);
    let offered = conversation.tools.iter().find(|tool| tool.name == name).cloned();
    let unseen = |form| OfferedTool { name: name.to_owned(), schema: Value::Null, form };
    match offered {
        None if nested && name.starts_with("mcp__") => Some(unseen(Form::Nested)),
        None if is_deferred(conversation, name) => Some(unseen(Form::Function)),
        offered => offered,
    }
}

fn finish(directive: &'static str, tool: OfferedTool, arguments: Value) -> Call {
    if tool.form != Form::Nested {
        return Call { directive, tool: tool.name, form: tool.form, arguments, errand: false };
    }
    let script = format!("const r = await tools.{}({arguments}); text(r);", tool.name);
    Call { directive, tool: "exec".into(), form: Form::Custom, arguments: script.into(), errand: false }
}

enum Arguments {
    Whole(Value),
    /// Each with the names it may have, and others that are given only where they are known.
    Named(Vec<(&'static [&'static str], String)>, &'static [(&'static str, &'static str)]),
}

impl Arguments {
    /// The arguments as the tool names them; none when it has no name for one.
    fn of(self, tool: &OfferedTool) -> Option<Value> {
        let (named, more) = match self {
            Self::Whole(value) => return Some(value),
            // It is searched for first, so these are not sent.
            Self::Named(..) if tool.schema.is_null() => return Some(json!({})),
            Self::Named(named, more) => (named, more),
        };
        let properties = tool.schema.get("properties")?;
        let mut object = Map::new();
        for (spellings, value) in named {
            let name = spellings.iter().find(|name| properties.get(**name).is_some())?;
            object.insert((*name).to_owned(), Value::String(value));
        }
        for (name, value) in more {
            if properties.get(*name).is_some() {
                let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
                object.insert((*name).to_owned(), value);
            }
        }
        for name in tool.schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            let name = name.as_str().unwrap_or_default();
            if !object.contains_key(name) && properties[name]["type"] == "string" {
                object.insert(name.to_owned(), json!(AS_ASKED));
            }
        }
        Some(Value::Object(object))
    }
}

/// The tools that can do it, the best first, and what they are to be told.
fn wanted(directive: &Directive, vendor: Vendor) -> Vec<(&'static str, Arguments)> {
    let named = |names: &[&'static str], arguments: &[(&'static [&'static str], &str)]| {
        let arguments: Vec<_> =
            arguments.iter().map(|(names, value)| (*names, (*value).to_owned())).collect();
        names.iter().map(|name| (*name, Arguments::Named(arguments.clone(), &[]))).collect::<Vec<_>>()
    };
    let patch = |body: String| {
        let text = format!("*** Begin Patch\n{body}*** End Patch\n");
        vec![("apply_patch", Arguments::Whole(text.into()))]
    };
    let shell = |command: String| named(&["exec_command"], &[(COMMAND, &command)]);
    match directive {
        Directive::Write { path, content } => [
            named(&["write_file", "Write"], &[(PATH, path), (CONTENT, content)]),
            patch(format!("*** Add File: {path}\n{}", lines('+', content))),
        ]
        .into_iter()
        .flatten()
        .collect(),
        Directive::Edit { path, old, new } => [
            named(&["edit_file", "Edit", "replace"], &[(PATH, path), (OLD, old), (NEW, new)]),
            patch(format!("*** Update File: {path}\n@@\n{}{}", lines('-', old), lines('+', new))),
        ]
        .into_iter()
        .flatten()
        .collect(),
        Directive::Bash { command } => {
            named(&["bash", "Bash", "run_shell_command", "exec_command"], &[(COMMAND, command)])
        }
        Directive::Read { path } => {
            let mut tools = named(&["read_file", "Read"], &[(PATH, path)]);
            tools.extend(shell(format!("cat {}", quoted(path))));
            tools
        }
        Directive::List { path } => {
            let mut tools = named(&["list_directory"], &[(PATH, path)]);
            tools.extend(named(&["bash", "Bash"], &[(COMMAND, &format!("ls {}", quoted(path)))]));
            tools.extend(shell(format!("ls {}", quoted(path))));
            tools
        }
        Directive::Search { pattern, path } => {
            let mut arguments: Vec<(&'static [&'static str], &str)> = vec![(PATTERN, pattern)];
            arguments.extend(path.iter().map(|path| (PATH, path.as_str())));
            named(&["search_files", "Grep", "grep_search"], &arguments)
        }
        Directive::Ask { question } => named(&["ask_user"], &[(QUESTION, question)]),
        Directive::Notice { channel, text } => named(&["send_notice"], &[(CHANNEL, channel), (TEXT, text)]),
        Directive::Plan(plan) => vec![("propose_plan", Arguments::Whole(plan.clone()))],
        Directive::Agent { prompt } => {
            let arguments = || vec![(PROMPT, prompt.clone())];
            SPAWNERS.iter().map(|name| (*name, Arguments::Named(arguments(), sub_agent(vendor)))).collect()
        }
        _ => Vec::new(),
    }
}

/// The tools that start a sub-agent.
const SPAWNERS: &[&str] =
    &["Agent", "Task", "invoke_agent", "collaboration__spawn_agent", "multi_agent_v1__spawn_agent"];

/// What a program wants to know of a sub-agent besides its prompt. Each names the kind of agent that
/// may do everything in its own way.
fn sub_agent(vendor: Vendor) -> &'static [(&'static str, &'static str)] {
    match vendor {
        Vendor::Moonshot => &[("description", "a part"), ("subagent_type", "coder")],
        Vendor::Google => &[("agent_name", "generalist")],
        Vendor::Openai => &[("task_name", "part")],
        Vendor::Anthropic => {
            &[("description", "a part"), ("subagent_type", "general-purpose"), ("run_in_background", "false")]
        }
    }
}

/// Each line with a sign before it, as patches have it. A patch has whole lines only.
fn lines(sign: char, text: &str) -> String {
    text.lines().flat_map(|line| [sign.to_string(), line.to_owned(), "\n".into()]).collect()
}

fn quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', "'\\''"))
}

#[cfg(test)]
#[path = "tests/tools.rs"]
mod tests;
