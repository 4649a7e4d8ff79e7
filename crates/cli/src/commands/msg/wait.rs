//! `coditect msg wait`: blocks until there is something for this session.

use super::super::Outcome;
use super::shown::table;
use super::start::{Start, cursor};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::holder::Myself;
use bus::{Bus, NoticePage, Replay, Subscription};
use clap::Args;
use model::RegistrationId;
use protocol::Notice;
use serde_json::json;
use std::time::Duration;

/// Name of the cursor it moves; the consumer is the session itself.
const CURSOR: &str = "wait";
/// How long one wait lasts before the command looks at its own time limit.
const ROUND: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// Begin here instead of where the last wait ended: `beginning`, `now`, a time, so long ago (10m), a notice's id, or a
    /// cursor
    #[arg(long, value_name = "WHERE")]
    from: Option<Start>,
    #[command(flatten)]
    myself: Myself,
}

impl Wait {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let bus = context.bus()?;
        let me = self.myself.known(context, &bus)?;
        let mut reader = self.subscribe(context, &bus, me)?;
        let clock = &context.host.clock;
        let patience = context.patience();
        let deadline = patience.map(|limit| clock.uptime() + limit);
        let page = loop {
            let left = deadline.map(|deadline| deadline.saturating_sub(clock.uptime()));
            let page = reader.next(left.unwrap_or(ROUND).min(ROUND))?;
            if !page.is_empty() {
                break page;
            }
            if let (Some(limit), true) = (patience, left.is_some_and(|left| left.is_zero())) {
                let words = format!("nothing came within {} s", limit.as_secs());
                return Err(
                    Failure::new(Exit::TimedOut, "timed_out", words).hint("wait longer with --timeout")
                );
            }
        };
        show(context, page)?;
        // Printed: what is not committed comes again.
        reader.commit()?;
        Ok(Exit::Done)
    }

    fn subscribe(&self, context: &Context, bus: &Bus, me: RegistrationId) -> Result<Subscription, Failure> {
        let consumer = me.to_string();
        let from = match &self.from {
            Some(start) => {
                bus.forget_cursor(&consumer, CURSOR)?;
                start.replay(bus, context.now())?
            }
            // The first wait gets what came since the session joined.
            None => bus
                .registrations()?
                .into_iter()
                .find(|one| one.id == me)
                .map_or(Replay::Now, |one| Replay::Since(one.registered_at)),
        };
        bus.subscribe(me, &consumer, CURSOR, &from).map_err(|error| {
            let lost = matches!(
                error,
                bus::BusError::GenerationChanged { .. } | bus::BusError::CursorExpired { .. }
            );
            let failure = Failure::from(error);
            if lost { failure.hint("begin anew with --from beginning") } else { failure }
        })
    }
}

fn show(context: &Context, page: NoticePage) -> Result<(), Failure> {
    let cursor = cursor(&page.generation, page.next);
    let items: Vec<Notice> = page.notices.into_iter().map(Notice::from).collect();
    let again: Vec<Notice> = page.again.into_iter().map(Notice::from).collect();
    if context.screen.json {
        return context.screen.document(&json!({ "items": items, "again": again, "cursor": cursor }));
    }
    context.screen.table(&table(context, &[items, again.clone()].concat()))?;
    if !again.is_empty() {
        let ids: Vec<String> = again.iter().map(|notice| notice.id.to_string()).collect();
        context.screen.say(&format!(
            "handed out again, for you did not acknowledge it: {}; `coditect msg ack {}`",
            ids.join(", "),
            ids.join(" ")
        ));
    }
    Ok(())
}
