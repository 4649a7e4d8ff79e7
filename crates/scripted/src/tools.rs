//! Which of the offered tools a directive calls, and how that tool names its arguments.

use crate::conversation::OfferedTool;
use crate::directive::Directive;
use crate::script::Call;
use serde_json::{Map, Value};

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

/// The call the directive makes; none when no offered tool can carry it out.
pub(crate) fn call(directive: &Directive, tools: &[OfferedTool]) -> Option<Call> {
    if let Directive::Tool { name, arguments } = directive {
        // Whether the tool is there is what such a script may want to try.
        return Some(Call { directive: "tool", tool: name.clone(), arguments: arguments.clone() });
    }
    let (names, arguments) = wanted(directive)?;
    let tool = names.iter().find_map(|name| tools.iter().find(|tool| tool.name == *name))?;
    let arguments = match arguments {
        Arguments::Whole(value) => value,
        Arguments::Named(named) => {
            let mut object = Map::new();
            for (spellings, value) in named {
                object.insert(spelling(spellings, tool)?.to_owned(), Value::String(value));
            }
            Value::Object(object)
        }
    };
    Some(Call { directive: directive.name(), tool: tool.name.clone(), arguments })
}

enum Arguments {
    Whole(Value),
    Named(Vec<(&'static [&'static str], String)>),
}

/// The tools that can do it, the best first, and what they are to be told.
fn wanted(directive: &Directive) -> Option<(&'static [&'static str], Arguments)> {
    let named = |arguments: &[(&'static [&'static str], &String)]| {
        Arguments::Named(arguments.iter().map(|(names, value)| (*names, (*value).clone())).collect())
    };
    Some(match directive {
        Directive::Write { path, content } => {
            (&["write_file", "Write"], named(&[(PATH, path), (CONTENT, content)]))
        }
        Directive::Edit { path, old, new } => {
            (&["edit_file", "Edit", "replace"], named(&[(PATH, path), (OLD, old), (NEW, new)]))
        }
        Directive::Bash { command } => (&["bash", "Bash", "run_shell_command"], named(&[(COMMAND, command)])),
        Directive::Read { path } => (&["read_file", "Read"], named(&[(PATH, path)])),
        Directive::List { path } => (&["list_directory"], named(&[(PATH, path)])),
        Directive::Search { pattern, path: None } => {
            (&["search_files", "Grep", "grep_search"], named(&[(PATTERN, pattern)]))
        }
        Directive::Search { pattern, path: Some(path) } => {
            (&["search_files", "Grep", "grep_search"], named(&[(PATTERN, pattern), (PATH, path)]))
        }
        Directive::Ask { question } => (&["ask_user"], named(&[(QUESTION, question)])),
        Directive::Notice { channel, text } => (&["send_notice"], named(&[(CHANNEL, channel), (TEXT, text)])),
        Directive::Plan(plan) => (&["propose_plan"], Arguments::Whole(plan.clone())),
        _ => return None,
    })
}

fn spelling(spellings: &'static [&'static str], tool: &OfferedTool) -> Option<&'static str> {
    let properties = tool.schema.get("properties")?;
    spellings.iter().copied().find(|name| properties.get(name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn arguments_are_named_as_the_offered_tool_names_them() {
        let tool = |name: &str, fields: &[&str]| OfferedTool {
            name: name.into(),
            schema: json!({"properties": fields.iter().map(|f| ((*f).to_owned(), json!({}))).collect::<Map<_, _>>()}),
        };
        let write = Directive::Write { path: "a".into(), content: "b".into() };
        let ours = [tool("write_file", &["path", "content"])];
        let theirs = [tool("Write", &["file_path", "content"])];
        assert_eq!(call(&write, &ours).unwrap().arguments, json!({"path": "a", "content": "b"}));
        assert_eq!(call(&write, &theirs).unwrap().arguments, json!({"file_path": "a", "content": "b"}));
        assert_eq!(call(&write, &[tool("write_file", &["path"])]), None);
        assert_eq!(call(&write, &[]), None);
        assert_eq!(call(&Directive::Cut, &ours), None);
    }
}
