//! `coditect events`: the journal's facts, as they are.

use super::Outcome;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use clap::{Args, Subcommand};
use client::{Client, StreamItem};
use model::Cursor;
use protocol::limits::EVENTS_MAX;
use protocol::ws::{Feed, ServerMessage, Subscription};
use protocol::{EventQuery, EventRecord};
use std::time::Duration;

/// How long a daemon may be away before following ends.
const DAEMON_AWAY_MAX: Duration = Duration::from_secs(60);

#[derive(Debug, Subcommand)]
pub(crate) enum Events {
    /// Print events as they happen, one JSON value per line with --json
    #[command(after_help = "Examples:\n  coditect events tail\n  coditect events tail --session 7k2m --json")]
    Tail(Which),
    /// Print all events there are, one JSON value per line with --json
    #[command(
        after_help = "Examples:\n  coditect events export --json > events.jsonl\n  coditect events export --after 1.42 --json"
    )]
    Export(Which),
}

#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Only events of this session
    #[arg(long)]
    session: Option<String>,
    /// Only events after this one, written `epoch.seq`
    #[arg(long, value_name = "CURSOR")]
    after: Option<Cursor>,
}

impl Events {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Tail(which) => context.follow(async |client| tail(context, client, which).await),
            Self::Export(which) => context.follow(async |client| export(context, client, which).await),
        }
    }
}

async fn tail(context: &Context, client: &Client, which: Which) -> Outcome {
    let subscription =
        Subscription { after: which.after, session: which.session, feeds: vec![Feed::Events], client: None };
    let mut stream = client.watch(subscription, Some(DAEMON_AWAY_MAX));
    loop {
        match stream.next().await? {
            StreamItem::Resumed => context.screen.say("the daemon was away and is back; nothing was missed"),
            StreamItem::Message(message) => match *message {
                ServerMessage::Event(record) => print(context, &record)?,
                ServerMessage::Reset(newest) => {
                    let newest = newest.newest;
                    context
                        .screen
                        .say(&format!("the history asked for is not there; going on after {newest}"));
                }
                ServerMessage::Error(complaint) => {
                    return Err(Failure::failed(&complaint.code, complaint.message));
                }
                _ => {}
            },
        }
    }
}

async fn export(context: &Context, client: &Client, which: Which) -> Outcome {
    let mut after = which.after.map(|cursor| cursor.to_string());
    loop {
        let query = EventQuery { after, session: which.session.clone(), limit: Some(EVENTS_MAX) };
        let page = client.events(&query).await?;
        if page.reset {
            return Err(Failure::failed("history_cut", "the history asked for is not there")
                .hint("leave --after out to begin with the oldest event there is"));
        }
        for record in &page.items {
            print(context, record)?;
        }
        let next = page.next.to_string();
        // A page may be empty because a filter passed everything over; the cursor tells whether there was anything.
        if query.after.as_deref() == Some(next.as_str()) || (page.items.is_empty() && query.after.is_none()) {
            return Ok(Exit::Done);
        }
        after = Some(next);
    }
}

fn print(context: &Context, record: &EventRecord) -> Result<(), Failure> {
    if context.screen.json {
        return context.screen.streamed(record);
    }
    let session = record.session.map_or_else(|| "-".to_owned(), |session| session.short());
    let line = format!(
        "{}\t{}\t{}\t{}\t{session}\t{}",
        record.cursor, record.ts, record.kind, record.actor, record.payload
    );
    context.screen.text(&line)
}
