//! Redis pub/sub: `PUBLISH` and its answer on one connection, `SUBSCRIBE` on another.

use super::socket::{Parsed, Socket, line};
use super::{Receiver, Sender, Wire, channel, own_channel, payload};
use crate::bus::node::Spec;
use serde_json::Value;
use std::time::Duration;

/// A value of the protocol.
#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Text(Vec<u8>),
    Number(i64),
    List(Vec<Reply>),
}

struct Publisher {
    socket: Socket,
    spec: Spec,
}

struct Subscriber {
    socket: Socket,
    me: usize,
}

pub(crate) fn open(spec: &Spec) -> Result<Wire, String> {
    let mut socket = Socket::connect(&spec.url)?;
    socket.send(&command(&[b"SUBSCRIBE", own_channel(spec).as_bytes()]))?;
    socket.answer(reply)?;
    let sender = Publisher { socket: Socket::connect(&spec.url)?, spec: spec.clone() };
    Ok(Wire {
        sender: Box::new(sender),
        receiver: Box::new(Subscriber { socket, me: spec.index }),
        janitor: None,
    })
}

impl Sender for Publisher {
    fn send(&mut self, to: Option<usize>, payload: Value) -> Result<(), String> {
        let text = payload.to_string();
        let channel = channel(&self.spec, to);
        self.socket.send(&command(&[b"PUBLISH", channel.as_bytes(), text.as_bytes()]))?;
        match self.socket.answer(reply)? {
            Reply::Number(_) => Ok(()),
            other => Err(format!("PUBLISH: {other:?}")),
        }
    }
}

impl Receiver for Subscriber {
    fn receive(&mut self, limit: Duration) -> Result<Vec<Value>, String> {
        let (mut found, mut wait) = (Vec::new(), limit);
        while let Some(reply) = self.socket.frame(wait, reply)? {
            wait = Duration::ZERO;
            if let Reply::List(parts) = reply
                && let [_, _, Reply::Text(text)] = parts.as_slice()
            {
                found.extend(payload(self.me, text));
            }
        }
        Ok(found)
    }
}

fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n", word.len()).bytes());
        bytes.extend_from_slice(word);
        bytes.extend(b"\r\n");
    }
    bytes
}

fn reply(bytes: &[u8]) -> Parsed<Reply> {
    let Some((head, mut at)) = line(bytes) else { return Ok(None) };
    let (kind, rest) = head.split_at_checked(1).ok_or("an empty line")?;
    let number = || rest.parse::<i64>().map_err(|error| format!("{head}: {error}"));
    let reply = match kind {
        "+" => Reply::Text(rest.as_bytes().to_vec()),
        "-" => return Err(rest.to_owned()),
        ":" => Reply::Number(number()?),
        "$" => {
            let length = usize::try_from(number()?).unwrap_or(0);
            let Some(text) = bytes.get(at..at + length + 2) else { return Ok(None) };
            at += length + 2;
            Reply::Text(text[..length].to_vec())
        }
        "*" => {
            let mut parts = Vec::new();
            for _ in 0..number()? {
                let Some((part, taken)) = reply(&bytes[at..])? else { return Ok(None) };
                at += taken;
                parts.push(part);
            }
            Reply::List(parts)
        }
        other => return Err(format!("a reply of kind `{other}`")),
    };
    Ok(Some((reply, at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_once_it_is_whole() {
        let bytes = b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n:4\r\n";
        let message = bytes.len() - 4;
        for cut in 0..message {
            assert_eq!(reply(&bytes[..cut]), Ok(None), "{cut}");
        }
        let text = |text: &str| Reply::Text(text.as_bytes().to_vec());
        let parts = vec![text("message"), text("c"), text("hi")];
        assert_eq!(reply(bytes), Ok(Some((Reply::List(parts), message))));
        assert_eq!(reply(&bytes[message..]), Ok(Some((Reply::Number(4), 4))));
        assert_eq!(reply(b"-ERR no\r\n"), Err("ERR no".to_owned()));
    }

    #[test]
    fn a_command_is_a_list_of_words() {
        assert_eq!(command(&[b"PUBLISH", b"c"]), b"*2\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n");
    }
}
