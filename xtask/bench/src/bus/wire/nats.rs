//! NATS: core messages on one connection a node, and JetStream, where a publish waits for its acknowledgement.

use super::socket::{Parsed, Socket, line};
use super::{Receiver, Sender, Wire, channel, own_channel, payload};
use crate::bus::node::Spec;
use serde_json::{Value, json};
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

const GREETING: &str =
    "CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":false,\"lang\":\"bench\",\"version\":\"0\"}\r\n";
const ASK: &[u8] = b"PING\r\n";

/// What the server sends.
#[derive(Debug, PartialEq, Eq)]
enum Frame {
    Message(Vec<u8>),
    Ping,
    Pong,
    Other,
}

struct Core {
    stream: TcpStream,
    spec: Spec,
}

struct Reading {
    socket: Socket,
    me: usize,
}

/// A connection that is greeted and listens to a subject.
fn listen(spec: &Spec, subject: &str) -> Result<Socket, String> {
    let mut socket = Socket::connect(&spec.url)?;
    socket.send(format!("{GREETING}SUB {subject} 1\r\n").as_bytes())?;
    socket.send(ASK)?;
    while socket.answer(frame)? != Frame::Pong {}
    Ok(socket)
}

pub(crate) fn core(spec: &Spec) -> Result<Wire, String> {
    let socket = listen(spec, &own_channel(spec))?;
    let sender = Core { stream: socket.writer()?, spec: spec.clone() };
    Ok(Wire {
        sender: Box::new(sender),
        receiver: Box::new(Reading { socket, me: spec.index }),
        janitor: None,
    })
}

impl Sender for Core {
    fn send(&mut self, to: Option<usize>, payload: Value) -> Result<(), String> {
        let bytes = publish(&channel(&self.spec, to), "", &payload.to_string());
        self.stream.write_all(&bytes).map_err(|error| error.to_string())
    }
}

impl Receiver for Reading {
    fn receive(&mut self, limit: Duration) -> Result<Vec<Value>, String> {
        let (mut found, mut wait) = (Vec::new(), limit);
        while let Some(frame) = self.socket.frame(wait, frame)? {
            match frame {
                Frame::Message(text) => {
                    wait = Duration::ZERO;
                    found.extend(payload(self.me, &text));
                }
                // In one write, so that it cannot fall into the middle of what the sender writes.
                Frame::Ping => self.socket.send(b"PONG\r\n")?,
                Frame::Pong | Frame::Other => {}
            }
        }
        Ok(found)
    }
}

/// A connection on which each request has one answer.
struct Asking {
    socket: Socket,
    inbox: String,
}

impl Asking {
    fn open(spec: &Spec) -> Result<Self, String> {
        let inbox = format!("_INBOX.run{}.n{}", spec.run, spec.index);
        Ok(Self { socket: listen(spec, &inbox)?, inbox })
    }

    fn ask(&mut self, subject: &str, text: &str) -> Result<(), String> {
        self.socket.send(&publish(subject, &format!("{} ", self.inbox), text))?;
        loop {
            match self.socket.answer(frame)? {
                Frame::Message(answer) => {
                    let answer: Value = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
                    let refused = &answer["error"];
                    return if refused.is_null() { Ok(()) } else { Err(format!("{subject}: {refused}")) };
                }
                Frame::Ping => self.socket.send(b"PONG\r\n")?,
                Frame::Pong | Frame::Other => {}
            }
        }
    }
}

struct Stream {
    asking: Asking,
    spec: Spec,
}

pub(crate) fn jetstream(spec: &Spec) -> Result<Wire, String> {
    let (stream, own) = (format!("run{}", spec.run), own_channel(spec));
    let subjects: Vec<String> = (0..spec.count).map(Some).chain([None]).map(|to| channel(spec, to)).collect();
    let mut asking = Asking::open(spec)?;
    let wanted = json!({
        "name": stream, "subjects": subjects, "storage": "file", "retention": "limits", "num_replicas": 1,
    });
    asking.ask(&format!("$JS.API.STREAM.CREATE.{stream}"), &wanted.to_string())?;
    let deliver = format!("deliver.{stream}.n{}", spec.index);
    let socket = listen(spec, &deliver)?;
    let wanted = json!({ "stream_name": stream, "config": {
        "deliver_subject": deliver, "deliver_policy": "new", "ack_policy": "none", "replay_policy": "instant",
        "filter_subject": own,
    }});
    asking.ask(&format!("$JS.API.CONSUMER.CREATE.{stream}"), &wanted.to_string())?;
    Ok(Wire {
        sender: Box::new(Stream { asking, spec: spec.clone() }),
        receiver: Box::new(Reading { socket, me: spec.index }),
        janitor: None,
    })
}

impl Sender for Stream {
    fn send(&mut self, to: Option<usize>, payload: Value) -> Result<(), String> {
        self.asking.ask(&channel(&self.spec, to), &payload.to_string())
    }
}

/// `reply` is empty, or a subject and a space.
fn publish(subject: &str, reply: &str, text: &str) -> Vec<u8> {
    format!("PUB {subject} {reply}{}\r\n{text}\r\n", text.len()).into_bytes()
}

fn frame(bytes: &[u8]) -> Parsed<Frame> {
    let Some((head, at)) = line(bytes) else { return Ok(None) };
    let mut words = head.split(' ');
    let frame = match words.next().unwrap_or_default() {
        "PING" => Frame::Ping,
        "PONG" => Frame::Pong,
        "-ERR" => return Err(head.to_owned()),
        "MSG" => {
            let length: usize = words.next_back().and_then(|word| word.parse().ok()).ok_or(head)?;
            let Some(text) = bytes.get(at..at + length + 2) else { return Ok(None) };
            return Ok(Some((Frame::Message(text[..length].to_vec()), at + length + 2)));
        }
        _ => Frame::Other,
    };
    Ok(Some((frame, at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_once_it_is_whole() {
        let bytes = b"MSG run1_all 1 2\r\nhi\r\nPING\r\n";
        for cut in 0..22 {
            assert_eq!(frame(&bytes[..cut]), Ok(None), "{cut}");
        }
        assert_eq!(frame(bytes), Ok(Some((Frame::Message(b"hi".to_vec()), 22))));
        assert_eq!(frame(&bytes[22..]), Ok(Some((Frame::Ping, 6))));
        assert_eq!(frame(b"INFO {}\r\n"), Ok(Some((Frame::Other, 9))));
        assert!(frame(b"-ERR 'no'\r\n").is_err());
    }

    #[test]
    fn an_answer_is_asked_for_by_its_subject() {
        assert_eq!(publish("a", "", "hi"), b"PUB a 2\r\nhi\r\n");
        assert_eq!(publish("a", "r ", "hi"), b"PUB a r 2\r\nhi\r\n");
    }
}
