//! The probe of newer clients, `server/discover`, which asks for a lifecycle without `initialize`.
//!
//! It is told that there is no such method, whatever else it carries: then every vendor's client goes on with
//! `initialize`, which all of them know.

use serde::Deserialize;
use serde_json::{Value, json};

const METHOD: &str = "server/discover";
/// JSON-RPC: no such method.
const METHOD_NOT_FOUND: i32 = -32601;
/// JSON-RPC: valid JSON that is no request.
const INVALID_REQUEST: i32 = -32600;

#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    id: Value,
}

/// The answer, if this is the probe.
pub(crate) fn answer(message: &[u8]) -> Option<String> {
    let head: Head = serde_json::from_slice(message).ok()?;
    (head.method.as_deref() == Some(METHOD)).then(|| error(&head.id, METHOD_NOT_FOUND, METHOD))
}

/// What is said to JSON that is no message; nothing to a notification nobody knows, which expects no answer.
pub(crate) fn refusal(message: &[u8]) -> Option<String> {
    let Ok(value) = serde_json::from_slice::<Value>(message) else { return None };
    let id = &value["id"];
    if value["method"].is_string() && id.is_null() {
        return None;
    }
    let id = if id.is_string() || id.is_number() { id } else { &Value::Null };
    Some(error(id, INVALID_REQUEST, "this is no request of the protocol"))
}

/// What is said to a message that was dropped before it was read.
pub(crate) fn too_long(most: usize) -> String {
    let message = format!("a message has at most {most} bytes; put long material into a file and name it");
    error(&Value::Null, INVALID_REQUEST, &message)
}

fn error(id: &Value, code: i32, message: &str) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_probe_is_answered() {
        let probe = br#"{"jsonrpc":"2.0","id":7,"method":"server/discover","params":{"_meta":{}}}"#;
        let answered: Value = serde_json::from_str(&answer(probe).unwrap()).unwrap();
        assert_eq!((&answered["id"], &answered["error"]["code"]), (&json!(7), &json!(-32601)));
        assert_eq!(answer(br#"{"jsonrpc":"2.0","id":7,"method":"initialize"}"#), None);
        assert_eq!(answer(b"{"), None);
    }

    #[test]
    fn json_that_is_no_message_is_told_so_by_its_id() {
        let said =
            |text: &str| refusal(text.as_bytes()).map(|text| serde_json::from_str::<Value>(&text).unwrap());
        assert_eq!(said(r#"{"id":"a","method":7}"#).unwrap()["id"], "a");
        assert_eq!(said("[1,2]").unwrap()["id"], Value::Null);
        assert_eq!(said(r#"{"jsonrpc":"2.0","method":"x/y"}"#), None);
        assert_eq!(said("not json"), None);
    }
}
