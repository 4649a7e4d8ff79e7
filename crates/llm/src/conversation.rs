//! A [`Request`] in genai's words, with what each vendor insists on.
//!
//! Invariant: whatever the history looks like, what leaves here is a conversation every vendor
//! accepts: it begins with the user, every tool call has exactly one result right after its turn,
//! and no vendor sees the signatures of another.

use crate::{Request, Thinking, ToolSpec, Turn};
use genai::chat::{
    CacheControl, ChatMessage, ChatOptions, ChatRequest, ChatRole, ContentPart, CustomPart, MessageContent,
    ReasoningEffort, Tool, ToolCall, ToolResponse,
};
use model::{Block, Role, Vendor};
use serde_json::{Value, json};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Marks a whole `redacted_thinking` block of Anthropic among the signatures.
const REDACTED: &str = "redacted:";
/// Stands for the result of a call that never got one, for example because its run was killed.
const NO_RESULT: &str = "This call was interrupted: it may or may not have had its effect.";
/// Stands before a conversation whose beginning was left out.
const CUT_OFF: &str = "(The conversation begins earlier.)";
/// Longest id of a call that OpenAI takes, in characters.
const CALL_ID_MAX: usize = 64;
/// Stands for an empty tool output: not every vendor accepts an empty one.
const NO_OUTPUT: &str = "(no output)";

/// Puts the vendor before a signature, so that it never goes to another one.
pub(crate) fn seal(vendor: Vendor, signature: &str) -> String {
    format!("{}:{signature}", vendor.as_str())
}

/// The same for a block the vendor wants back as it is.
pub(crate) fn seal_redacted(vendor: Vendor, block: &Value) -> String {
    seal(vendor, &format!("{REDACTED}{block}"))
}

fn unseal(vendor: Vendor, sealed: &str) -> Option<&str> {
    sealed.strip_prefix(vendor.as_str())?.strip_prefix(':')
}

/// The request as genai takes it.
pub(crate) fn chat_request(vendor: Vendor, request: &Request) -> ChatRequest {
    let mut messages: Vec<ChatMessage> = Vec::new();
    let mut open: Vec<(String, String)> = Vec::new();
    for turn in &request.turns {
        if turn.role == Role::Tool {
            answer(vendor, turn, &mut open, &mut messages);
            continue;
        }
        close(vendor, &mut open, &mut messages);
        if turn.role == Role::Assistant {
            let parts = assistant_parts(vendor, &turn.blocks);
            open = calls(vendor, &turn.blocks);
            push(&mut messages, ChatRole::Assistant, parts);
        } else {
            push(&mut messages, ChatRole::User, text_parts(turn));
        }
    }
    close(vendor, &mut open, &mut messages);
    if messages.first().is_none_or(|first| first.role != ChatRole::User) {
        messages.insert(0, ChatMessage::user(CUT_OFF));
    }
    let mut chat = ChatRequest::from_messages(messages);
    if !request.tools.is_empty() {
        chat = chat.with_tools(request.tools.iter().map(tool));
    }
    if request.cache && vendor == Vendor::Anthropic {
        mark_cache(&mut chat, &request.system);
    } else if !request.system.is_empty() {
        chat.system = Some(request.system.clone());
    }
    chat
}

/// Anthropic caches up to the marks: one after tools and system, which all turns of an agent share,
/// one after the newest entry, which the next call of the loop begins with.
fn mark_cache(chat: &mut ChatRequest, system: &str) {
    if let Some(last) = chat.messages.last_mut().filter(|last| last.role != ChatRole::Assistant) {
        last.options = Some(CacheControl::Ephemeral.into());
    }
    if !system.is_empty() {
        let system = ChatMessage::system(system).with_options(CacheControl::Ephemeral);
        chat.messages.insert(0, system);
    }
}

fn push(messages: &mut Vec<ChatMessage>, role: ChatRole, parts: Vec<ContentPart>) {
    if !parts.is_empty() {
        messages.push(ChatMessage::new(role, MessageContent::from_parts(parts)));
    }
}

fn text_parts(turn: &Turn) -> Vec<ContentPart> {
    let note = if turn.role == Role::System { "System note: " } else { "" };
    turn.blocks
        .iter()
        .filter_map(|block| match block {
            Block::Text { text } if !text.trim().is_empty() => {
                Some(ContentPart::Text(format!("{note}{text}")))
            }
            _ => None,
        })
        .collect()
}

/// The id as the vendor takes it. A history may come from another vendor: Anthropic and OpenAI take
/// only some characters and so many of them.
fn wire_id(vendor: Vendor, call_id: &str) -> String {
    if matches!(vendor, Vendor::Google | Vendor::Moonshot) {
        return call_id.to_owned();
    }
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' };
    let plain: String = call_id.chars().map(plain).collect();
    // What tells ids apart stands at their end.
    plain[plain.len().saturating_sub(CALL_ID_MAX)..].to_owned()
}

/// Ids and tools of the calls, the ids as they are sent.
fn calls(vendor: Vendor, blocks: &[Block]) -> Vec<(String, String)> {
    blocks
        .iter()
        .filter_map(|block| match block {
            Block::ToolCall { call_id, tool, .. } => Some((wire_id(vendor, call_id), tool.clone())),
            _ => None,
        })
        .collect()
}

fn assistant_parts(vendor: Vendor, blocks: &[Block]) -> Vec<ContentPart> {
    let mut parts = Vec::new();
    for block in blocks {
        match block {
            Block::Text { text } if !text.trim().is_empty() => parts.push(ContentPart::Text(text.clone())),
            Block::Thinking { text, signature } => {
                thinking_parts(vendor, text, signature.as_deref(), &mut parts);
            }
            Block::ToolCall { call_id, tool, arguments } => parts.push(ContentPart::ToolCall(ToolCall {
                call_id: wire_id(vendor, call_id),
                fn_name: tool.clone(),
                fn_arguments: if arguments.is_object() { arguments.clone() } else { json!({}) },
                thought_signatures: None,
            })),
            Block::Text { .. } | Block::ToolResult { .. } | Block::Image { .. } => {}
        }
    }
    // Thinking alone is no turn: a vendor that takes it back takes it before text or calls only.
    let says = |part: &ContentPart| matches!(part, ContentPart::Text(_) | ContentPart::ToolCall(_));
    if parts.iter().any(says) { parts } else { Vec::new() }
}

fn thinking_parts(vendor: Vendor, text: &str, signature: Option<&str>, parts: &mut Vec<ContentPart>) {
    if vendor == Vendor::Moonshot {
        // Kimi signs nothing and wants its reasoning back as plain text.
        if !text.is_empty() {
            parts.push(ContentPart::ReasoningContent(text.to_owned()));
        }
        return;
    }
    let Some(signature) = signature.and_then(|sealed| unseal(vendor, sealed)) else { return };
    if vendor == Vendor::Anthropic {
        if let Some(block) = signature.strip_prefix(REDACTED) {
            if let Ok(data) = serde_json::from_str(block) {
                parts.push(ContentPart::Custom(CustomPart { model_iden: None, data }));
            }
            return;
        }
        parts.push(ContentPart::ThoughtSignature(signature.to_owned()));
        parts.push(ContentPart::ReasoningContent(text.to_owned()));
    } else {
        parts.push(ContentPart::ThoughtSignature(signature.to_owned()));
    }
}

/// Adds the results that answer an open call; others are left out.
fn answer(vendor: Vendor, turn: &Turn, open: &mut Vec<(String, String)>, messages: &mut Vec<ChatMessage>) {
    let mut parts = Vec::new();
    for block in &turn.blocks {
        let Block::ToolResult { call_id, output, is_error, .. } = block else { continue };
        let call_id = wire_id(vendor, call_id);
        let Some(at) = open.iter().position(|(open, _)| *open == call_id) else { continue };
        let (call_id, tool) = open.remove(at);
        parts.push(result_part(vendor, call_id, tool, output, *is_error));
    }
    push_results(messages, parts);
}

/// Answers what is still open.
fn close(vendor: Vendor, open: &mut Vec<(String, String)>, messages: &mut Vec<ChatMessage>) {
    let parts: Vec<ContentPart> =
        open.drain(..).map(|(call_id, tool)| result_part(vendor, call_id, tool, NO_RESULT, true)).collect();
    push_results(messages, parts);
}

/// All results of one turn make one message, however many turns they came in.
fn push_results(messages: &mut Vec<ChatMessage>, parts: Vec<ContentPart>) {
    match messages.last_mut() {
        Some(last) if last.role == ChatRole::Tool => {
            for part in parts {
                last.content.push(part);
            }
        }
        _ => push(messages, ChatRole::Tool, parts),
    }
}

fn result_part(vendor: Vendor, call_id: String, tool: String, output: &str, is_error: bool) -> ContentPart {
    let content = if output.is_empty() { NO_OUTPUT } else { output };
    if vendor == Vendor::Anthropic && is_error {
        // genai's own result has no place for the error mark.
        let data = json!({
            "type": "tool_result",
            "tool_use_id": call_id,
            "content": content,
            "is_error": true,
        });
        return ContentPart::Custom(CustomPart { model_iden: None, data });
    }
    ContentPart::ToolResponse(ToolResponse::new(call_id, content).with_fn_name(tool))
}

fn tool(spec: &ToolSpec) -> Tool {
    Tool::new(spec.name.as_str()).with_description(spec.description.as_str()).with_schema(spec.schema.clone())
}

/// What is asked of the vendor besides the conversation. `own_api` says that the vendor itself
/// answers and not a server that only speaks its dialect.
pub(crate) fn chat_options(vendor: Vendor, request: &Request, own_api: bool) -> ChatOptions {
    let thinks = request.thinking != Thinking::Off;
    let mut options = ChatOptions::default()
        .with_capture_usage(true)
        .with_capture_content(true)
        .with_capture_tool_calls(true)
        .with_reasoning_effort(effort(vendor, request));
    // For Google and OpenAI this also asks for thinking, which not every model of theirs can.
    if thinks || matches!(vendor, Vendor::Anthropic | Vendor::Moonshot) {
        options = options.with_capture_reasoning_content(true);
    }
    if let Some(most) = request.max_tokens {
        options = options.with_max_tokens(most);
    }
    if vendor == Vendor::Moonshot && thinks && !has_effort(&request.model) {
        options = options.with_extra_body(json!({"thinking": {"type": "enabled"}}));
    }
    if vendor == Vendor::Openai && own_api && request.cache {
        // Without a key genai switches the automatic cache of newer models off.
        options = options.with_prompt_cache_key(cache_key(request));
    }
    options
}

/// genai reads an effort out of names like `x-high` when none is given; a budget it has no use for
/// keeps the model's name as it is and sends nothing.
fn effort(vendor: Vendor, request: &Request) -> ReasoningEffort {
    let nothing = match vendor {
        Vendor::Anthropic | Vendor::Google => ReasoningEffort::Zero,
        Vendor::Moonshot | Vendor::Openai => ReasoningEffort::Budget(0),
    };
    if vendor == Vendor::Moonshot && !has_effort(&request.model) {
        return nothing;
    }
    match request.thinking {
        Thinking::Off => nothing,
        Thinking::Low => ReasoningEffort::Low,
        Thinking::Medium => ReasoningEffort::Medium,
        Thinking::High => ReasoningEffort::High,
    }
}

/// Kimi takes an effort since K3; before, thinking is on or off.
fn has_effort(model: &str) -> bool {
    model.starts_with("kimi-k3")
}

/// Sends the calls of one conversation to the same cache. It only groups, so a hash that may change
/// with the compiler is good enough.
fn cache_key(request: &Request) -> String {
    let mut hasher = DefaultHasher::new();
    request.system.hash(&mut hasher);
    if let Some(Block::Text { text }) = request.turns.first().and_then(|turn| turn.blocks.first()) {
        text.hash(&mut hasher);
    }
    format!("coditect-{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(id: &str) -> Block {
        Block::ToolCall { call_id: id.into(), tool: "read_file".into(), arguments: json!({"path": "a"}) }
    }

    fn result(id: &str, output: &str) -> Block {
        Block::ToolResult {
            call_id: id.into(),
            tool: "read_file".into(),
            output: output.into(),
            is_error: false,
            exit_code: None,
        }
    }

    /// Roles and, for results, which calls they answer and how.
    fn shape(vendor: Vendor, turns: Vec<Turn>) -> Vec<String> {
        let mut request = Request::new("m", "", turns);
        request.cache = false;
        chat_request(vendor, &request)
            .messages
            .iter()
            .map(|message| {
                let parts: Vec<String> = message
                    .content
                    .parts()
                    .iter()
                    .map(|part| match part {
                        ContentPart::Text(text) => text.clone(),
                        ContentPart::ToolCall(call) => format!("call {}", call.call_id),
                        ContentPart::ToolResponse(response) => {
                            format!("{}={}", response.call_id, response.content)
                        }
                        ContentPart::ThoughtSignature(signature) => format!("sig {signature}"),
                        ContentPart::ReasoningContent(text) => format!("thought {text}"),
                        other => format!("{other:?}"),
                    })
                    .collect();
                format!("{} {}", message.role, parts.join(", "))
            })
            .collect()
    }

    #[test]
    fn an_untidy_history_becomes_a_valid_conversation() {
        let turns = vec![
            Turn::assistant(vec![Block::Text { text: "earlier".into() }, call("1"), call("2")]),
            Turn::results(vec![result("2", "two"), result("9", "answers nothing")]),
            Turn::user("  "),
            Turn::user("go on"),
            Turn::results(vec![result("1", "too late")]),
            Turn::assistant(vec![Block::Thinking { text: "hm".into(), signature: None }]),
            Turn::assistant(vec![call("3")]),
            Turn::results(vec![result("3", "")]),
            Turn::new(Role::System, vec![Block::Text { text: "a file changed".into() }]),
            Turn::assistant(vec![call("4")]),
        ];
        assert_eq!(
            shape(Vendor::Openai, turns),
            [
                format!("User {CUT_OFF}"),
                "Assistant earlier, call 1, call 2".to_owned(),
                format!("Tool 2=two, 1={NO_RESULT}"),
                "User go on".to_owned(),
                "Assistant call 3".to_owned(),
                format!("Tool 3={NO_OUTPUT}"),
                "User System note: a file changed".to_owned(),
                "Assistant call 4".to_owned(),
                format!("Tool 4={NO_RESULT}"),
            ]
        );
    }

    #[test]
    fn signatures_go_back_to_the_vendor_that_made_them_and_to_no_other() {
        let history = || {
            let think = |vendor, text: &str| Block::Thinking {
                text: text.into(),
                signature: Some(seal(vendor, "s")),
            };
            let mut blocks: Vec<Block> =
                Vendor::ALL.into_iter().map(|vendor| think(vendor, vendor.as_str())).collect();
            blocks.push(Block::Text { text: "said".into() });
            vec![Turn::user("u"), Turn::assistant(blocks)]
        };
        let said = |vendor| shape(vendor, history()).pop().unwrap();
        assert_eq!(said(Vendor::Anthropic), "Assistant sig s, thought anthropic, said");
        assert_eq!(said(Vendor::Google), "Assistant sig s, said");
        assert_eq!(said(Vendor::Openai), "Assistant sig s, said");
        assert_eq!(
            said(Vendor::Moonshot),
            "Assistant thought anthropic, thought google, thought moonshot, thought openai, said"
        );
    }

    #[test]
    fn ids_of_other_vendors_are_made_acceptable_on_both_sides() {
        let turns = || {
            vec![
                Turn::user("u"),
                Turn::assistant(vec![call("call#read_file#7"), call("functions.read_file:0")]),
                Turn::results(vec![result("functions.read_file:0", "k"), result("call#read_file#7", "g")]),
            ]
        };
        for vendor in [Vendor::Anthropic, Vendor::Openai] {
            assert_eq!(
                shape(vendor, turns())[1..],
                [
                    "Assistant call call_read_file_7, call functions_read_file_0",
                    "Tool functions_read_file_0=k, call_read_file_7=g",
                ]
            );
        }
        let google = shape(Vendor::Google, turns());
        assert_eq!(google[1], "Assistant call call#read_file#7, call functions.read_file:0");
        assert_eq!(wire_id(Vendor::Openai, &"ü".repeat(70)).len(), CALL_ID_MAX);
    }

    #[test]
    fn a_redacted_block_goes_back_as_it_came() {
        let block = json!({"type": "redacted_thinking", "data": "opaque"});
        let blocks = vec![
            Block::Thinking {
                text: String::new(),
                signature: Some(seal_redacted(Vendor::Anthropic, &block)),
            },
            Block::Text { text: "said".into() },
        ];
        let request = Request::new("m", "", vec![Turn::user("u"), Turn::assistant(blocks)]);
        let chat = chat_request(Vendor::Anthropic, &request);
        let custom = chat.messages[1].content.parts().iter().find_map(|part| match part {
            ContentPart::Custom(custom) => Some(custom.data.clone()),
            _ => None,
        });
        assert_eq!(custom, Some(block));
    }

    #[test]
    fn an_empty_conversation_still_begins_with_the_user() {
        assert_eq!(shape(Vendor::Google, Vec::new()), [format!("User {CUT_OFF}")]);
    }
}
