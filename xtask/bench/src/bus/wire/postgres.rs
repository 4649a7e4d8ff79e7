//! PostgreSQL: `NOTIFY` with the payload in it, and rows in a table for which `NOTIFY` only rings.

use super::socket::{ANSWER_MOST, Parsed, Socket};
use super::{Receiver, Sender, Wire, channel, own_channel, payload};
use crate::bus::node::Spec;
use serde_json::Value;
use std::time::{Duration, Instant};

/// The version of the protocol, 3.0.
const PROTOCOL: i32 = 196_608;
/// Ours is the only prepared statement of its connection.
const STATEMENT: &str = "s";
/// How often a table is asked for that others make at the same moment.
const TRIES: usize = 50;

/// A message of the server: its kind and its body.
type Message = (u8, Vec<u8>);
type Row = Vec<Option<Vec<u8>>>;

struct Client {
    socket: Socket,
    /// Payloads of notifications that came between answers.
    rung: Vec<Vec<u8>>,
}

impl Client {
    fn connect(url: &str) -> Result<Self, String> {
        let (user, password) = person(url).ok_or("the URL names nobody")?;
        let mut client = Self { socket: Socket::connect(url)?, rung: Vec::new() };
        let mut body = PROTOCOL.to_be_bytes().to_vec();
        for word in ["user", user, "database", "postgres", ""] {
            body.extend(word.bytes());
            body.push(0);
        }
        let length = body.len() as i32 + 4;
        client.socket.send(&[&length.to_be_bytes()[..], &body].concat())?;
        loop {
            let (kind, body) = client.socket.answer(message)?;
            match (kind, body.get(..4)) {
                // The password as it is: on loopback, to a server of our own.
                (b'R', Some([0, 0, 0, 3])) => client.socket.send(&told(b'p', &text(password)))?,
                (b'R', Some([0, 0, 0, 0])) => {
                    client.rows()?;
                    return Ok(client);
                }
                (b'E', _) => return Err(refusal(&body)),
                other => return Err(format!("the server wants a proof of a kind we have not: {other:?}")),
            }
        }
    }

    /// Runs statements that have no parameters.
    fn run(&mut self, sql: &str) -> Result<(), String> {
        self.socket.send(&told(b'Q', &text(sql)))?;
        self.rows().map(drop)
    }

    fn prepare(&mut self, sql: &str) -> Result<(), String> {
        let body = [text(STATEMENT), text(sql), vec![0, 0]].concat();
        self.socket.send(&[told(b'P', &body), told(b'S', b"")].concat())?;
        self.rows().map(drop)
    }

    /// Runs the prepared statement, with everything as text.
    fn execute(&mut self, values: &[&str]) -> Result<Vec<Row>, String> {
        let mut bind = [text(""), text(STATEMENT), vec![0, 0]].concat();
        bind.extend((values.len() as i16).to_be_bytes());
        for value in values {
            bind.extend((value.len() as i32).to_be_bytes());
            bind.extend(value.bytes());
        }
        bind.extend([0, 0]);
        let execute = [text(""), vec![0; 4]].concat();
        self.socket.send(&[told(b'B', &bind), told(b'E', &execute), told(b'S', b"")].concat())?;
        self.rows()
    }

    /// Rows until the server is ready for more, or what it refused.
    fn rows(&mut self) -> Result<Vec<Row>, String> {
        let (mut rows, mut refused) = (Vec::new(), None);
        loop {
            let (kind, body) = self.socket.answer(message)?;
            match kind {
                b'D' => rows.push(row(&body).ok_or("a row that is cut short")?),
                b'E' => refused = Some(refusal(&body)),
                b'A' => self.rung.extend(notified(&body)),
                b'Z' => return refused.map_or(Ok(rows), Err),
                _ => {}
            }
        }
    }

    /// Payloads of notifications, waiting for one at most this long.
    fn listen(&mut self, limit: Duration) -> Result<Vec<Vec<u8>>, String> {
        let mut wait = if self.rung.is_empty() { limit } else { Duration::ZERO };
        while let Some((kind, body)) = self.socket.frame(wait, message)? {
            if kind == b'A' {
                wait = Duration::ZERO;
                self.rung.extend(notified(&body));
            }
        }
        Ok(std::mem::take(&mut self.rung))
    }
}

struct Notify {
    client: Client,
    spec: Spec,
}

struct Listening {
    client: Client,
    me: usize,
}

pub(crate) fn notify(spec: &Spec) -> Result<Wire, String> {
    let mut client = Client::connect(&spec.url)?;
    client.prepare("SELECT pg_notify($1::text, $2::text)")?;
    let mut listening = Client::connect(&spec.url)?;
    listening.run(&format!("LISTEN {}", own_channel(spec)))?;
    Ok(Wire {
        sender: Box::new(Notify { client, spec: spec.clone() }),
        receiver: Box::new(Listening { client: listening, me: spec.index }),
        janitor: None,
    })
}

impl Sender for Notify {
    fn send(&mut self, to: Option<usize>, payload: Value) -> Result<(), String> {
        self.client.execute(&[&channel(&self.spec, to), &payload.to_string()]).map(drop)
    }
}

impl Receiver for Listening {
    fn receive(&mut self, limit: Duration) -> Result<Vec<Value>, String> {
        let found = self.client.listen(limit)?;
        Ok(found.iter().filter_map(|text| payload(self.me, text)).collect())
    }
}

struct Inserting {
    client: Client,
    spec: Spec,
}

struct Selecting {
    client: Client,
    channel: String,
    me: usize,
    cursor: String,
}

pub(crate) fn table(spec: &Spec) -> Result<Wire, String> {
    let (table, channel) = (format!("notices_run{}", spec.run), own_channel(spec));
    let mut client = Client::connect(&spec.url)?;
    let create = format!(
        "CREATE TABLE IF NOT EXISTS {table} (id bigserial PRIMARY KEY, sender text NOT NULL, channel text NOT NULL,
            payload text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
         CREATE INDEX IF NOT EXISTS {table}_by_channel ON {table} (channel, id)"
    );
    // All come at once, and PostgreSQL lets the second one fail.
    let begun = Instant::now();
    let mut made = client.run(&create);
    for _ in 0..TRIES {
        if made.is_ok() || begun.elapsed() > ANSWER_MOST {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
        made = client.run(&create);
    }
    made?;
    if !spec.power {
        client.run("SET synchronous_commit = off")?;
    }
    client.prepare(&format!(
        "WITH said AS (INSERT INTO {table} (sender, channel, payload) VALUES ($1::text, $2::text, $3::text)
            RETURNING channel)
         SELECT pg_notify(channel, '') FROM said"
    ))?;
    let mut reading = Client::connect(&spec.url)?;
    reading.run(&format!("LISTEN {channel}"))?;
    reading.prepare(&format!(
        "SELECT id, payload FROM {table}
         WHERE channel = $1::text AND sender <> $2::text AND id > $3::bigint ORDER BY id LIMIT 256"
    ))?;
    let receiver = Selecting { client: reading, channel, me: spec.index, cursor: "0".to_owned() };
    let sender = Box::new(Inserting { client, spec: spec.clone() });
    Ok(Wire { sender, receiver: Box::new(receiver), janitor: None })
}

impl Sender for Inserting {
    fn send(&mut self, to: Option<usize>, payload: Value) -> Result<(), String> {
        let me = self.spec.index.to_string();
        self.client.execute(&[&me, &channel(&self.spec, to), &payload.to_string()]).map(drop)
    }
}

impl Receiver for Selecting {
    fn receive(&mut self, limit: Duration) -> Result<Vec<Value>, String> {
        if self.client.listen(limit)?.is_empty() {
            return Ok(Vec::new());
        }
        let me = self.me.to_string();
        let rows = self.client.execute(&[&self.channel, &me, &self.cursor])?;
        let mut found = Vec::new();
        for row in rows {
            if let [Some(id), Some(text)] = row.as_slice() {
                self.cursor = String::from_utf8_lossy(id).into_owned();
                found.extend(payload(self.me, text));
            }
        }
        Ok(found)
    }
}

/// Who connects, and the password.
fn person(url: &str) -> Option<(&str, &str)> {
    url.split_once("//")?.1.rsplit_once('@')?.0.split_once(':')
}

fn text(word: &str) -> Vec<u8> {
    [word.as_bytes(), &[0]].concat()
}

fn told(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len() as i32 + 4;
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

fn message(bytes: &[u8]) -> Parsed<Message> {
    let Some(length) = number(bytes, 1) else { return Ok(None) };
    let end = usize::try_from(length).ok().and_then(|length| length.checked_add(1)).ok_or("no length")?;
    Ok(bytes.get(5..end).map(|body| ((bytes[0], body.to_vec()), end)))
}

fn number(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn row(body: &[u8]) -> Option<Row> {
    let count = i16::from_be_bytes(body.get(..2)?.try_into().ok()?);
    let mut at = 2;
    let mut row = Vec::new();
    for _ in 0..count {
        let length = number(body, at)?;
        at += 4;
        // Nothing is NULL that says less than nothing.
        let Ok(length) = usize::try_from(length) else {
            row.push(None);
            continue;
        };
        row.push(Some(body.get(at..at + length)?.to_vec()));
        at += length;
    }
    Some(row)
}

/// What a notification carries: after the sender's process and the channel.
fn notified(body: &[u8]) -> Option<Vec<u8>> {
    body.get(4..)?.split(|byte| *byte == 0).nth(1).map(<[u8]>::to_vec)
}

fn refusal(body: &[u8]) -> String {
    let fields = body.split(|byte| *byte == 0).filter_map(|field| field.split_first());
    let said = fields.into_iter().find(|(kind, _)| **kind == b'M');
    said.map_or_else(|| "refused".to_owned(), |(_, words)| String::from_utf8_lossy(words).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_once_it_is_whole() {
        let bytes = [told(b'A', b"\0\0\0\x01chan\0hello\0"), told(b'Z', b"I")].concat();
        for cut in 0..20 {
            assert_eq!(message(&bytes[..cut]), Ok(None), "{cut}");
        }
        let (found, taken) = message(&bytes).unwrap().unwrap();
        assert_eq!((found.0, notified(&found.1)), (b'A', Some(b"hello".to_vec())));
        assert_eq!(message(&bytes[taken..]), Ok(Some(((b'Z', b"I".to_vec()), 6))));
    }

    #[test]
    fn a_row_has_values_and_nothings() {
        let body = [&[0, 2][..], &2i32.to_be_bytes(), b"42", &(-1i32).to_be_bytes()].concat();
        assert_eq!(row(&body), Some(vec![Some(b"42".to_vec()), None]));
        assert_eq!(row(&body[..7]), None);
    }

    #[test]
    fn what_was_refused_and_who_asked_are_read() {
        assert_eq!(refusal(b"SERROR\0C42P01\0Mno such table\0\0"), "no such table");
        assert_eq!(person("postgresql://ada:secret@127.0.0.1:1/x"), Some(("ada", "secret")));
    }
}
