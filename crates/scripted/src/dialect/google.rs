//! Google's `generateContent` and `streamGenerateContent`, version v1beta.

use super::strict::{array, known, object, positive, text};
use super::{Frame, Refused, event, signature, strict};
use crate::conversation::{Conversation, Form, OfferedTool, Said, ToolCall, ToolResult, agent_of};
use crate::reply::{Act, Arguments, Reply};
use axum::http::HeaderMap;
use model::Vendor;
use serde_json::{Map, Value, json};

/// What the API takes instead of a signature it did not give.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// `path` is the model and whether the path asks for a stream.
pub(crate) fn read(
    headers: &HeaderMap,
    body: &Map<String, Value>,
    (model, stream): (&str, bool),
) -> Result<Conversation, Refused> {
    // Google calls a wrong key an invalid argument, not a lack of authentication.
    strict::key(headers, "x-goog-api-key", "").map_err(|_| Refused {
        status: 400,
        message: "API key not valid. Please pass a valid API key.".into(),
    })?;
    let fields =
        ["contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings"];
    known(body, &fields, "the request")?;
    let mut conversation = Conversation::empty(Vendor::Google);
    conversation.model = model.to_owned();
    conversation.stream = stream;
    if let Some(system) = body.get("systemInstruction") {
        for part in array(object(system, "`systemInstruction`")?, "parts", "`systemInstruction`")? {
            conversation.system.push_str(text(object(part, "a part")?, "text", "a part")?);
        }
    }
    conversation.agent = agent_of(&conversation.system);
    if let Some(config) = body.get("generationConfig") {
        generation_config(object(config, "`generationConfig`")?)?;
    }
    for tool in body.get("tools").and_then(Value::as_array).into_iter().flatten() {
        let tool = object(tool, "a tool")?;
        known(tool, &["functionDeclarations"], "a tool")?;
        for function in array(tool, "functionDeclarations", "a tool")? {
            let function = object(function, "a function")?;
            known(function, &["name", "description", "parametersJsonSchema"], "a function")?;
            conversation.tools.push(OfferedTool {
                form: Form::Function,
                name: text(function, "name", "a function")?.to_owned(),
                schema: function.get("parametersJsonSchema").cloned().unwrap_or_default(),
            });
        }
    }
    let contents = array(body, "contents", "the request")?;
    let loop_start = contents.iter().rposition(is_prompt).unwrap_or(0);
    for (at, content) in contents.iter().enumerate() {
        let content = object(content, "a content")?;
        known(content, &["role", "parts"], "a content")?;
        let parts = array(content, "parts", "a content")?;
        if parts.is_empty() {
            return Err(Refused::bad("a content without parts"));
        }
        match text(content, "role", "a content")? {
            "user" => user(parts, &mut conversation)?,
            "model" => said(parts, &mut conversation, at > loop_start && model.contains("gemini-3"))?,
            other => return Err(Refused::bad(format!("Please use a valid role: user, model (not {other})"))),
        }
    }
    Ok(conversation)
}

fn generation_config(config: &Map<String, Value>) -> Result<(), Refused> {
    let fields = [
        "maxOutputTokens",
        "temperature",
        "topP",
        "topK",
        "seed",
        "stopSequences",
        "thinkingConfig",
        "responseMimeType",
        "responseJsonSchema",
    ];
    known(config, &fields, "`generationConfig`")?;
    positive(config, "maxOutputTokens")?;
    if let Some(thinking) = config.get("thinkingConfig") {
        let fields = ["includeThoughts", "thinkingBudget", "thinkingLevel"];
        known(object(thinking, "`thinkingConfig`")?, &fields, "`thinkingConfig`")?;
    }
    Ok(())
}

fn is_prompt(content: &Value) -> bool {
    let has_text = |parts: &Vec<Value>| parts.iter().any(|part| part.get("text").is_some());
    content["role"] == "user" && content.get("parts").and_then(Value::as_array).is_some_and(has_text)
}

fn user(parts: &[Value], to: &mut Conversation) -> Result<(), Refused> {
    let mut texts = Vec::new();
    for part in parts {
        let part = object(part, "a part")?;
        known(part, &["text", "functionResponse"], "a user part")?;
        let Some(response) = part.get("functionResponse") else {
            texts.push(text(part, "text", "a part")?);
            continue;
        };
        let response = object(response, "`functionResponse`")?;
        known(response, &["id", "name", "response"], "`functionResponse`")?;
        let output = response.get("response").and_then(|response| response.get("content"));
        to.push_result(ToolResult {
            call_id: response.get("id").and_then(Value::as_str).map(str::to_owned),
            tool: Some(text(response, "name", "`functionResponse`")?.to_owned()),
            output: output
                .and_then(Value::as_str)
                .ok_or_else(|| Refused::bad("`response` of a functionResponse has no content"))?
                .to_owned(),
        });
    }
    if !texts.is_empty() {
        to.messages.push(Said::User { text: texts.join("\n\n") });
    }
    Ok(())
}

fn said(parts: &[Value], to: &mut Conversation, must_be_signed: bool) -> Result<(), Refused> {
    to.push_call(None);
    let mut first = true;
    for part in parts {
        let part = object(part, "a part")?;
        known(part, &["text", "functionCall", "thoughtSignature"], "a model part")?;
        let signed = part.get("thoughtSignature").and_then(Value::as_str);
        let Some(call) = part.get("functionCall") else {
            check_signature(signed, text(part, "text", "a part")?)?;
            continue;
        };
        let call = object(call, "`functionCall`")?;
        known(call, &["id", "name", "args"], "`functionCall`")?;
        let name = text(call, "name", "`functionCall`")?;
        let args = json!(object(call.get("args").unwrap_or(&Value::Null), "`args` of a functionCall")?);
        check_signature(signed, &signed_text(name, &args))?;
        if first && must_be_signed && signed.is_none() {
            return Err(Refused::bad(format!(
                "Function call is missing a thought_signature in functionCall parts: `{name}`"
            )));
        }
        first = false;
        to.push_call(Some(ToolCall {
            call_id: call.get("id").and_then(Value::as_str).map(str::to_owned),
            tool: name.to_owned(),
            bytes: args.to_string().len(),
        }));
    }
    Ok(())
}

fn check_signature(signed: Option<&str>, what: &str) -> Result<(), Refused> {
    match signed {
        Some(given) if given != NO_SIGNATURE && given != signature(what) => {
            Err(Refused::bad("Corrupted thought signature."))
        }
        _ => Ok(()),
    }
}

fn signed_text(name: &str, args: &Value) -> String {
    format!("{name}{args}")
}

fn usage(reply: &Reply) -> Value {
    let mut usage = json!({
        "promptTokenCount": reply.prompt.total,
        "candidatesTokenCount": reply.text_tokens,
        "totalTokenCount": reply.prompt.total + reply.text_tokens + reply.thinking_tokens,
    });
    if reply.thinking_tokens > 0 {
        usage["thoughtsTokenCount"] = json!(reply.thinking_tokens);
    }
    if reply.prompt.cached > 0 {
        usage["cachedContentTokenCount"] = json!(reply.prompt.cached);
    }
    usage
}

fn response(reply: &Reply, parts: &Value, finish: Option<&str>) -> Value {
    let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": 0});
    if let Some(finish) = finish {
        candidate["finishReason"] = json!(finish);
    }
    json!({
        "candidates": [candidate],
        "usageMetadata": usage(reply),
        "modelVersion": reply.model,
        "responseId": reply.id,
    })
}

fn call_part(tool: &str, arguments: &Arguments, first: bool) -> Value {
    let args = match arguments {
        Arguments::Json(value) => value.clone(),
        // Arguments are no text here; what cannot be read has another type.
        Arguments::Broken(text) | Arguments::Text(text) => json!(text),
    };
    let mut part = json!({"functionCall": {"name": tool, "args": args}});
    if first {
        part["thoughtSignature"] = json!(signature(&signed_text(tool, &args)));
    }
    part
}

pub(crate) fn stream(reply: &Reply) -> Vec<Frame> {
    // Google ends its lines with CR LF.
    let send = |parts: Value, finish| event(None, &response(reply, &parts, finish), "\r\n");
    let mut frames = Vec::new();
    let mut calls = false;
    let mut text = String::new();
    for act in &reply.acts {
        match act {
            Act::Sleep(time) => frames.push(Frame::Sleep(*time)),
            Act::Cut => {
                frames.push(Frame::Cut);
                return frames;
            }
            Act::Fault => {
                frames.push(event(None, &error(503, "The model is overloaded."), "\r\n"));
                return frames;
            }
            Act::Say(pieces) => {
                text.push_str(&pieces.concat());
                frames.extend(pieces.iter().map(|text| send(json!([{"text": text}]), None)));
            }
            Act::Think(pieces) => {
                frames.extend(pieces.iter().map(|text| send(json!([{"text": text, "thought": true}]), None)));
            }
            Act::Call { tool, arguments, .. } => {
                frames.push(send(json!([call_part(tool, arguments, !calls)]), None));
                calls = true;
            }
        }
    }
    let last = if calls {
        json!([{"text": ""}])
    } else {
        json!([{"text": "", "thoughtSignature": signature(&text)}])
    };
    frames.push(send(last, Some("STOP")));
    frames
}

pub(crate) fn whole(reply: &Reply) -> Value {
    let mut parts = Vec::new();
    let mut calls = false;
    for act in &reply.acts {
        match act {
            Act::Say(pieces) => parts.push(json!({"text": pieces.concat()})),
            Act::Think(pieces) => parts.push(json!({"text": pieces.concat(), "thought": true})),
            Act::Call { tool, arguments, .. } => {
                parts.push(call_part(tool, arguments, !calls));
                calls = true;
            }
            _ => {}
        }
    }
    response(reply, &json!(parts), Some("STOP"))
}

pub(crate) fn error(status: u16, message: &str) -> Value {
    let word = match status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        _ => "INTERNAL",
    };
    json!({"error": {"code": status, "message": message, "status": word}})
}
