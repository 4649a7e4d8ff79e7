//! `coditect msg ack` and `coditect msg receipts`.

use super::super::Outcome;
use super::shown::{gone, living};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::holder::Myself;
use crate::render::{Cell, Paint, Table};
use crate::roster::Roster;
use bus::BusError;
use clap::Args;
use protocol::{Page, Receipt};
use serde_json::json;

#[derive(Debug, Args)]
pub(crate) struct Ack {
    /// The notices
    #[arg(required = true, value_name = "ID")]
    ids: Vec<i64>,
    /// Only say that they were seen
    #[arg(long)]
    seen: bool,
    #[command(flatten)]
    myself: Myself,
}

#[derive(Debug, Args)]
pub(crate) struct Receipts {
    /// The notice
    id: i64,
}

impl Ack {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let bus = context.bus()?;
        let me = self.myself.known(context, &bus)?;
        for id in &self.ids {
            let marked = if self.seen { bus.mark_seen(*id, me) } else { bus.ack(*id, me) };
            marked.map_err(|error| match error {
                BusError::NoNotice(id) => gone(id),
                other => Failure::from(other),
            })?;
        }
        let word = if self.seen { "seen" } else { "acknowledged" };
        if context.screen.json {
            context.screen.document(&json!({ word: self.ids }))?;
        } else {
            context.screen.say(&format!("{word} {} notice(s)", self.ids.len()));
        }
        Ok(Exit::Done)
    }
}

impl Receipts {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let bus = context.present_bus()?.ok_or_else(|| gone(self.id))?;
        living(&bus, self.id)?;
        let found = bus.receipts(self.id)?.into_iter().map(|one| Receipt {
            registration: one.registration,
            delivered: one.delivered,
            seen_at: one.seen_at,
            acked_at: one.acked_at,
            attempts: one.attempts,
            dead: one.dead,
        });
        let page = Page { items: found.collect(), next: None };
        let roster = Roster::read(&bus)?;
        context.screen.show(&page, || table(context, &roster, &page.items))?;
        if page.items.is_empty() && !context.screen.json {
            context.screen.say("nobody has said anything about it yet");
        }
        Ok(Exit::Done)
    }
}

fn table(context: &Context, roster: &Roster, receipts: &[Receipt]) -> Table {
    let mark =
        |at: Option<model::Timestamp>| at.map_or_else(|| Cell::new(""), |at| Cell::time(context.now(), at));
    Table::of(&["SESSION", "STATE", "SEEN", "ACKED", "ATTEMPTS"], receipts, |one| {
        let (state, paint) = match one {
            Receipt { acked_at: Some(_), .. } => ("acked", Paint::Good),
            Receipt { dead: true, .. } => ("given up", Paint::Bad),
            Receipt { seen_at: Some(_), .. } => ("seen", Paint::Note),
            Receipt { delivered: true, .. } => ("delivered", Paint::Note),
            _ => ("waiting", Paint::Warm),
        };
        vec![
            Cell::new(roster.label(one.registration))
                .paint(Paint::Strong)
                .piped(one.registration.to_string()),
            Cell::new(state).paint(paint),
            mark(one.seen_at),
            mark(one.acked_at),
            Cell::new(one.attempts.to_string()).paint(Paint::Dim),
        ]
    })
}
