//! `coditect msg channels`.

use super::super::Outcome;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::holder::Myself;
use crate::render::{Cell, Paint, Table};
use bus::Bus;
use clap::Args;
use model::Channel;
use protocol::ChannelCount;
use serde::Serialize;

#[derive(Debug, Args)]
pub(crate) struct Channels {
    /// From now on hear only these, beside what is addressed to you
    #[arg(long, value_name = "CHANNEL", value_delimiter = ',', conflicts_with = "all")]
    listen: Vec<Channel>,
    /// From now on hear every channel
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    myself: Myself,
}

#[derive(Debug, Serialize)]
struct Answer {
    items: Vec<ChannelCount>,
    /// What this session hears by name; empty when it hears everything.
    listens_to: Vec<Channel>,
}

impl Channels {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let changes = self.all || !self.listen.is_empty();
        let bus = if changes { Some(context.bus()?) } else { context.present_bus()? };
        let answer = match &bus {
            Some(bus) => self.look(context, bus, changes)?,
            None => Answer { items: Vec::new(), listens_to: Vec::new() },
        };
        context.screen.show(&answer, || {
            Table::of(&["CHANNEL", "NOTICES"], &answer.items, |one| {
                vec![Cell::new(one.channel.as_str()).paint(Paint::Note), Cell::new(one.notices.to_string())]
            })
        })?;
        if !context.screen.json {
            let names: Vec<&str> = answer.listens_to.iter().map(Channel::as_str).collect();
            match (names.is_empty(), changes) {
                (false, _) => context.screen.say(&format!("you hear {}", names.join(", "))),
                (true, true) => context.screen.say("you hear every channel"),
                (true, false) if answer.items.is_empty() => context.screen.say("no channel has notices"),
                (true, false) => {}
            }
        }
        Ok(Exit::Done)
    }

    fn look(&self, context: &Context, bus: &Bus, changes: bool) -> Result<Answer, Failure> {
        let me = match self.myself.known(context, bus) {
            Ok(me) => Some(me),
            Err(failure) if failure.detail.code == "not_joined" && !changes => None,
            Err(failure) => return Err(failure),
        };
        if let (Some(me), true) = (me, changes) {
            bus.listen_to(me, &self.listen)?;
        }
        let counted = bus.channels()?.into_iter();
        Ok(Answer {
            items: counted.map(|(channel, notices)| ChannelCount { channel, notices }).collect(),
            listens_to: me.map_or_else(|| Ok(Vec::new()), |me| bus.channels_of(me))?,
        })
    }
}
