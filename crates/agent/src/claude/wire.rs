//! What Claude Code and we say to each other, one JSON object a line, as far as we read it.
//!
//! Invariant: what is unknown or has another shape than we know is passed over, never an error: it is kept as a record.

use crate::run::wire::{PATIENCE_MAX, RunEvent};
use model::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// The callback before an edit.
pub(super) const BEFORE_EDIT: &str = "before_edit";
/// The callback before whatever else it does.
pub(super) const BEFORE_USE: &str = "before_use";
/// The callback after an edit.
pub(super) const AFTER_EDIT: &str = "after_edit";
/// Its tools that change files.
pub(super) const EDIT_TOOLS: [&str; 4] = ["Write", "Edit", "MultiEdit", "NotebookEdit"];
/// How much longer a callback may take than the daemon: when its time is over, Claude Code goes on as if nobody had objected.
const HOOK_MARGIN: Duration = Duration::from_secs(600);
/// Seconds a callback may take. Its clock counts milliseconds in 31 bits.
const HOOK_SECONDS: u64 = PATIENCE_MAX.as_secs() + HOOK_MARGIN.as_secs();

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Said {
    System(System),
    Assistant(Spoken),
    User(Spoken),
    StreamEvent(Streamed),
    Result(Verdict),
    ControlRequest {
        request_id: String,
        request: Asked,
    },
    ControlResponse {
        response: Answered,
    },
    ControlCancelRequest {
        request_id: String,
    },
    CommandLifecycle {
        command_uuid: String,
        state: String,
    },
    RateLimitEvent {
        rate_limit_info: RateLimits,
    },
    #[serde(other)]
    Other,
}

/// How it stands with what the account may use.
#[derive(Debug, Deserialize)]
pub(super) struct RateLimits {
    /// `rejected` when nothing is taken any more.
    pub status: String,
    /// Seconds since 1970.
    #[serde(rename = "resetsAt")]
    pub resets_at: Option<i64>,
    /// As in `five_hour`.
    #[serde(rename = "rateLimitType")]
    pub kind: Option<String>,
}

impl RateLimits {
    /// What is said to the daemon, when calls are refused.
    pub(super) fn limited(self) -> Option<RunEvent> {
        let rejected = self.status == "rejected";
        let until = self.resets_at.map(|seconds| Timestamp::from_millis(seconds.saturating_mul(1000)));
        let reason =
            format!("the {} limit of the account is reached", self.kind.as_deref().unwrap_or("usage"));
        rejected.then_some(RunEvent::Limited { retry_after_ms: None, until, reason })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct System {
    pub subtype: String,
    pub session_id: Option<String>,
    pub claude_code_version: Option<String>,
    pub attempt: Option<u32>,
    pub retry_delay_ms: Option<f64>,
    pub error: Option<String>,
}

/// A piece of a message: one block at a time of what the model says, a tool's result.
#[derive(Debug, Deserialize)]
pub(super) struct Spoken {
    pub message: Content,
    /// The call of the sub-agent that says it.
    pub parent_tool_use_id: Option<String>,
    pub subagent_type: Option<String>,
    pub task_description: Option<String>,
    pub uuid: Option<String>,
    /// Our own words, come back when they are taken.
    #[serde(rename = "isReplay", default)]
    pub is_replay: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Content {
    pub id: Option<String>,
    pub model: Option<String>,
    #[serde(default)]
    pub content: Value,
}

#[derive(Debug, Deserialize)]
pub(super) struct Streamed {
    pub event: Streaming,
    pub parent_tool_use_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Streaming {
    MessageStart {
        message: Started,
    },
    ContentBlockDelta {
        delta: Delta,
    },
    MessageDelta {
        usage: Option<ApiUsage>,
    },
    MessageStop,
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
pub(super) struct Started {
    pub usage: Option<ApiUsage>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Delta {
    #[serde(rename = "text_delta")]
    Text { text: String },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: String },
    #[serde(other)]
    Other,
}

/// As the model's API counts; what is missing has not changed.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(super) struct ApiUsage {
    pub input_tokens: Option<u64>,
    pub output_tokens: Option<u64>,
    pub cache_read_input_tokens: Option<u64>,
    pub cache_creation_input_tokens: Option<u64>,
}

/// The end of a turn.
#[derive(Debug, Deserialize)]
pub(super) struct Verdict {
    #[serde(default)]
    pub subtype: String,
    #[serde(default)]
    pub is_error: bool,
    pub result: Option<String>,
    #[serde(default)]
    pub errors: Vec<String>,
    pub api_error_status: Option<u16>,
    /// Of the whole session, also what was spent before it was resumed.
    pub total_cost_usd: Option<f64>,
    #[serde(rename = "modelUsage", default)]
    pub model_usage: BTreeMap<String, ModelUsage>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ModelUsage {
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cache_read_input_tokens: u64,
    pub cache_creation_input_tokens: u64,
}

/// What it wants of us.
#[derive(Debug, Deserialize)]
#[serde(tag = "subtype", rename_all = "snake_case")]
pub(super) enum Asked {
    HookCallback {
        callback_id: String,
        input: Hook,
    },
    CanUseTool {
        tool_name: String,
        #[serde(default)]
        input: Value,
        description: Option<String>,
    },
    McpMessage {
        server_name: String,
        message: Value,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
pub(super) struct Hook {
    #[serde(default)]
    pub tool_name: String,
    #[serde(default)]
    pub tool_input: Value,
    #[serde(default)]
    pub tool_response: Value,
}

#[derive(Debug, Deserialize)]
pub(super) struct Answered {
    pub request_id: String,
    #[serde(default)]
    pub response: Value,
    pub error: Option<String>,
}

/// What was spent in the session before.
#[derive(Debug, Deserialize)]
pub(super) struct SessionUsage {
    pub total_cost_usd: f64,
    #[serde(default)]
    pub model_usage: BTreeMap<String, ModelUsage>,
}

impl Said {
    pub(super) fn read(line: Value) -> Self {
        serde_json::from_value(line).unwrap_or(Self::Other)
    }

    /// Whether the line carries a text piece by piece, and comes again, whole.
    pub(super) fn is_piece(line: &Value) -> bool {
        line["type"] == "stream_event" || (line["type"] == "system" && line["subtype"] == "thinking_tokens")
    }
}

/// The file that an edit tool is called for.
pub(super) fn edited(tool_input: &Value) -> Option<&str> {
    tool_input.get("file_path").or_else(|| tool_input.get("notebook_path")).and_then(Value::as_str)
}

pub(super) fn initialize(mcp: Option<&str>, system: &str) -> Value {
    let matcher = EDIT_TOOLS.join("|");
    let edit =
        |callback: &str| json!({"matcher": matcher, "hookCallbackIds": [callback], "timeout": HOOK_SECONDS});
    let any = json!({"hookCallbackIds": [BEFORE_USE], "timeout": HOOK_SECONDS});
    json!({
        "subtype": "initialize",
        "hooks": {"PreToolUse": [edit(BEFORE_EDIT), any], "PostToolUse": [edit(AFTER_EDIT)]},
        "appendSystemPrompt": system,
        "sdkMcpServers": mcp.into_iter().collect::<Vec<_>>(),
    })
}

pub(super) fn request(id: &str, request: &Value) -> Value {
    json!({"type": "control_request", "request_id": id, "request": request})
}

pub(super) fn response(id: &str, response: &Value) -> Value {
    json!({"type": "control_response", "response": {"subtype": "success", "request_id": id, "response": response}})
}

/// A question of a newer program that we do not know: it is told so, and does not wait.
pub(super) fn refusal(id: &str) -> Value {
    let error = "this client does not know the request";
    json!({"type": "control_response", "response": {"subtype": "error", "request_id": id, "error": error}})
}

pub(super) fn user(text: &str, uuid: Option<&str>) -> Value {
    let mut line = json!({
        "type": "user", "message": {"role": "user", "content": text}, "parent_tool_use_id": null, "session_id": "",
    });
    if let Some(uuid) = uuid {
        line["uuid"] = uuid.into();
    }
    line
}

/// The answer of a callback that leaves it to Claude Code what comes next.
pub(super) fn no_objection() -> Value {
    json!({"continue": true})
}

/// The answer of the callback before an edit, or of another that objects; none is a yes.
pub(super) fn before_edit(denied: Option<&str>) -> Value {
    let mut output = json!({"hookEventName": "PreToolUse", "permissionDecision": "allow"});
    if let Some(reason) = denied {
        output["permissionDecision"] = "deny".into();
        output["permissionDecisionReason"] = reason.into();
    }
    json!({"hookSpecificOutput": output})
}

/// What an edit tool did, as a unified diff. None when it does not say.
pub(super) fn diff(path: &str, response: &Value) -> Option<String> {
    let patches = response.get("structuredPatch").and_then(Value::as_array)?;
    let mut text = format!("--- a/{path}\n+++ b/{path}\n");
    for patch in patches {
        let number = |name: &str| patch.get(name).and_then(Value::as_u64).unwrap_or(0);
        let (old, new) = ((number("oldStart"), number("oldLines")), (number("newStart"), number("newLines")));
        text.push_str(&format!("@@ -{},{} +{},{} @@\n", old.0, old.1, new.0, new.1));
        for line in patch.get("lines").and_then(Value::as_array).into_iter().flatten() {
            text.push_str(line.as_str().unwrap_or_default());
            text.push('\n');
        }
    }
    if patches.is_empty() {
        if response["type"] != "create" {
            return None;
        }
        let content = response.get("content").and_then(Value::as_str)?;
        text = text.replacen(&format!("a/{path}"), "/dev/null", 1);
        text.push_str(&format!("@@ -0,0 +1,{} @@\n", content.lines().count()));
        for line in content.lines() {
            text.push_str(&format!("+{line}\n"));
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_is_a_diff_and_so_is_a_new_file() {
        let edit = json!({"structuredPatch":
            [{"oldStart": 1, "oldLines": 2, "newStart": 1, "newLines": 2, "lines": [" one", "-two", "+2"]}]});
        let expected = "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n";
        assert_eq!(diff("x", &edit).as_deref(), Some(expected));
        let create = json!({"type": "create", "content": "one\ntwo\n", "structuredPatch": []});
        let expected = "--- /dev/null\n+++ b/x\n@@ -0,0 +1,2 @@\n+one\n+two\n";
        assert_eq!(diff("x", &create).as_deref(), Some(expected));
        assert_eq!(diff("x", &json!({"type": "update", "structuredPatch": []})), None);
        assert_eq!(diff("x", &json!("Error: no")), None);
    }

    #[test]
    fn a_callback_may_take_longer_than_the_daemon_ever_does() {
        assert_eq!(HOOK_SECONDS, PATIENCE_MAX.as_secs() + HOOK_MARGIN.as_secs());
        assert!(!HOOK_MARGIN.is_zero());
        assert!(
            HOOK_SECONDS * 1000 <= u64::from(i32::MAX.unsigned_abs()),
            "a longer one would be over at once"
        );
        let told = initialize(None, "");
        for callbacks in ["PreToolUse", "PostToolUse"] {
            let all = told["hooks"][callbacks].as_array().unwrap();
            assert!(all.iter().all(|callback| callback["timeout"] == HOOK_SECONDS), "{told}");
        }
    }

    #[test]
    fn a_limit_counts_when_calls_are_refused() {
        let told = |status: &str| {
            let info = json!({"status": status, "resetsAt": 1_769_869_381, "rateLimitType": "five_hour"});
            match Said::read(json!({"type": "rate_limit_event", "rate_limit_info": info})) {
                Said::RateLimitEvent { rate_limit_info } => rate_limit_info.limited(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(told("allowed_warning"), None);
        let until = Some(Timestamp::from_millis(1_769_869_381_000));
        let reason = "the five_hour limit of the account is reached".to_owned();
        assert_eq!(told("rejected"), Some(RunEvent::Limited { retry_after_ms: None, until, reason }));
    }

    #[test]
    fn what_is_unknown_or_has_another_shape_is_passed_over() {
        for line in [
            json!({"type": "news"}),
            json!({"type": "assistant"}),
            json!({"type": "system", "subtype": 7}),
            json!({"no": "type"}),
        ] {
            assert!(matches!(Said::read(line.clone()), Said::Other), "{line}");
        }
        let asked =
            json!({"type": "control_request", "request_id": "1", "request": {"subtype": "news", "x": 1}});
        assert!(matches!(Said::read(asked), Said::ControlRequest { request: Asked::Other, .. }));
    }
}
