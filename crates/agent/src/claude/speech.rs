//! Messages as Claude Code says them, put together from its pieces: it says a block at a time, and who of its sub-agents says it.

use super::wire::Spoken;
use crate::native::output::Capped;
use crate::run::wire::RunEvent;
use model::{Block, Role, Usage};
use serde_json::Value;
use std::collections::HashMap;

/// Longest result of a tool, in bytes; of a longer one the beginning and the end are kept.
const RESULT_MAX: usize = 256 * 1024;
/// What Claude Code itself says in the model's place: an error of the API, which the turn's end tells as well.
const SYNTHETIC: &str = "<synthetic>";

#[derive(Debug, Default)]
pub(super) struct Speech {
    /// The message under way, by its id.
    message: Option<(String, Vec<Block>)>,
    /// Names of the tools by the calls' ids.
    tools: HashMap<String, String>,
}

impl Speech {
    /// Takes a piece of an answer; gives the message before, when another one begins.
    pub(super) fn answer(&mut self, spoken: Spoken) -> Option<RunEvent> {
        if spoken.message.model.as_deref() == Some(SYNTHETIC) {
            return None;
        }
        let by = by(&spoken);
        let id = spoken.message.id.unwrap_or_default();
        let before = match &self.message {
            Some((under_way, _)) if *under_way == id => None,
            _ => self.flush(None, None),
        };
        let (_, blocks) = self.message.get_or_insert_with(|| (id, by.into_iter().collect()));
        for block in said(spoken.message.content) {
            if let Block::ToolCall { call_id, tool, .. } = &block {
                self.tools.insert(call_id.clone(), tool.clone());
            }
            blocks.push(block);
        }
        before
    }

    /// The message under way, which is complete.
    pub(super) fn flush(&mut self, usage: Option<Usage>, latency_ms: Option<u64>) -> Option<RunEvent> {
        let (_, blocks) = self.message.take()?;
        Some(RunEvent::Message { role: Role::Assistant, blocks, usage, latency_ms })
    }

    /// The results of tools; none when the words are others'.
    pub(super) fn results(&mut self, spoken: Spoken) -> Option<RunEvent> {
        let Value::Array(content) = spoken.message.content else { return None };
        let results = content.into_iter().filter(|block| block["type"] == "tool_result");
        let blocks: Vec<Block> = results.map(|block| self.result(&block)).collect();
        (!blocks.is_empty()).then_some(RunEvent::Message {
            role: Role::Tool,
            blocks,
            usage: None,
            latency_ms: None,
        })
    }

    fn result(&mut self, block: &Value) -> Block {
        let call_id = block["tool_use_id"].as_str().unwrap_or_default().to_owned();
        let mut output = Capped::new(RESULT_MAX);
        output.push(flat(&block["content"]).as_bytes());
        Block::ToolResult {
            tool: self.tools.remove(&call_id).unwrap_or_default(),
            call_id,
            output: output.finish(),
            is_error: block["is_error"].as_bool().unwrap_or_default(),
            exit_code: None,
        }
    }
}

/// Which sub-agent speaks.
fn by(spoken: &Spoken) -> Option<Block> {
    spoken.parent_tool_use_id.as_ref()?;
    let kind = spoken.subagent_type.as_deref().unwrap_or("agent");
    let task = spoken.task_description.as_deref().map(|task| format!(", {task}")).unwrap_or_default();
    Some(Block::Text { text: format!("[sub-agent {kind}{task}]") })
}

fn said(content: Value) -> Vec<Block> {
    let Value::Array(content) = content else {
        return content.as_str().map(|text| Block::Text { text: text.to_owned() }).into_iter().collect();
    };
    content.into_iter().filter_map(said_block).collect()
}

fn said_block(mut block: Value) -> Option<Block> {
    let text = |name: &str| block[name].as_str().map(str::to_owned);
    match block["type"].as_str()? {
        "text" => Some(Block::Text { text: text("text")? }),
        "thinking" => {
            let (text, signature) = (text("thinking")?, text("signature"));
            Some(Block::Thinking { text, signature })
        }
        "tool_use" => {
            let (call_id, tool) = (text("id")?, text("name")?);
            Some(Block::ToolCall { call_id, tool, arguments: block["input"].take() })
        }
        _ => None,
    }
}

/// A result as text; what is none is named.
fn flat(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => blocks.iter().map(flat_block).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}

fn flat_block(block: &Value) -> String {
    match (block["type"].as_str(), block["text"].as_str()) {
        (Some("text"), Some(text)) => text.to_owned(),
        (Some("tool_reference"), _) => format!("[tool {}]", block["tool_name"].as_str().unwrap_or_default()),
        (kind, _) => format!("[{}]", kind.unwrap_or("nothing")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::Said;
    use super::*;
    use serde_json::json;

    fn spoken(line: Value) -> Spoken {
        match Said::read(line) {
            Said::Assistant(spoken) | Said::User(spoken) => spoken,
            other => panic!("{other:?}"),
        }
    }

    fn answer(id: &str, block: Value) -> Spoken {
        spoken(
            json!({"type": "assistant", "message": {"id": id, "content": [block]}, "parent_tool_use_id": null}),
        )
    }

    #[test]
    fn the_pieces_of_an_answer_are_one_message() {
        let mut speech = Speech::default();
        assert_eq!(
            speech.answer(answer("m1", json!({"type": "thinking", "thinking": "hm", "signature": "s"}))),
            None
        );
        let call = json!({"type": "tool_use", "id": "c1", "name": "Bash", "input": {"command": "ls"}});
        assert_eq!(speech.answer(answer("m1", call)), None);
        let Some(RunEvent::Message { role: Role::Assistant, blocks, .. }) =
            speech.answer(answer("m2", json!({"type": "text", "text": "next"})))
        else {
            panic!("no message")
        };
        assert_eq!(blocks.len(), 2);
        assert!(matches!(&blocks[1], Block::ToolCall { arguments, .. } if arguments["command"] == "ls"));
        assert!(speech.flush(Some(Usage::default()), Some(3)).is_some());
        assert!(speech.flush(None, None).is_none());
        let result = json!({"type": "user", "message": {"content": [
            {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "a"}, {"type": "image"}]}]}});
        let Some(RunEvent::Message { role: Role::Tool, blocks, .. }) = speech.results(spoken(result)) else {
            panic!("no results")
        };
        let [Block::ToolResult { tool, output, is_error: false, .. }] = blocks.as_slice() else {
            panic!("{blocks:?}")
        };
        assert_eq!((tool.as_str(), output.as_str()), ("Bash", "a\n[image]"));
    }

    #[test]
    fn it_is_said_which_sub_agent_speaks() {
        let mut speech = Speech::default();
        let line = json!({"type": "assistant", "message": {"id": "m", "content": [{"type": "text", "text": "hi"}]},
            "parent_tool_use_id": "c1", "subagent_type": "general-purpose", "task_description": "a part"});
        assert_eq!(speech.answer(spoken(line)), None);
        let Some(RunEvent::Message { blocks, .. }) = speech.flush(None, None) else { panic!("no message") };
        let text = |text: &str| Block::Text { text: text.into() };
        assert_eq!(blocks, [text("[sub-agent general-purpose, a part]"), text("hi")]);
    }

    #[test]
    fn what_is_no_result_and_what_the_model_did_not_say_is_left_out() {
        let mut speech = Speech::default();
        for content in [json!("words"), json!([{"type": "text", "text": "[Request interrupted by user]"}])] {
            assert_eq!(
                speech.results(spoken(json!({"type": "user", "message": {"content": content}}))),
                None
            );
        }
        let line =
            json!({"type": "assistant", "message": {"id": "m", "model": SYNTHETIC, "content": "API Error"}});
        assert_eq!(speech.answer(spoken(line)), None);
        assert_eq!(speech.flush(None, None), None);
    }

    #[test]
    fn a_long_result_is_cut_in_the_middle() {
        let mut speech = Speech::default();
        let long = json!({"type": "user", "message": {"content": [
            {"type": "tool_result", "tool_use_id": "c", "content": "x".repeat(RESULT_MAX + 1)}]}});
        let Some(RunEvent::Message { blocks, .. }) = speech.results(spoken(long)) else {
            panic!("no results")
        };
        assert!(
            matches!(&blocks[0], Block::ToolResult { output, .. } if output.contains("1 bytes left out"))
        );
    }
}
