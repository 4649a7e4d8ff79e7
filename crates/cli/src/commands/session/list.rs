//! `coditect session list`.

use super::super::Outcome;
use super::state_cell;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::{Cell, Paint, Table, money};
use clap::{Args, ValueEnum};
use client::Client;
use model::AgentName;
use protocol::{Archived, Page, SessionQuery, SessionSort, SessionState};

/// Sessions asked for at once.
const PAGE: usize = 200;

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Archived ones too
    #[arg(long)]
    archived: bool,
    /// Archived ones only
    #[arg(long, conflicts_with = "archived")]
    only_archived: bool,
    /// Only those in this state: idle, running, completed, failed
    #[arg(long, value_parser = state)]
    state: Option<SessionState>,
    /// Only those this agent joined first
    #[arg(long)]
    agent: Option<AgentName>,
    /// Only those that work in this repository
    #[arg(long)]
    repo: Option<String>,
    /// Only those on this board
    #[arg(long)]
    board: Option<String>,
    /// Only those with this tag
    #[arg(long)]
    tag: Option<String>,
    /// Only forks and children of this session
    #[arg(long, value_name = "SESSION")]
    parent: Option<String>,
    /// Only those with this somewhere in the title
    #[arg(long)]
    text: Option<String>,
    /// What to sort by
    #[arg(long, value_enum, default_value_t = Sort::Created)]
    sort: Sort,
    /// The smallest first, instead of the newest or greatest
    #[arg(long)]
    ascending: bool,
    /// Where the list goes on: `next` of an earlier one in the same order
    #[arg(long)]
    cursor: Option<String>,
    /// At most this many
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Sort {
    Created,
    Updated,
    Title,
    Cost,
}

fn state(given: &str) -> Result<SessionState, String> {
    SessionState::ALL.into_iter().find(|state| state.as_str() == given).ok_or_else(|| {
        let words: Vec<&str> = SessionState::ALL.iter().map(|state| state.as_str()).collect();
        format!("it is one of {}", words.join(", "))
    })
}

impl List {
    pub(super) fn run(self, context: &Context) -> Outcome {
        let sessions = context.talk("asking the daemon", async |client| self.read(client).await)?;
        context.screen.show(&sessions, || {
            Table::of(&["ID", "TITLE", "STATE", "AGENTS", "COST", "UPDATED"], &sessions.items, |session| {
                let agents: Vec<&str> = session.participants.iter().map(|one| one.agent.as_str()).collect();
                vec![
                    Cell::new(&session.short_id).paint(Paint::Note).piped(session.id.to_string()),
                    Cell::new(&session.title).paint(Paint::Strong),
                    state_cell(session),
                    Cell::new(agents.join(",")),
                    Cell::new(money(session.usage.cost_micros)),
                    Cell::time(context.now(), session.updated_at),
                ]
            })
        })?;
        if sessions.items.is_empty() && !context.screen.json {
            context.screen.say("no such sessions; start one with `coditect session new --agents claude`");
        }
        Ok(Exit::Done)
    }

    /// Page after page until there are enough.
    async fn read(&self, client: &Client) -> Result<Page<protocol::Session>, Failure> {
        let mut all: Page<protocol::Session> = Page::whole(Vec::new());
        let mut query = self.query();
        while all.items.len() < self.limit {
            query.limit = Some((self.limit - all.items.len()).min(PAGE));
            let page = client.sessions(&query).await?.value;
            all.items.extend(page.items);
            all.next = page.next;
            query.cursor.clone_from(&all.next);
            if all.next.is_none() {
                break;
            }
        }
        Ok(all)
    }

    fn query(&self) -> SessionQuery {
        let archived = match (self.archived, self.only_archived) {
            (true, _) => Some(Archived::Too),
            (_, true) => Some(Archived::Only),
            _ => None,
        };
        SessionQuery {
            archived,
            state: self.state,
            agent: self.agent.clone(),
            repo: self.repo.clone(),
            board: self.board.clone(),
            tag: self.tag.clone(),
            parent: self.parent.clone(),
            text: self.text.clone(),
            sort: Some(match self.sort {
                Sort::Created => SessionSort::Created,
                Sort::Updated => SessionSort::Updated,
                Sort::Title => SessionSort::Title,
                Sort::Cost => SessionSort::Cost,
            }),
            ascending: self.ascending,
            cursor: self.cursor.clone(),
            limit: None,
        }
    }
}
