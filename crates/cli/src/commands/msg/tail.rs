//! `coditect msg tail`.

use super::super::Outcome;
use super::shown::words;
use super::start::{Start, cursor};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::holder::Myself;
use crate::render::Paint;
use bus::{Bus, NoticePage, NoticeQuery, Position, Replay};
use clap::Args;
use model::{Channel, RegistrationId, Timestamp};
use protocol::Notice;
use serde::Serialize;
use std::collections::HashMap;
use std::time::Duration;

/// How often the bus is looked at while following it without a bell of one's own. Reading wakes nobody and registers
/// nobody.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The time of a heartbeat is worked out from the time since boot at each look, and so differs a little from look to
/// look; what is closer together than this is one heartbeat.
const BEAT_BLUR: Duration = Duration::from_millis(100);
/// How long one wait at a bell lasts before the command looks at its own time limit.
const WAIT_ROUND: Duration = Duration::from_secs(1);
/// Name of the cursor that `--as` moves.
const CURSOR: &str = "tail";

#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// Only this channel
    #[arg(long)]
    channel: Option<Channel>,
    /// Only what is for you: addressed to you, or sent to everybody on a channel you listen to
    #[arg(long = "for", value_name = "WHOM", value_parser = ["me"])]
    for_me: Option<String>,
    /// Where to begin: `beginning`, `now`, a time, so long ago (10m), a notice's id, or a cursor; `now` without it
    #[arg(long, value_name = "WHERE")]
    from: Option<Start>,
    /// Remember under this name how far was read, and go on there the next time
    #[arg(long = "as", value_name = "CONSUMER")]
    consumer: Option<String>,
    /// Print what there is and end
    #[arg(long)]
    no_follow: bool,
    #[command(flatten)]
    myself: Myself,
}

/// A notice and where to read on after it.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    notice: &'a Notice,
    cursor: String,
}

/// A reader that remembers, or does not.
struct Reader<'a> {
    bus: &'a Bus,
    query: NoticeQuery,
    consumer: Option<String>,
    me: Option<RegistrationId>,
    /// When each session's heartbeat that was shown last was made: on `heartbeat`, which has no positions.
    beats: HashMap<RegistrationId, Timestamp>,
}

impl Tail {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let bus = context.bus()?;
        let me = self.for_me.as_ref().map(|_| self.myself.known(context, &bus)).transpose()?;
        let clock = &context.host.clock;
        let deadline = context.patience().map(|limit| clock.uptime() + limit);
        let mut reader = self.reader(context, &bus, me)?;
        loop {
            let left = deadline.map(|deadline| deadline.saturating_sub(clock.uptime()));
            let over = self.no_follow || left.is_some_and(|left| left.is_zero());
            let limit = if over { Duration::ZERO } else { left.unwrap_or(WAIT_ROUND).min(WAIT_ROUND) };
            let page = reader.next(limit)?;
            let empty = page.notices.is_empty();
            for notice in page.notices.into_iter().map(Notice::from) {
                let cursor = cursor(&page.generation, notice.id);
                match context.screen.json {
                    true => context.screen.streamed(&Line { notice: &notice, cursor })?,
                    false => context.screen.spoken(&notice.agent, Paint::Note, &words(&notice))?,
                }
            }
            // Printed, so it need not come again.
            reader.dealt_with()?;
            // Heartbeats never come to an end; there they are shown once.
            if over && (empty || reader.is_of_heartbeats()) {
                return Ok(Exit::Done);
            }
        }
    }

    fn reader<'a>(
        &self,
        context: &Context,
        bus: &'a Bus,
        me: Option<RegistrationId>,
    ) -> Result<Reader<'a>, Failure> {
        let known = match (&self.consumer, &self.from) {
            (Some(consumer), None) => bus.cursor(consumer, CURSOR)?.map(Replay::After),
            _ => None,
        };
        let start = self.from.as_ref().unwrap_or(&Start::Now);
        let replay = known.map_or_else(|| start.replay(bus, context.now()), Ok)?;
        let base = NoticeQuery { channel: self.channel.clone(), recipient: me, ..NoticeQuery::default() };
        let query = bus.from(&replay, base)?;
        if let (Some(consumer), Some(_)) = (&self.consumer, &self.from) {
            bus.forget_cursor(consumer, CURSOR)?;
        }
        Ok(Reader { bus, query, consumer: self.consumer.clone(), me, beats: HashMap::new() })
    }
}

impl Reader<'_> {
    /// The next page, waiting for it up to `limit`.
    fn next(&mut self, limit: Duration) -> Result<NoticePage, Failure> {
        if self.is_of_heartbeats() {
            return self.next_beats(limit);
        }
        let mut page = self.bus.notices(&self.query)?;
        if page.notices.is_empty() && !limit.is_zero() {
            match self.me {
                // Its own bell rings for what is for it.
                Some(_) => {
                    self.bus.wait(&self.query, limit)?;
                }
                None => std::thread::sleep(LOOK_EVERY.min(limit)),
            }
            page = self.bus.notices(&self.query)?;
        }
        self.query.after = page.next;
        // Whether there is a gap has been asked once; from here on there is none.
        self.query.complete = false;
        self.query.generation = Some(page.generation.clone());
        Ok(page)
    }

    fn is_of_heartbeats(&self) -> bool {
        self.query.channel.as_ref() == Some(&Channel::heartbeat())
    }

    /// The heartbeats made since the last look, after a pause.
    fn next_beats(&mut self, limit: Duration) -> Result<NoticePage, Failure> {
        if !self.beats.is_empty() {
            std::thread::sleep(LOOK_EVERY.min(limit));
        }
        let mut page = self.bus.notices(&self.query)?;
        if page.notices.is_empty() {
            std::thread::sleep(LOOK_EVERY.min(limit));
        }
        let beats = &mut self.beats;
        page.notices.retain(|beat| {
            let is_same = |shown: &Timestamp| {
                beat.created_at.as_millis().abs_diff(shown.as_millis()) < BEAT_BLUR.as_millis() as u64
            };
            let fresh = !beats.get(&beat.sender).is_some_and(is_same);
            if fresh {
                beats.insert(beat.sender, beat.created_at);
            }
            fresh
        });
        Ok(page)
    }

    fn dealt_with(&self) -> Result<(), Failure> {
        let (Some(consumer), Some(generation)) = (&self.consumer, &self.query.generation) else {
            return Ok(());
        };
        let to = Position { generation: generation.clone(), id: self.query.after };
        if self.bus.cursor(consumer, CURSOR)?.as_ref() != Some(&to) {
            self.bus.move_cursor(consumer, CURSOR, &to)?;
        }
        Ok(())
    }
}
