//! Items of a Codex thread as the blocks of our messages: what was called, with what, and what came of it.

use model::Block;
use serde_json::{Map, Value, json};

/// A file as a patch changes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub path: String,
    /// Where the patch moves it.
    pub moved: Option<String>,
    kind: Kind,
    diff: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Add,
    Delete,
    Update,
}

/// What Codex writes behind the diff of a file that is moved as well.
const MOVED: &str = "\n\nMoved to: ";

impl Change {
    /// The changes of a `fileChange` item; none when one of them cannot be read, for a path that is not known cannot be locked.
    pub(crate) fn all(item: &Value) -> Option<Vec<Self>> {
        item.get("changes")?.as_array()?.iter().map(Self::read).collect()
    }

    fn read(change: &Value) -> Option<Self> {
        let kind = change.get("kind")?;
        Some(Self {
            path: text(change, "path")?.to_owned(),
            moved: text(kind, "move_path").map(str::to_owned),
            kind: match text(kind, "type")? {
                "add" => Kind::Add,
                "delete" => Kind::Delete,
                "update" => Kind::Update,
                _ => return None,
            },
            diff: text(change, "diff").unwrap_or_default().to_owned(),
        })
    }

    /// Every path it touches.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.path.as_str()).chain(self.moved.as_deref())
    }

    /// As a unified diff. Codex gives the hunks of an update, and the bare content of a file that comes or goes.
    pub(crate) fn unified(&self, shown: &str) -> String {
        match self.kind {
            Kind::Update => {
                let hunks = self.diff.rsplit_once(MOVED).map_or(self.diff.as_str(), |(hunks, _)| hunks);
                format!("--- a/{shown}\n+++ b/{shown}\n{hunks}")
            }
            Kind::Add => format!("--- /dev/null\n+++ b/{shown}\n{}", whole('+', &self.diff)),
            Kind::Delete => format!("--- a/{shown}\n+++ /dev/null\n{}", whole('-', &self.diff)),
        }
    }
}

/// A hunk in which all lines come or all go.
fn whole(sign: char, content: &str) -> String {
    let lines = content.lines().count();
    if lines == 0 {
        return String::new();
    }
    let range =
        if sign == '+' { format!("@@ -0,0 +1,{lines} @@\n") } else { format!("@@ -1,{lines} +0,0 @@\n") };
    let body: String = content.lines().map(|line| format!("{sign}{line}\n")).collect();
    let end = if content.ends_with('\n') { "" } else { "\\ No newline at end of file\n" };
    format!("{range}{body}{end}")
}

/// The call of a tool that the item stands for; none for items that are no calls.
pub(crate) fn call(item: &Value) -> Option<Block> {
    let (tool, arguments) = match text(item, "type")? {
        "commandExecution" => ("exec_command".to_owned(), picked(item, &["command", "cwd"])),
        "fileChange" => ("apply_patch".to_owned(), picked(item, &["changes"])),
        "mcpToolCall" => (mcp_tool(text(item, "server")?, text(item, "tool")?), arguments(item)),
        "dynamicToolCall" => (text(item, "tool")?.to_owned(), arguments(item)),
        "collabAgentToolCall" => {
            (text(item, "tool")?.to_owned(), picked(item, &["prompt", "model", "receiverThreadIds"]))
        }
        "webSearch" => ("web_search".to_owned(), picked(item, &["query", "action"])),
        "imageView" => ("view_image".to_owned(), picked(item, &["path"])),
        _ => return None,
    };
    Some(Block::ToolCall { call_id: text(item, "id")?.to_owned(), tool, arguments })
}

/// What came of the call.
pub(crate) fn result(item: &Value) -> Option<Block> {
    let Block::ToolCall { call_id, tool, .. } = call(item)? else { return None };
    let status = text(item, "status").unwrap_or("completed");
    let (output, failed) = match text(item, "type")? {
        "commandExecution" => (text(item, "aggregatedOutput").unwrap_or_default().to_owned(), false),
        "mcpToolCall" => match item.get("error").and_then(|error| text(error, "message")) {
            Some(message) => (message.to_owned(), true),
            None => (item.get("result").map(contents).unwrap_or_default(), false),
        },
        "dynamicToolCall" => (contents(item), item.get("success").and_then(Value::as_bool) == Some(false)),
        "collabAgentToolCall" => (item.get("agentsStates").map(Value::to_string).unwrap_or_default(), false),
        _ => (String::new(), false),
    };
    let is_error = failed || matches!(status, "failed" | "declined");
    let output = if output.is_empty() { status.to_owned() } else { output };
    let exit_code = item.get("exitCode").and_then(Value::as_i64).and_then(|code| i32::try_from(code).ok());
    Some(Block::ToolResult { call_id, tool, output, is_error, exit_code })
}

pub(crate) fn mcp_tool(server: &str, tool: &str) -> String {
    format!("mcp__{server}__{tool}")
}

/// The reasoning of the model, as far as it is shown.
pub(crate) fn reasoning(item: &Value) -> String {
    let texts = |field: &str| -> Vec<&str> {
        let list = item.get(field).and_then(Value::as_array);
        list.map(|list| list.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
    };
    let content = texts("content");
    if content.is_empty() { texts("summary").join("\n\n") } else { content.join("\n\n") }
}

fn arguments(item: &Value) -> Value {
    item.get("arguments").cloned().unwrap_or_default()
}

fn picked(item: &Value, fields: &[&str]) -> Value {
    let there = fields.iter().filter_map(|field| Some(((*field).to_owned(), item.get(*field)?.clone())));
    Value::Object(there.filter(|(_, value)| !value.is_null()).collect::<Map<_, _>>())
}

/// The texts of a tool's answer; whatever is none is named by its kind.
fn contents(result: &Value) -> String {
    let list = result.get("content").or_else(|| result.get("contentItems")).and_then(Value::as_array);
    let Some(list) = list else { return String::new() };
    let shown = list.iter().map(|piece| match text(piece, "text") {
        Some(text) => text.to_owned(),
        None => json!({"type": piece.get("type")}).to_string(),
    });
    shown.collect::<Vec<_>>().join("\n")
}

pub(crate) fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(list: &Value) -> Option<Vec<Change>> {
        Change::all(&json!({"type": "fileChange", "id": "c", "changes": list}))
    }

    #[test]
    fn a_patch_names_every_path_and_its_diffs_are_unified() {
        let found = changes(&json!([
            {"path": "/w/b", "kind": {"type": "update", "move_path": null}, "diff": "@@ -1 +1 @@\n-a\n+b\n"},
            {"path": "/w/m", "kind": {"type": "update", "move_path": "/w/n"},
             "diff": "@@ -1 +1 @@\n-old\n+new\n\n\nMoved to: /w/n"},
            {"path": "/w/a", "kind": {"type": "add"}, "diff": "one\ntwo"},
            {"path": "/w/d", "kind": {"type": "delete"}, "diff": "gone\n"},
            {"path": "/w/e", "kind": {"type": "add"}, "diff": ""},
        ]))
        .unwrap();
        let paths: Vec<&str> = found.iter().flat_map(Change::paths).collect();
        assert_eq!(paths, ["/w/b", "/w/m", "/w/n", "/w/a", "/w/d", "/w/e"]);
        let diffs: Vec<String> = found.iter().map(|change| change.unified("x")).collect();
        assert_eq!(
            diffs,
            [
                "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n",
                "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n",
                "--- /dev/null\n+++ b/x\n@@ -0,0 +1,2 @@\n+one\n+two\n\\ No newline at end of file\n",
                "--- a/x\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-gone\n",
                "--- /dev/null\n+++ b/x\n",
            ]
        );
    }

    #[test]
    fn a_patch_that_cannot_be_read_has_no_paths_at_all() {
        let good = json!({"path": "/w/a", "kind": {"type": "add"}, "diff": ""});
        assert_eq!(changes(&json!([good, {"path": "/w/b"}])), None);
        assert_eq!(changes(&json!([good, {"path": "/w/b", "kind": {"type": "links"}}])), None);
        assert_eq!(changes(&json!("all")), None);
    }

    #[test]
    fn calls_and_their_results_have_the_vendors_names() {
        for (item, tool, output, is_error, exit_code) in [
            (
                json!({"type": "commandExecution", "id": "1", "command": "ls", "cwd": "/w", "status": "completed",
                    "aggregatedOutput": "a\n", "exitCode": 0}),
                "exec_command",
                "a\n",
                false,
                Some(0),
            ),
            (
                json!({"type": "commandExecution", "id": "1", "command": "rm", "status": "declined",
                    "aggregatedOutput": null, "exitCode": null}),
                "exec_command",
                "declined",
                true,
                None,
            ),
            (
                json!({"type": "mcpToolCall", "id": "1", "server": "coditect", "tool": "who", "status": "completed",
                    "arguments": {}, "result": {"content": [{"type": "text", "text": "you"}, {"type": "image"}]}, "error": null}),
                "mcp__coditect__who",
                "you\n{\"type\":\"image\"}",
                false,
                None,
            ),
            (
                json!({"type": "mcpToolCall", "id": "1", "server": "s", "tool": "t", "status": "failed",
                    "arguments": {}, "error": {"message": "no"}}),
                "mcp__s__t",
                "no",
                true,
                None,
            ),
            (
                json!({"type": "collabAgentToolCall", "id": "1", "tool": "spawnAgent", "status": "completed", "prompt": "p",
                    "agentsStates": {"t": {"status": "running"}}}),
                "spawnAgent",
                "{\"t\":{\"status\":\"running\"}}",
                false,
                None,
            ),
            (json!({"type": "webSearch", "id": "1", "query": "q"}), "web_search", "completed", false, None),
        ] {
            let expected = Block::ToolResult {
                call_id: "1".into(),
                tool: tool.into(),
                output: output.into(),
                is_error,
                exit_code,
            };
            assert_eq!(result(&item), Some(expected));
        }
        assert_eq!(call(&json!({"type": "userMessage", "id": "1"})), None);
        assert_eq!(call(&json!({"id": "1"})), None);
    }

    #[test]
    fn reasoning_is_its_content_or_else_its_summary() {
        assert_eq!(reasoning(&json!({"summary": ["s", "t"], "content": []})), "s\n\nt");
        assert_eq!(reasoning(&json!({"summary": ["s"], "content": ["c"]})), "c");
        assert_eq!(reasoning(&json!({})), "");
    }
}
