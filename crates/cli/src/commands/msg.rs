//! `coditect msg`: notices between sessions, straight on the bus.

use super::Outcome;
use super::lock::{Holder, acting};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::{Cell, Paint, Table};
use bus::{NewNotice, NoticeQuery};
use clap::{Args, Subcommand};
use model::{Channel, RegistrationId};
use protocol::{Notice, Page};
use serde_json::{Value, json};
use std::time::Duration;

/// How often the bus is looked at while following it. Reading wakes nobody and registers nobody.
const LOOK_EVERY: Duration = Duration::from_millis(50);

#[derive(Debug, Subcommand)]
pub(crate) enum Msg {
    /// Publish a notice on a channel
    #[command(
        after_help = "Examples:\n  coditect msg send task_broadcast \"main is frozen until noon\"\n  coditect msg send state - --payload --ttl 60"
    )]
    Send(Send),
    /// List the notices that are still alive, oldest first
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  coditect msg list\n  coditect msg list --channel file_conflict --json"
    )]
    List(List),
    /// Print notices as they come, one JSON value per line with --json
    #[command(
        after_help = "Examples:\n  coditect msg tail\n  coditect msg tail --channel task_broadcast --json"
    )]
    Tail(Tail),
}

#[derive(Debug, Args)]
pub(crate) struct Send {
    /// `state`, `file_conflict`, `task_broadcast`, `heartbeat`, or a name of yours
    channel: Channel,
    /// What to say; `-` reads it from stdin
    text: String,
    /// The text is JSON and goes out as it is, instead of as {"text": …}
    #[arg(long)]
    payload: bool,
    /// Only for this registration
    #[arg(long, value_name = "REGISTRATION")]
    to: Option<RegistrationId>,
    /// Seconds the notice lives; without it the channel decides
    #[arg(long, value_name = "SECONDS")]
    ttl: Option<u32>,
    /// The same key of the same sender publishes once
    #[arg(long)]
    key: Option<String>,
    #[command(flatten)]
    holder: Holder,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only this channel
    #[arg(long)]
    channel: Option<Channel>,
    /// Only notices after this one
    #[arg(long, value_name = "ID", default_value_t = 0)]
    after: i64,
    /// At most this many, the oldest of them
    #[arg(long, default_value_t = 200)]
    limit: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// Only this channel
    #[arg(long)]
    channel: Option<Channel>,
    /// Begin after this notice; without it, with the next one
    #[arg(long, value_name = "ID")]
    after: Option<i64>,
}

impl Msg {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Send(command) => command.run(context),
            Self::List(command) => command.run(context),
            Self::Tail(command) => command.run(context),
        }
    }
}

impl Send {
    fn run(self, context: &Context) -> Outcome {
        let text = context.text(&self.text)?;
        let payload: Value = match self.payload {
            false => json!({ "text": text }),
            true => serde_json::from_str(&text).map_err(|error| {
                Failure::usage("bad_payload", format!("the payload is not JSON: {error}"))
                    .hint("leave --payload out to send plain text")
            })?,
        };
        let bus = context.bus()?;
        let acting = acting(context, &bus, &self.holder, None)?;
        let sent = bus.publish(NewNotice {
            recipient: self.to,
            ttl_seconds: self.ttl,
            key: self.key,
            ..NewNotice::new(acting.id, self.channel, payload)
        });
        if acting.made {
            bus.end(acting.id, "finished")?;
        }
        let notice = Notice::from(sent?);
        context.screen.show(&notice, || table(context, std::slice::from_ref(&notice)))?;
        Ok(Exit::Done)
    }
}

impl List {
    fn run(self, context: &Context) -> Outcome {
        let query = NoticeQuery {
            after: self.after,
            channel: self.channel,
            limit: self.limit.clamp(1, bus::NOTICE_PAGE_MAX),
            ..NoticeQuery::default()
        };
        let (notices, next) = match context.present_bus()? {
            None => (Vec::new(), None),
            Some(bus) => {
                let page = bus.notices(&query)?;
                let full = page.notices.len() == query.limit;
                (page.notices, full.then(|| page.next.to_string()))
            }
        };
        let page = Page { items: notices.into_iter().map(Notice::from).collect(), next };
        context.screen.show(&page, || table(context, &page.items))?;
        if page.items.is_empty() && !context.screen.json {
            context.screen.say("no notices");
        }
        Ok(Exit::Done)
    }
}

impl Tail {
    fn run(self, context: &Context) -> Outcome {
        let bus = context.bus()?;
        let clock = &context.host.clock;
        let deadline = context.patience().map(|limit| clock.uptime() + limit);
        let mut query = NoticeQuery {
            after: self.after.unwrap_or(0),
            generation: Some(bus.generation()?),
            channel: self.channel,
            ..NoticeQuery::default()
        };
        if self.after.is_none() {
            // The newest of all: pages are read until there are no more.
            loop {
                let page = bus.notices(&query)?;
                query.after = page.next;
                if page.notices.is_empty() {
                    break;
                }
            }
        }
        loop {
            let page = bus.notices(&query)?;
            query.after = page.next;
            for notice in page.notices.into_iter().map(Notice::from) {
                match context.screen.json {
                    true => context.screen.streamed(&notice)?,
                    false => context.screen.spoken(&notice.agent, Paint::Note, &words(&notice))?,
                }
            }
            if deadline.is_some_and(|deadline| clock.uptime() >= deadline) {
                return Ok(Exit::Done);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

fn words(notice: &Notice) -> String {
    format!("{}  {}", notice.channel, said(&notice.payload))
}

/// The text of a notice, or its payload when it is not just a text.
fn said(payload: &Value) -> String {
    match payload.as_object() {
        Some(fields) if fields.len() == 1 => {
            fields.get("text").and_then(Value::as_str).map_or_else(|| payload.to_string(), str::to_owned)
        }
        _ => payload.to_string(),
    }
}

fn table(context: &Context, notices: &[Notice]) -> Table {
    Table::of(&["ID", "CHANNEL", "FROM", "SAYS", "SENT"], notices, |notice| {
        vec![
            Cell::new(notice.id.to_string()).paint(Paint::Dim),
            Cell::new(notice.channel.as_str()).paint(Paint::Note),
            Cell::new(&notice.agent).paint(Paint::Strong),
            Cell::new(said(&notice.payload)).piped(notice.payload.to_string()),
            Cell::time(context.now(), notice.created_at),
        ]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_says_its_text_or_its_payload() {
        assert_eq!(said(&json!({ "text": "hi" })), "hi");
        assert_eq!(said(&json!({ "text": "hi", "path": "a" })), r#"{"text":"hi","path":"a"}"#);
        assert_eq!(said(&json!([1])), "[1]");
    }
}
