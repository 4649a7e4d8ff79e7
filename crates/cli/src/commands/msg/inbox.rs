//! `coditect msg inbox`.

use super::super::Outcome;
use super::shown::table;
use crate::context::Context;
use crate::failure::Exit;
use crate::holder::Myself;
use clap::Args;
use protocol::{Notice, Page};

#[derive(Debug, Args)]
pub(crate) struct Inbox {
    /// At most this many
    #[arg(long, default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    myself: Myself,
}

impl Inbox {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let bus = context.bus()?;
        let me = self.myself.known(context, &bus)?;
        let items: Vec<Notice> = bus.inbox(me, self.limit)?.into_iter().map(Notice::from).collect();
        let page = Page { items, next: None };
        context.screen.show(&page, || table(context, &page.items))?;
        if !context.screen.json {
            context.screen.say(&match page.items.as_slice() {
                [] => "nothing waits for you".to_owned(),
                [first, ..] => format!("acknowledge with `coditect msg ack {}`", first.id),
            });
        }
        Ok(Exit::Done)
    }
}
