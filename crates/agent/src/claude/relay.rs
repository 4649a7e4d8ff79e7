//! Our MCP server, offered to Claude Code through its own pipe: the messages are passed on to a child of ours and back.
//!
//! Invariant: every request of Claude Code's is answered, also when the server has ended.

use super::wire;
use crate::driver::place::Place;
use crate::driver::program::VendorProgram;
use crate::driver::{About, DriverError};
use crate::run::wire::McpServer;
use serde_json::{Value, json};
use std::collections::HashMap;

static SERVER: About = About {
    name: "coditect's MCP server",
    program: "coditect",
    oldest: "0",
    install: "run `coditect doctor`",
    login: "run `coditect doctor`",
};

pub(super) struct Relay {
    name: String,
    server: Option<VendorProgram>,
    /// By the message's id, which request of Claude Code's carries it.
    open: HashMap<String, String>,
    ended: String,
}

impl Relay {
    pub(super) fn start(server: &McpServer, place: &Place) -> Self {
        let env = server.env.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let (server_process, ended) = match VendorProgram::start(&SERVER, &server.argv, env, place) {
            Ok(started) => (Some(started), String::new()),
            // The agent works without it; what it calls says why.
            Err(error) => (None, error.to_string()),
        };
        Self { name: server.name.clone(), server: server_process, open: HashMap::new(), ended }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Takes a message for the server; gives what can be answered at once.
    pub(super) fn ask(&mut self, request_id: String, message: &Value) -> Option<Value> {
        let Some(id) = message.get("id").filter(|id| !id.is_null()) else {
            if let Some(server) = &self.server {
                let _ = server.send(message);
            }
            return Some(answer(&request_id, &json!({"jsonrpc": "2.0", "id": 0, "result": {}})));
        };
        let sent = self.server.as_ref().map(|server| server.send(message));
        match sent {
            Some(Ok(())) => {
                self.open.insert(id.to_string(), request_id);
                None
            }
            Some(Err(error)) => Some(failure(&request_id, id, &error.to_string())),
            None => Some(failure(&request_id, id, &self.ended)),
        }
    }

    /// Answers for Claude Code, as they come. Nothing is lost when the future is dropped.
    pub(super) async fn answers(&mut self) -> Vec<Value> {
        let Some(server) = &mut self.server else { return std::future::pending().await };
        match server.next().await {
            Ok((_, message)) => self.pass_on(&message),
            Err(error) => self.end(&error),
        }
    }

    fn pass_on(&mut self, message: &Value) -> Vec<Value> {
        let id = message.get("id").filter(|id| !id.is_null());
        if let (Some(id), Some(_)) = (id, message.get("method")) {
            // We are no client with features of its own.
            let refusal = json!({"code": -32601, "message": "not offered"});
            let refusal = json!({"jsonrpc": "2.0", "id": id, "error": refusal});
            if let Some(server) = &self.server {
                let _ = server.send(&refusal);
            }
            return Vec::new();
        }
        let waiting = id.and_then(|id| self.open.remove(&id.to_string()));
        waiting.map(|request_id| answer(&request_id, message)).into_iter().collect()
    }

    fn end(&mut self, error: &DriverError) -> Vec<Value> {
        self.server = None;
        self.ended = error.to_string();
        let open = std::mem::take(&mut self.open);
        open.into_iter()
            .map(|(id, request_id)| {
                let id: Value = serde_json::from_str(&id).unwrap_or_default();
                failure(&request_id, &id, &self.ended)
            })
            .collect()
    }

    pub(super) async fn stop(self) {
        if let Some(server) = self.server {
            server.stop().await;
        }
    }
}

fn answer(request_id: &str, message: &Value) -> Value {
    wire::response(request_id, &json!({ "mcp_response": message }))
}

fn failure(request_id: &str, id: &Value, why: &str) -> Value {
    answer(request_id, &json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32000, "message": why}}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::place::tests::Dice;
    use std::sync::Arc;

    fn relay(script: &str) -> Relay {
        let place = Place::at(std::path::Path::new("/"), Arc::new(Dice)).unwrap();
        let argv = ["bash", "-c", script].map(str::to_owned).to_vec();
        Relay::start(&McpServer { name: "coditect".into(), argv, env: Vec::new() }, &place)
    }

    fn call(id: u64) -> Value {
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call"})
    }

    #[tokio::test]
    async fn what_is_asked_is_answered_by_the_server() {
        let mut relay = relay(
            r#"read note; read call; echo '{"jsonrpc":"2.0","method":"news"}'; echo '{"jsonrpc":"2.0","id":9,"method":"ping"}'
            read refusal; echo "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":$refusal}"; read more"#,
        );
        let noted = relay.ask("r1".into(), &json!({"method": "notifications/initialized"})).unwrap();
        assert_eq!(noted["response"]["request_id"], "r1");
        assert_eq!(relay.ask("r2".into(), &call(3)), None);
        assert_eq!(relay.answers().await, Vec::<Value>::new());
        assert_eq!(relay.answers().await, Vec::<Value>::new());
        let answers = relay.answers().await;
        assert_eq!(answers[0]["response"]["request_id"], "r2");
        let message = &answers[0]["response"]["response"]["mcp_response"];
        assert_eq!(message["result"]["error"]["code"], -32601, "the server's own question is refused");
        relay.stop().await;
    }

    #[tokio::test]
    async fn a_server_that_is_gone_answers_with_why() {
        let mut relay = relay("read call; echo broken >&2; exit 1");
        assert_eq!(relay.ask("r1".into(), &call(1)), None);
        let ended = relay.answers().await;
        let message = &ended[0]["response"]["response"]["mcp_response"];
        assert_eq!((&ended[0]["response"]["request_id"], &message["id"]), (&json!("r1"), &json!(1)));
        assert!(message["error"]["message"].as_str().unwrap().contains("broken"), "{message}");
        let later = relay.ask("r2".into(), &call(2)).unwrap();
        assert_eq!(later["response"]["response"]["mcp_response"]["error"]["code"], -32000);
    }
}
