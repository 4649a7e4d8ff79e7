//! `coditect msg list`.

use super::super::Outcome;
use super::shown::table;
use crate::context::Context;
use crate::failure::Exit;
use bus::NoticeQuery;
use clap::Args;
use model::Channel;
use protocol::{Notice, Page};

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only this channel
    #[arg(long)]
    channel: Option<Channel>,
    /// Only this thread
    #[arg(long, value_name = "NAME")]
    thread: Option<String>,
    /// Only of at least this priority
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    priority: Option<i32>,
    /// Only notices after this one
    #[arg(long, value_name = "ID", default_value_t = 0)]
    after: i64,
    /// At most this many, the oldest of them
    #[arg(long, default_value_t = 200)]
    limit: usize,
}

impl List {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let query = NoticeQuery {
            after: self.after,
            channel: self.channel,
            thread: self.thread,
            priority: self.priority,
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
