//! `coditect session messages`: the conversation, oldest first.

use super::super::Outcome;
use super::compact::mark;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::Paint;
use clap::Args;
use client::Client;
use model::{ParticipantId, Role};
use protocol::{Block, Message, MessageQuery, Page};
use std::collections::BTreeMap;

/// Messages asked for at once.
const PAGE: usize = 200;

#[derive(Debug, Args)]
pub(crate) struct Messages {
    /// Id or short id of the session, or the start of it
    session: String,
    /// The newest this many
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Of a fork: what was said before it, too
    #[arg(long)]
    inherited: bool,
    /// Tools and what came of them, too
    #[arg(long)]
    tools: bool,
}

impl Messages {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let (messages, names, condensed) = context.talk("asking the daemon", async |client| {
            let messages = self.read(client).await?;
            let seats = client.participants(&self.session).await?.items;
            let names: BTreeMap<ParticipantId, String> =
                seats.into_iter().map(|one| (one.id, one.agent.as_str().to_owned())).collect();
            let condensed = client.compactions(&self.session).await?.items;
            Ok((messages, names, condensed))
        })?;
        if context.screen.json {
            context.screen.document(&messages)?;
            return Ok(Exit::Done);
        }
        for message in &messages.items {
            let agent = message.participant.and_then(|id| names.get(&id)).map_or("agent", String::as_str);
            let (who, paint) = match message.role {
                Role::User => ("you", Paint::Note),
                Role::Assistant => (agent, Paint::Strong),
                Role::System => ("system", Paint::Dim),
                Role::Tool => ("tool", Paint::Dim),
            };
            let text = if self.tools { whole(message) } else { message.text() };
            if !text.is_empty() {
                context.screen.spoken(who, paint, &text)?;
            }
            if let Some(made) = condensed.iter().find(|made| made.upto == message.id) {
                context.screen.spoken("condensed", Paint::Dim, &mark(made))?;
            }
        }
        Ok(Exit::Done)
    }

    async fn read(&self, client: &Client) -> Result<Page<Message>, Failure> {
        let mut all: Vec<Message> = Vec::new();
        let (mut before, mut next) = (None, None);
        while all.len() < self.limit {
            let limit = Some((self.limit - all.len()).min(PAGE));
            let query = MessageQuery { before, limit, inherited: self.inherited };
            let page = client.messages(&self.session, &query).await?.value;
            before = page.items.first().map(|first| first.id);
            next = page.next;
            all.splice(0..0, page.items);
            if next.is_none() {
                break;
            }
        }
        Ok(Page { items: all, next })
    }
}

fn whole(message: &Message) -> String {
    let parts = message.blocks.iter().map(|block| match block {
        Block::Text { text } => text.clone(),
        Block::Thinking { text, .. } => format!("(thinks) {text}"),
        Block::ToolCall { tool, arguments, .. } => format!("→ {tool} {arguments}"),
        Block::ToolResult { tool, output, is_error, .. } => {
            format!("{} {tool}: {output}", if *is_error { "✗" } else { "←" })
        }
        Block::Image { media_type, .. } => format!("[{media_type}]"),
    });
    parts.collect::<Vec<_>>().join("\n")
}
