//! `codex app-server`: JSON-RPC by lines, without the version field. One process hosts many threads.
//!
//! Invariant: every line is handed out once, in the order in which it came, also when somebody waits for one answer among them.

use crate::driver::program::VendorProgram;
use crate::driver::{About, DriverError};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;

/// JSON-RPC's code for a method nobody answers here.
const METHOD_NOT_FOUND: i64 = -32601;

pub(crate) struct AppServer {
    about: &'static About,
    program: VendorProgram,
    last_id: u64,
    /// Heard while somebody waited for something else.
    backlog: VecDeque<Heard>,
}

/// A line of the server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Heard {
    pub line: String,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    /// The answer to our call.
    Answer { id: u64, result: Result<Value, Fault> },
    /// It tells something.
    Notice { method: String, params: Value },
    /// It wants an answer; `id` is its own.
    Asked { id: Value, method: String, params: Value },
}

/// An error it answered with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Fault {
    pub message: String,
}

impl Heard {
    fn read(line: String, mut value: Value) -> Option<Self> {
        let method = value.get("method").and_then(Value::as_str).map(str::to_owned);
        let params = value.get_mut("params").map(Value::take).unwrap_or_default();
        let id = value.get("id").cloned();
        let what = match (method, id) {
            (Some(method), Some(id)) => What::Asked { id, method, params },
            (Some(method), None) => What::Notice { method, params },
            (None, Some(id)) => {
                let result = match value.get("error") {
                    Some(error) => {
                        let message =
                            error.get("message").and_then(Value::as_str).unwrap_or("it gave no reason");
                        Err(Fault { message: message.to_owned() })
                    }
                    None => Ok(value.get_mut("result").map(Value::take).unwrap_or_default()),
                };
                What::Answer { id: id.as_u64()?, result }
            }
            (None, None) => return None,
        };
        Some(Self { line, what })
    }

    /// Text piece by piece comes again as a whole; it is not kept.
    pub(crate) fn is_piece(&self) -> bool {
        let What::Notice { method, .. } = &self.what else { return false };
        let last = method.rsplit('/').next().unwrap_or_default();
        last == "delta" || last.ends_with("Delta")
    }
}

impl AppServer {
    pub(crate) fn new(about: &'static About, program: VendorProgram) -> Self {
        Self { about, program, last_id: 0, backlog: VecDeque::new() }
    }

    /// Shakes hands and gives the version of the program.
    pub(crate) async fn shake_hands(&mut self, patience: Duration) -> Result<String, DriverError> {
        // Codex calls itself to its model by our name and its version; our own requests are told apart from that.
        let params = json!({
            "clientInfo": {"name": "coditect_codex", "title": "Coditect", "version": env!("CARGO_PKG_VERSION")},
            "capabilities": {"experimentalApi": true},
        });
        let id = self.call("initialize", params)?;
        let answer =
            self.answer(id, patience).await?.map_err(|fault| self.program.nonsense(&fault.message))?;
        self.program.send(&json!({"method": "initialized"}))?;
        // `coditect_codex/0.169.0 (Debian …)`: our name, its version.
        let agent = answer.get("userAgent").and_then(Value::as_str).unwrap_or_default();
        let version =
            agent.split_once('/').map(|(_, rest)| rest.split([' ', '(']).next().unwrap_or_default());
        version
            .filter(|version| version.starts_with(|first: char| first.is_ascii_digit()))
            .map(str::to_owned)
            .ok_or_else(|| self.program.nonsense("its greeting names no version"))
    }

    /// See [`VendorProgram::turn_begins`].
    pub(crate) fn turn_begins(&mut self) {
        self.program.turn_begins();
    }

    /// Calls a method; the answer comes by [`AppServer::next`] or [`AppServer::answer`].
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Result<u64, DriverError> {
        self.last_id += 1;
        self.program.send(&json!({"id": self.last_id, "method": method, "params": params}))?;
        Ok(self.last_id)
    }

    /// Answers a request of the server.
    pub(crate) fn respond(&self, id: &Value, result: &Value) -> Result<(), DriverError> {
        self.program.send(&json!({"id": id, "result": result}))
    }

    /// Says that we do not answer such a request: one that hangs would hang the turn.
    pub(crate) fn refuse(&self, id: &Value, method: &str) -> Result<(), DriverError> {
        let message = format!("coditect does not answer `{method}`");
        self.program.send(&json!({"id": id, "error": {"code": METHOD_NOT_FOUND, "message": message}}))
    }

    /// The next line. Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Result<Heard, DriverError> {
        match self.backlog.pop_front() {
            Some(heard) => Ok(heard),
            None => self.listen().await,
        }
    }

    async fn listen(&mut self) -> Result<Heard, DriverError> {
        loop {
            let (line, value) = self.program.next().await?;
            if let Some(heard) = Heard::read(line, value) {
                return Ok(heard);
            }
        }
    }

    /// Waits for one answer. It, and what came before it, is still handed out by [`AppServer::next`].
    pub(crate) async fn answer(
        &mut self,
        wanted: u64,
        patience: Duration,
    ) -> Result<Result<Value, Fault>, DriverError> {
        let silent = DriverError::Silent { about: self.about, seconds: patience.as_secs() };
        let listening = async {
            loop {
                let heard = self.listen().await?;
                self.backlog.push_back(heard.clone());
                if let What::Answer { id, result } = heard.what
                    && id == wanted
                {
                    return Ok(result);
                }
            }
        };
        tokio::time::timeout(patience, listening).await.unwrap_or(Err(silent))
    }

    pub(crate) async fn stop(self) {
        self.program.stop().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<Heard> {
        Heard::read(line.to_owned(), serde_json::from_str(line).unwrap())
    }

    #[test]
    fn answers_notices_and_questions_are_told_apart() {
        let what = |line: &str| read(line).unwrap().what;
        assert_eq!(what(r#"{"id":3,"result":{"a":1}}"#), What::Answer { id: 3, result: Ok(json!({"a": 1})) });
        assert_eq!(
            what(r#"{"error":{"code":-32600,"message":"no rollout"},"id":4}"#),
            What::Answer { id: 4, result: Err(Fault { message: "no rollout".into() }) }
        );
        assert_eq!(
            what(r#"{"method":"turn/started","params":{"b":2}}"#),
            What::Notice { method: "turn/started".into(), params: json!({"b": 2}) }
        );
        // Its numbers and ours are counted apart, and its may be 0 or a text.
        assert_eq!(
            what(r#"{"method":"x","id":0}"#),
            What::Asked { id: json!(0), method: "x".into(), params: Value::Null }
        );
        assert_eq!(read(r#"{"hello":1}"#), None);
        assert_eq!(read(r#"{"id":"theirs","result":1}"#), None);
    }

    #[test]
    fn pieces_of_text_are_not_kept_as_records() {
        for (method, piece) in [
            ("item/agentMessage/delta", true),
            ("item/reasoning/summaryTextDelta", true),
            ("item/commandExecution/outputDelta", true),
            ("item/completed", false),
        ] {
            let line = json!({"method": method, "params": {}}).to_string();
            assert_eq!(read(&line).unwrap().is_piece(), piece, "{method}");
        }
    }
}
