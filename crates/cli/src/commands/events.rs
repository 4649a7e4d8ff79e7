//! `coditect events`: the journal's facts, as they are.

use super::Outcome;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use clap::{Args, Subcommand};
use client::{Client, StreamItem};
use model::{Cursor, Timestamp};
use protocol::limits::EVENTS_MAX;
use protocol::ws::{Feed, ServerMessage, Subscription};
use protocol::{EventQuery, EventRecord};
use std::str::FromStr;
use std::time::Duration;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// How long a daemon may be away before following ends.
const DAEMON_AWAY_MAX: Duration = Duration::from_secs(60);

#[derive(Debug, Subcommand)]
pub(crate) enum Events {
    /// Print events as they happen, one JSON value per line with --json
    #[command(after_help = "Examples:\n  coditect events tail\n  coditect events tail --session 7k2m --json")]
    Tail(Which),
    /// Print all events there are, one JSON value per line with --json
    #[command(
        after_help = "Examples:\n  coditect events export --json > events.jsonl\n  coditect events export --from 2026-01-31 --to 2026-02-02 --session 7k2m --json"
    )]
    Export(Export),
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    which: Which,
    /// Only what happened at or after this time, written 2026-01-31T14:23:00Z, or from this day on
    #[arg(long, value_name = "TIME")]
    from: Option<Moment>,
    /// Only what happened before this time, or before the end of this day
    #[arg(long, value_name = "TIME")]
    to: Option<Moment>,
}

/// A time, or a whole day (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    begins: Timestamp,
    ends: Timestamp,
}

impl Moment {
    pub(crate) fn begins(self) -> Timestamp {
        self.begins
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        let refused =
            || format!("`{given}` is no time: write 2026-01-31T14:23:00Z, or 2026-01-31 for the whole day");
        if let Ok(at) = given.parse::<Timestamp>() {
            return Ok(Self { begins: at, ends: at });
        }
        let begins = format!("{given}T00:00:00Z").parse::<Timestamp>().map_err(|_| refused())?;
        Ok(Self { begins, ends: Timestamp::from_millis(begins.as_millis() + DAY_MS) })
    }
}

impl Export {
    fn wants(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| at >= from.begins) && self.to.is_none_or(|to| at < to.ends)
    }
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

async fn export(context: &Context, client: &Client, export: Export) -> Outcome {
    let which = &export.which;
    let mut after = which.after.map(|cursor| cursor.to_string());
    loop {
        let query = EventQuery { after, session: which.session.clone(), limit: Some(EVENTS_MAX) };
        let page = client.events(&query).await?;
        if page.reset {
            return Err(Failure::failed("history_cut", "the history asked for is not there")
                .hint("leave --after out to begin with the oldest event there is"));
        }
        for record in page.items.iter().filter(|record| export.wants(record.ts)) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_from_its_first_moment_to_its_last() {
        let day = |from: &str, to: &str| Export {
            which: Which { session: None, after: None },
            from: Some(from.parse().unwrap()),
            to: Some(to.parse().unwrap()),
        };
        let export = day("2026-01-31", "2026-01-31");
        for (at, wanted) in [
            ("2026-01-30T23:59:59.999Z", false),
            ("2026-01-31T00:00:00Z", true),
            ("2026-01-31T23:59:59.999Z", true),
            ("2026-02-01T00:00:00Z", false),
        ] {
            assert_eq!(export.wants(at.parse().unwrap()), wanted, "{at}");
        }
        let moment = day("2026-01-31T14:00:00Z", "2026-01-31T15:00:00Z");
        assert!(moment.wants("2026-01-31T14:00:00Z".parse().unwrap()));
        assert!(!moment.wants("2026-01-31T15:00:00Z".parse().unwrap()));
        for bad in ["", "yesterday", "2026-13-01", "31.1.2026"] {
            assert!(bad.parse::<Moment>().is_err(), "{bad}");
        }
    }
}
