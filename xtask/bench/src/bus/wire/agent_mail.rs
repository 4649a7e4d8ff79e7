//! mcp_agent_mail: its tools over MCP's HTTP, each call answered before the next. Who wants to know, asks.

use super::socket::{Parsed, Socket};
use super::{Receiver, Sender, Wire, payload};
use crate::bus::node::Spec;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// How often a session asks for its mail. More often, ten of them would leave the server no time for sending.
const ASK_EVERY: Duration = Duration::from_secs(1);
const TRIES: usize = 50;
/// As many as the tool gives by itself.
const NEWEST: usize = 20;

struct Mail {
    url: String,
    project: String,
    me: String,
}

impl Mail {
    fn open(spec: &Spec) -> Result<Self, String> {
        let project = format!("/bench/run{}", spec.run);
        let mail = Self { url: spec.url.clone(), project, me: name(spec.index) };
        // All come at once, and the server lets the second one fail.
        let project = json!({ "human_key": mail.project });
        let mut made = mail.call("ensure_project", &project);
        for _ in 0..TRIES {
            if made.is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
            made = mail.call("ensure_project", &project);
        }
        made?;
        let new =
            json!({ "project_key": mail.project, "program": "bench", "model": "none", "name": mail.me });
        mail.call("register_agent", &new)?;
        Ok(mail)
    }

    fn call(&self, tool: &str, arguments: &Value) -> Result<Value, String> {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": tool, "arguments": arguments } });
        let body = call.to_string();
        // The server closes a connection that was silent for a few seconds.
        let mut socket = Socket::connect(&self.url)?;
        socket.send(
            format!(
                "POST /mcp/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
                 Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .as_bytes(),
        )?;
        let body = socket.answer(response)?;
        let answer: Value = serde_json::from_slice(&body).map_err(|error| format!("{tool}: {error}"))?;
        if answer["result"]["isError"] == false {
            Ok(answer["result"]["structuredContent"].clone())
        } else {
            Err(format!("{tool}: {answer}"))
        }
    }
}

fn name(index: usize) -> String {
    format!("n{index}")
}

struct Posting {
    mail: Mail,
    spec: Spec,
}

struct Asking {
    mail: Mail,
    me: usize,
    asked: Instant,
    had: HashSet<i64>,
}

pub(crate) fn open(spec: &Spec) -> Result<Wire, String> {
    let asking =
        Asking { mail: Mail::open(spec)?, me: spec.index, asked: Instant::now(), had: HashSet::new() };
    let sender = Posting { mail: Mail::open(spec)?, spec: spec.clone() };
    Ok(Wire { sender: Box::new(sender), receiver: Box::new(asking), janitor: None })
}

impl Sender for Posting {
    fn send(&mut self, to: Option<usize>, mut payload: Value) -> Result<(), String> {
        let others = (0..self.spec.count).filter(|other| *other != self.spec.index);
        let to: Vec<String> = to.map_or_else(|| others.map(name).collect(), |to| vec![name(to)]);
        // A list of mail has subjects; the weight is in the body.
        let pad = payload["pad"].take();
        let message = json!({
            "project_key": self.mail.project, "sender_name": self.mail.me, "to": to,
            "subject": payload.to_string(), "body_md": pad,
        });
        self.mail.call("send_message", &message).map(drop)
    }
}

impl Receiver for Asking {
    fn receive(&mut self, limit: Duration) -> Result<Vec<Value>, String> {
        std::thread::sleep(ASK_EVERY.saturating_sub(self.asked.elapsed()).min(limit));
        if self.asked.elapsed() < ASK_EVERY {
            return Ok(Vec::new());
        }
        self.asked = Instant::now();
        let wanted = json!({
            "project_key": self.mail.project, "agent_name": self.mail.me, "limit": NEWEST, "include_bodies": true,
        });
        let found = self.mail.call("fetch_inbox", &wanted)?;
        let fresh = found["result"].as_array().into_iter().flatten();
        let fresh = fresh.filter(|one| one["id"].as_i64().is_some_and(|id| self.had.insert(id)));
        Ok(fresh.filter_map(|one| payload(self.me, one["subject"].as_str()?.as_bytes())).collect())
    }
}

/// The body of an answer that says how long it is.
fn response(bytes: &[u8]) -> Parsed<Vec<u8>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    let length: usize = length.ok_or_else(|| format!("an answer of no length: {head}"))?;
    let body = bytes.get(end + 4..end + 4 + length);
    Ok(body.map(|body| (body.to_vec(), end + 4 + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_once_it_is_whole() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP";
        let whole = bytes.len() - 4;
        for cut in 0..whole {
            assert_eq!(response(&bytes[..cut]), Ok(None), "{cut}");
        }
        assert_eq!(response(bytes), Ok(Some((b"{}".to_vec(), whole))));
        assert!(response(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
