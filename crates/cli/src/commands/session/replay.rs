//! `coditect session replay`: a session as it happened, in its own time or another.
//!
//! Invariant: what is told and in which order is the journal's; only the waits between are the user's.

use super::super::Outcome;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::{Narrator, Paint, Saying};
use clap::Args;
use client::Client;
use model::{Event, Role, Timestamp};
use protocol::limits::EVENTS_MAX;
use protocol::{EventQuery, EventRecord};
use std::str::FromStr;
use std::time::Duration;

/// Longest silence that is kept when nothing is said.
const GAP_DEFAULT: f64 = 3.0;
/// Fastest and slowest, as a multiple of the time it took.
const SPEED_MAX: f64 = 10_000.0;
const SPEED_MIN: f64 = 0.01;

/// How fast time passes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Speed {
    Times(f64),
    Max,
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        if given == "max" {
            return Ok(Self::Max);
        }
        let times = given.strip_suffix('x').unwrap_or(given).parse::<f64>().ok();
        times
            .filter(|times| (SPEED_MIN..=SPEED_MAX).contains(times))
            .map(Self::Times)
            .ok_or_else(|| format!("a speed is a number from {SPEED_MIN} to {SPEED_MAX}, or `max`"))
    }
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// Id or short id of the session, or the start of it
    session: String,
    /// 2 is twice as fast as it was; `max` does not wait at all
    #[arg(long, default_value = "1")]
    speed: Speed,
    /// Begin with this message, by its id or short id
    #[arg(long, value_name = "MESSAGE")]
    from: Option<String>,
    /// Longest silence that is kept, in seconds, before the speed counts
    #[arg(long, value_name = "SECONDS", default_value_t = GAP_DEFAULT)]
    gap: f64,
}

impl Replay {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        if !(0.0..=86_400.0).contains(&self.gap) {
            return Err(Failure::usage("gap_out_of_range", "a gap is between 0 and 86400 seconds"));
        }
        context.follow(async |client| self.replay(context, client).await)
    }

    async fn replay(&self, context: &Context, client: &Client) -> Outcome {
        let id = client.session(&self.session).await?.value.id.to_string();
        let mut teller = Teller {
            context,
            narrator: Narrator::default(),
            begun: self.from.is_none(),
            pace: Pace { speed: self.speed, gap: Duration::from_secs_f64(self.gap), last: None },
        };
        let mut after = None;
        loop {
            let query =
                EventQuery { after: after.clone(), session: Some(id.clone()), limit: Some(EVENTS_MAX) };
            let page = client.events(&query).await?;
            if page.reset {
                return Err(Failure::failed("history_cut", "the journal was cut while it was replayed")
                    .hint("begin again"));
            }
            for record in &page.items {
                teller.tell(record, self.from.as_deref()).await?;
            }
            let next = Some(page.next.to_string());
            // A page may be empty because others' events were passed over; the cursor tells whether there was anything.
            if after == next || (page.items.is_empty() && after.is_none()) {
                break;
            }
            after = next;
        }
        match (&self.from, teller.begun) {
            (Some(from), false) => {
                Err(Failure::failed("not_found", format!("the session has no message `{from}`"))
                    .hint("`coditect session messages ID --json` lists them with their ids"))
            }
            _ => Ok(Exit::Done),
        }
    }
}

struct Teller<'a> {
    context: &'a Context,
    narrator: Narrator,
    /// The message to begin with has come.
    begun: bool,
    pace: Pace,
}

impl Teller<'_> {
    async fn tell(&mut self, record: &EventRecord, from: Option<&str>) -> Result<(), Failure> {
        // A daemon of a later version knows more kinds than this one.
        let Ok(event) = record.event() else { return Ok(()) };
        if let (false, Some(from)) = (self.begun, from) {
            self.begun = is_message(&event, from);
        }
        // Also of what comes before: who is who is learnt from it.
        let saying = told(&mut self.narrator, &event);
        if !self.begun || (saying.is_none() && !self.context.screen.json) {
            return Ok(());
        }
        if let Some(wait) = self.pace.wait(record.ts) {
            tokio::time::sleep(wait).await;
        }
        match (self.context.screen.json, saying) {
            (true, _) => self.context.screen.streamed(record),
            (false, Some(saying)) => saying.print(&self.context.screen),
            (false, None) => Ok(()),
        }
    }
}

/// What a watcher is told, and what the user said.
fn told(narrator: &mut Narrator, event: &Event) -> Option<Saying> {
    match event {
        Event::MessageAppended(message) if message.role == Role::User => {
            let text = message.text();
            let said = Saying { who: "you".to_owned(), paint: Paint::Note, text };
            Some(said).filter(|said| !said.text.trim().is_empty())
        }
        event => narrator.tell(event),
    }
}

fn is_message(event: &Event, given: &str) -> bool {
    let Event::MessageAppended(message) = event else { return false };
    let short = given.len() >= model::SHORT_ID_MIN && message.id.short().starts_with(given);
    short || message.id.to_string() == given
}

/// When the next thing is told.
struct Pace {
    speed: Speed,
    gap: Duration,
    last: Option<Timestamp>,
}

impl Pace {
    /// How long to wait before what happened then. What was written out of order waits for nothing.
    fn wait(&mut self, at: Timestamp) -> Option<Duration> {
        let last = self.last.replace(at)?;
        let Speed::Times(times) = self.speed else { return None };
        let silence = u64::try_from(at.as_millis().saturating_sub(last.as_millis())).unwrap_or(0);
        Some(Duration::from_millis(silence).min(self.gap).div_f64(times)).filter(|wait| !wait.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(speed: &str, gap: u64, times: &[i64]) -> Vec<u64> {
        let mut pace = Pace { speed: speed.parse().unwrap(), gap: Duration::from_secs(gap), last: None };
        let wait =
            |at: &i64| pace.wait(Timestamp::from_millis(*at)).map_or(0, |wait| wait.as_millis() as u64);
        times.iter().map(wait).collect()
    }

    #[test]
    fn time_passes_as_it_did_or_faster_and_silence_has_a_limit() {
        let times = [1_000, 1_500, 61_500, 61_500, 60_000, 61_000];
        assert_eq!(waits("1", 3, &times), [0, 500, 3_000, 0, 0, 1_000]);
        assert_eq!(waits("2x", 3, &times), [0, 250, 1_500, 0, 0, 500]);
        assert_eq!(waits("0.5", 60, &times), [0, 1_000, 120_000, 0, 0, 2_000]);
        assert_eq!(waits("max", 60, &times), [0; 6]);
    }

    #[test]
    fn a_speed_is_a_number_within_bounds_or_max() {
        for good in ["max", "1", "0.01", "10000", "1.5x"] {
            assert!(good.parse::<Speed>().is_ok(), "{good}");
        }
        for bad in ["", "0", "-1", "10001", "fast", "NaN", "inf", "0.001"] {
            assert!(bad.parse::<Speed>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_message_is_found_by_its_id_or_the_start_of_its_short_one() {
        let message =
            testkit::every_event().into_iter().find(|event| matches!(event, Event::MessageAppended(_)));
        let Some(Event::MessageAppended(message)) = message else { panic!("there is a message") };
        let event = Event::MessageAppended(message.clone());
        for good in [message.id.to_string(), message.id.short(), message.id.short()[..4].to_owned()] {
            assert!(is_message(&event, &good), "{good}");
        }
        for bad in ["", "zzzz", &message.id.short()[..3]] {
            assert!(!is_message(&event, bad), "{bad}");
        }
    }
}
