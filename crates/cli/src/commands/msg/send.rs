//! `coditect msg send` and `coditect msg reply`.

use super::super::Outcome;
use super::shown::{living, table};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::holder::{Acting, Holder, acting};
use crate::roster::Roster;
use bus::{AckRule, Bus, Durability, NewNotice};
use clap::{Args, ValueEnum};
use model::{Channel, NOTICE_PAYLOAD_MAX, RegistrationId};
use protocol::Notice;
use serde_json::{Value, json};

/// How often a notice is handed out when `--attempts` does not say.
const ATTEMPTS_DEFAULT: u32 = 3;

#[derive(Debug, Args)]
pub(crate) struct Send {
    /// `state`, `file_conflict`, `task_broadcast`, `heartbeat`, or a name of yours
    channel: Channel,
    #[command(flatten)]
    letter: Letter,
    /// Only for this session: its id, a start of its short id, or its name. Several make a set
    #[arg(long, value_name = "SESSION")]
    to: Vec<String>,
    /// Ties notices together
    #[arg(long, value_name = "NAME")]
    thread: Option<String>,
    /// The notice this one answers; `msg reply` does the rest, too
    #[arg(long, value_name = "ID")]
    reply_to: Option<i64>,
}

#[derive(Debug, Args)]
pub(crate) struct Reply {
    /// The notice to answer
    id: i64,
    #[command(flatten)]
    letter: Letter,
}

/// What is said, and how.
#[derive(Debug, Args)]
pub(crate) struct Letter {
    /// What to say; `-` reads it from stdin
    text: String,
    /// The text is JSON and goes out as it is, instead of as {"text": …}
    #[arg(long)]
    payload: bool,
    /// Higher comes first in an inbox
    #[arg(long, value_name = "NUMBER", default_value_t = 0, allow_negative_numbers = true)]
    priority: i32,
    /// Each recipient is to acknowledge it within so many seconds, or gets it again
    #[arg(long, value_name = "SECONDS")]
    ack_within: Option<u32>,
    /// How often it is handed out before it is given up, 1 to 10; 3 without it
    #[arg(long, value_name = "NUMBER", requires = "ack_within")]
    attempts: Option<u32>,
    /// Seconds the notice lives; without it the channel decides
    #[arg(long, value_name = "SECONDS")]
    ttl: Option<u32>,
    /// The same key of the same sender publishes once
    #[arg(long)]
    key: Option<String>,
    /// What the notice survives
    #[arg(long, value_enum, default_value = "process")]
    durable: Durable,
    #[command(flatten)]
    holder: Holder,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Durable {
    /// The death of any process
    Process,
    /// A power cut too: it waits for the disk
    Power,
}

impl Letter {
    fn body(&self, context: &Context) -> Result<Value, Failure> {
        let text = context.text_within(&self.text, NOTICE_PAYLOAD_MAX as u64 + 1)?;
        if text.len() > NOTICE_PAYLOAD_MAX {
            let words = format!("a notice carries at most {NOTICE_PAYLOAD_MAX} bytes, and this is more");
            return Err(Failure::usage("payload_too_large", words)
                .hint("put it into a file of the worktree and send its path"));
        }
        if !self.payload {
            return Ok(json!({ "text": text }));
        }
        serde_json::from_str(&text).map_err(|error| {
            Failure::usage("bad_payload", format!("the payload is not JSON: {error}"))
                .hint("leave --payload out to send plain text")
        })
    }

    fn notice(&self, acting: Acting, channel: Channel, payload: Value) -> NewNotice {
        NewNotice {
            ttl_seconds: self.ttl,
            key: self.key.clone(),
            priority: self.priority,
            ack: self
                .ack_within
                .map(|seconds| AckRule { seconds, attempts: self.attempts.unwrap_or(ATTEMPTS_DEFAULT) }),
            durability: match self.durable {
                Durable::Process => Durability::Process,
                Durable::Power => Durability::Power,
            },
            ..NewNotice::new(acting.id, channel, payload)
        }
    }
}

impl Send {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let payload = self.letter.body(context)?;
        if self.channel == Channel::heartbeat() && !says_nothing(&payload) {
            let words = "a heartbeat carries no text; it says only that you are there";
            return Err(Failure::usage("heartbeat_text", words).hint(
                "send an empty text (`coditect msg send heartbeat \"\"`), or the text on another channel: `state`",
            ));
        }
        let bus = context.bus()?;
        let mut to = recipients(&bus, &self.to)?;
        let acting = acting(context, &bus, &self.letter.holder, None)?;
        let new = self.letter.notice(acting, self.channel, payload);
        let one = (to.len() == 1).then(|| to.remove(0));
        let new =
            NewNotice { recipient: one, recipients: to, thread: self.thread, reply_to: self.reply_to, ..new };
        publish(context, &bus, acting, new)
    }
}

impl Reply {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let payload = self.letter.body(context)?;
        let bus = context.bus()?;
        let asked = living(&bus, self.id)?;
        let acting = acting(context, &bus, &self.letter.holder, None)?;
        let new = self.letter.notice(acting, asked.channel, payload);
        let new = NewNotice {
            recipient: Some(asked.sender),
            thread: asked.envelope.thread,
            reply_to: Some(self.id),
            ..new
        };
        publish(context, &bus, acting, new)
    }
}

fn says_nothing(payload: &Value) -> bool {
    match payload {
        Value::Null => true,
        Value::Object(fields) => fields.values().all(|value| value == ""),
        _ => false,
    }
}

fn recipients(bus: &Bus, given: &[String]) -> Result<Vec<RegistrationId>, Failure> {
    if given.is_empty() {
        return Ok(Vec::new());
    }
    let roster = Roster::read(bus)?;
    let mut found = Vec::new();
    for name in given {
        let id = roster.find(name)?;
        if !found.contains(&id) {
            found.push(id);
        }
    }
    Ok(found)
}

fn publish(context: &Context, bus: &Bus, acting: Acting, new: NewNotice) -> Outcome {
    let sent = bus.publish(new);
    if acting.made {
        bus.end(acting.id, "finished")?;
    }
    let notice = Notice::from(sent?);
    context.screen.show(&notice, || table(context, std::slice::from_ref(&notice)))?;
    Ok(Exit::Done)
}
