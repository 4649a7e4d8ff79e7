//! `coditect session`: conversations with agents.

mod import;
mod land;
mod messages;
mod new;
mod prompt;
mod show;
mod watch;

pub(crate) use new::seated;

use super::Outcome;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::{Cell, Paint, Table, money};
use clap::{Args, Subcommand};
use client::Client;
use model::SessionState;
use protocol::{Page, SessionPatch, SessionQuery};

/// Sessions asked for at once.
const PAGE: usize = 200;

#[derive(Debug, Subcommand)]
pub(crate) enum Session {
    /// Start a session with a seat for each agent
    #[command(
        visible_alias = "start",
        after_help = "Examples:\n  coditect session new --agents claude,codex --repo .\n  coditect session new \"Dark mode\" --agents kimi --repo shop"
    )]
    New(new::New),
    /// List sessions, newest first
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  coditect session list\n  coditect session list --archived --limit 500 --json"
    )]
    List(List),
    /// Show a session, who sits in it and what there is to do
    #[command(after_help = "Examples:\n  coditect session show 7k2m\n  coditect session show 7k2m --json")]
    Show(One),
    /// Print the conversation
    #[command(
        after_help = "Examples:\n  coditect session messages 7k2m\n  coditect session messages 7k2m --limit 500 --json"
    )]
    Messages(messages::Messages),
    /// Prompt agents of a session
    #[command(
        after_help = "Examples:\n  coditect session prompt 7k2m \"Add a dark mode\" --to claude,kimi\n  coditect session prompt 7k2m - --wait"
    )]
    Prompt(prompt::Prompt),
    /// Follow a session as it happens
    #[command(
        after_help = "Examples:\n  coditect session watch 7k2m\n  coditect session watch 7k2m --until-idle --json"
    )]
    Watch(watch::Watch),
    /// Bring what agents did in worktrees of their own to the branch that is checked out
    #[command(
        after_help = "Examples:\n  coditect session land 7k2m\n  coditect session land 7k2m --agent claude"
    )]
    Land(land::Land),
    /// Read history made outside the studio: transcripts of a vendor's own program
    #[command(
        after_help = "Examples:\n  coditect session import codex rollout.jsonl --json\n  coditect session import claude --all --watch"
    )]
    Import(import::Import),
    /// Give a session another title
    #[command(
        after_help = "Examples:\n  coditect session rename 7k2m \"Dark mode\"\n  coditect session rename 7k2m \"Night\" --json"
    )]
    Rename(Rename),
    /// Start a session whose agents know what those of another one know, and leave that one alone
    #[command(after_help = "Examples:\n  coditect session fork 7k2m\n  coditect session fork 7k2m --json")]
    Fork(One),
    /// Put a session away; nothing is deleted
    #[command(
        after_help = "Examples:\n  coditect session archive 7k2m\n  coditect session archive 7k2m --json"
    )]
    Archive(One),
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// Id or short id of the session, or the start of it
    session: String,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Archived ones too
    #[arg(long)]
    archived: bool,
    /// At most this many
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Rename {
    /// Id or short id of the session, or the start of it
    session: String,
    title: String,
}

impl Session {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        match self {
            Self::New(command) => command.run(context),
            Self::List(command) => command.run(context),
            Self::Show(one) => show::run(context, &one.session),
            Self::Messages(command) => command.run(context),
            Self::Prompt(command) => command.run(context),
            Self::Watch(command) => command.run(context),
            Self::Land(command) => command.run(context),
            Self::Import(command) => command.run(context),
            Self::Rename(Rename { session, title }) => {
                let patch = SessionPatch { title: Some(title) };
                let session = context.talk("renaming", async |client| {
                    Ok(client.change_session(&session, &patch, None).await?)
                })?;
                show::brief(context, &session)
            }
            Self::Fork(one) => {
                let session = context
                    .talk("forking", async |client| Ok(client.fork_session(&one.session, None).await?))?;
                show::brief(context, &session)
            }
            Self::Archive(one) => {
                let session = context.talk("archiving", async |client| {
                    Ok(client.archive_session(&one.session, None).await?)
                })?;
                show::brief(context, &session)
            }
        }
    }
}

impl List {
    fn run(self, context: &Context) -> Outcome {
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
            context.screen.say("no sessions yet; start one with `coditect session new --agents claude`");
        }
        Ok(Exit::Done)
    }

    /// Page after page until there are enough.
    async fn read(&self, client: &Client) -> Result<Page<protocol::Session>, Failure> {
        let mut all: Page<protocol::Session> = Page::whole(Vec::new());
        let mut before = None;
        while all.items.len() < self.limit {
            let wish = (self.limit - all.items.len()).min(PAGE);
            let query = SessionQuery { archived: self.archived, before, limit: Some(wish) };
            let page = client.sessions(&query).await?.value;
            before = page.items.last().map(|last| last.id);
            all.items.extend(page.items);
            all.next = page.next;
            if all.next.is_none() {
                break;
            }
        }
        Ok(all)
    }
}

fn state_cell(session: &protocol::Session) -> Cell {
    let paint = state_paint(session.state);
    match (session.archived, session.needs_input) {
        (true, _) => Cell::new("archived").paint(Paint::Dim),
        (false, 0) => Cell::new(session.state.as_str()).paint(paint),
        (false, _) => Cell::new("needs input").paint(Paint::Warm),
    }
}

pub(crate) const fn state_paint(state: SessionState) -> Paint {
    match state {
        SessionState::Idle => Paint::Dim,
        SessionState::Running => Paint::Note,
        SessionState::Completed => Paint::Good,
        SessionState::Failed => Paint::Bad,
    }
}
