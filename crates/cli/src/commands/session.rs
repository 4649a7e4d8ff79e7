//! `coditect session`: conversations with agents.

mod attach;
mod compact;
mod coordinate;
mod export;
mod import;
mod land;
mod lineage;
mod list;
mod messages;
mod new;
mod prompt;
mod replay;
mod show;
mod watch;

pub(crate) use new::seated;

use super::Outcome;
use crate::context::Context;
use crate::failure::Exit;
use crate::render::{Cell, Paint};
use clap::{Args, Subcommand};
use model::SessionState;
use protocol::{RemovalQuery, SessionPatch};

#[derive(Debug, Subcommand)]
pub(crate) enum Session {
    /// Start a session with a seat for each agent
    #[command(
        visible_alias = "start",
        after_help = "Examples:\n  coditect session new --agents claude,codex --repo .\n  coditect session new \"Dark mode\" --agents kimi --repo shop"
    )]
    New(new::New),
    /// List sessions, newest first, or as you wish
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  coditect session list --state running --sort cost\n  coditect session list --tag release --archived --json"
    )]
    List(list::List),
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
    /// Let agents of a session plan and change its repository together
    #[command(
        after_help = "Examples:\n  coditect session coordinate 7k2m \"Make the tests pass\"\n  coditect session coordinate 7k2m \"Add a dark mode\" --agents claude,codex --worktrees"
    )]
    Coordinate(coordinate::Coordinate),
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
    /// Read history made elsewhere: an archive, or transcripts of a vendor's own program
    #[command(
        after_help = "Examples:\n  coditect session import archive session.jsonl\n  coditect session import claude --all --watch"
    )]
    Import(import::Import),
    /// Write a session with everything to stdout, as lines of JSON that check themselves
    #[command(
        after_help = "Examples:\n  coditect session export 7k2m > session.jsonl\n  coditect session export 7k2m --family > family.jsonl"
    )]
    Export(export::Export),
    /// Watch a session as it happened, in its own time or faster
    #[command(
        after_help = "Examples:\n  coditect session replay 7k2m --speed 4\n  coditect session replay 7k2m --speed max --from q4x9"
    )]
    Replay(replay::Replay),
    /// Give a session another title
    #[command(
        after_help = "Examples:\n  coditect session rename 7k2m \"Dark mode\"\n  coditect session rename 7k2m \"Night\" --json"
    )]
    Rename(Rename),
    /// Give a session tags
    #[command(
        after_help = "Examples:\n  coditect session tag 7k2m release ui\n  coditect session tag @last urgent --json"
    )]
    Tag(Tags),
    /// Take tags off a session
    #[command(
        after_help = "Examples:\n  coditect session untag 7k2m urgent\n  coditect session untag 7k2m release ui --json"
    )]
    Untag(Tags),
    /// Start a session whose agents know what was said in another one, and leave that one alone
    #[command(
        after_help = "Examples:\n  coditect session fork 7k2m\n  coditect session fork 7k2m --at q4x9 --agents kimi --json"
    )]
    Fork(lineage::Fork),
    /// Start a child of a session with fresh context, which may call back when its work is over
    #[command(
        after_help = "Examples:\n  coditect session spawn 7k2m \"Write the tests\" --callback once\n  coditect session spawn @parent - --agents codex --json"
    )]
    Spawn(lineage::Spawn),
    /// Say whether the session that spawned one is told when its work is over
    #[command(
        after_help = "Examples:\n  coditect session callback 7k2m always\n  coditect session callback 7k2m never --json"
    )]
    Callback(lineage::Callback),
    /// Ask a session something, and leave it as it is
    #[command(
        after_help = "Examples:\n  coditect session ask 7k2m \"Why did you drop the cache?\"\n  coditect session ask 7k2m - --asker @last --json"
    )]
    Ask(lineage::Ask),
    /// What a session was asked, and what it asked others
    #[command(
        after_help = "Examples:\n  coditect session asides 7k2m\n  coditect session asides 7k2m --json"
    )]
    Asides(One),
    /// Condense what was said in a session but for its last messages; the messages stay
    #[command(
        after_help = "Examples:\n  coditect session compact 7k2m\n  coditect session compact @last --json"
    )]
    Compact(One),
    /// Show what stands for parts of a session that were condensed
    #[command(
        after_help = "Examples:\n  coditect session compactions 7k2m\n  coditect session compactions 7k2m --json"
    )]
    Compactions(One),
    /// Where a session came from, and what came out of it
    #[command(
        after_help = "Examples:\n  coditect session tree 7k2m\n  coditect session tree 7k2m --whole --depth 3 --json"
    )]
    Tree(lineage::Tree),
    /// What waits in a session, in the order it will be done
    #[command(after_help = "Examples:\n  coditect session queue 7k2m\n  coditect session queue 7k2m --json")]
    Queue(One),
    /// Say that you are at a session, and have its input
    #[command(
        after_help = "Examples:\n  coditect session attach 7k2m --claim\n  coditect session attach 7k2m --name phone --take-over --json"
    )]
    Attach(attach::Attach),
    /// Say that you have left a session
    #[command(
        after_help = "Examples:\n  coditect session detach 7k2m\n  coditect session detach 7k2m --client page-1"
    )]
    Detach(attach::Detach),
    /// Show who is at a session, and who has its input
    #[command(
        after_help = "Examples:\n  coditect session clients 7k2m\n  coditect session clients 7k2m --json"
    )]
    Clients(One),
    /// Put a session away; nothing is deleted
    #[command(
        after_help = "Examples:\n  coditect session archive 7k2m\n  coditect session archive 7k2m --json"
    )]
    Archive(One),
    /// Bring an archived session back
    #[command(
        after_help = "Examples:\n  coditect session unarchive 7k2m\n  coditect session unarchive 7k2m --json"
    )]
    Unarchive(One),
    /// Remove a session: it is seen nowhere any more, and only the journal knows it
    #[command(
        name = "rm",
        after_help = "Examples:\n  coditect session rm 7k2m\n  coditect session rm 7k2m --anyway --json"
    )]
    Remove(Remove),
}

#[derive(Debug, Args)]
pub(crate) struct Tags {
    /// Id or short id of the session, or the start of it
    session: String,
    /// Letters, digits and -_.:/@+, without blanks
    #[arg(required = true)]
    tags: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// Id or short id of the session, or the start of it
    session: String,
    /// Also when others were forked from it or spawned by it; they stay
    #[arg(long)]
    anyway: bool,
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// Id or short id of the session, or the start of it
    session: String,
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
            Self::Coordinate(command) => command.run(context),
            Self::Import(command) => command.run(context),
            Self::Export(command) => command.run(context),
            Self::Replay(command) => command.run(context),
            Self::Rename(Rename { session, title }) => {
                changed(context, &session, SessionPatch { title: Some(title), ..SessionPatch::default() })
            }
            Self::Tag(Tags { session, tags }) => {
                changed(context, &session, SessionPatch { add_tags: tags, ..SessionPatch::default() })
            }
            Self::Untag(Tags { session, tags }) => {
                changed(context, &session, SessionPatch { remove_tags: tags, ..SessionPatch::default() })
            }
            Self::Fork(command) => command.run(context),
            Self::Spawn(command) => command.run(context),
            Self::Callback(command) => command.run(context),
            Self::Ask(command) => command.run(context),
            Self::Asides(one) => lineage::asides(context, &one.session),
            Self::Compact(one) => compact::run(context, &one.session),
            Self::Compactions(one) => compact::list(context, &one.session),
            Self::Tree(command) => command.run(context),
            Self::Queue(one) => {
                let queue = context
                    .talk("asking the daemon", async |client| Ok(client.queue(&one.session).await?))?;
                context.screen.show(&queue, || super::task::table(context, &queue.items))?;
                Ok(Exit::Done)
            }
            Self::Attach(command) => command.run(context),
            Self::Detach(command) => command.run(context),
            Self::Clients(one) => attach::clients(context, &one.session),
            Self::Archive(one) => {
                let session = context.talk("archiving", async |client| {
                    Ok(client.archive_session(&one.session, None).await?)
                })?;
                show::brief(context, &session)
            }
            Self::Unarchive(one) => {
                let session = context.talk("bringing it back", async |client| {
                    Ok(client.unarchive_session(&one.session, None).await?)
                })?;
                show::brief(context, &session)
            }
            Self::Remove(Remove { session, anyway }) => remove(context, &session, anyway),
        }
    }
}

fn changed(context: &Context, session: &str, patch: SessionPatch) -> Outcome {
    let session = context.talk("changing the session", async |client| {
        Ok(client.change_session(session, &patch, None).await?)
    })?;
    show::brief(context, &session)
}

fn remove(context: &Context, session: &str, anyway: bool) -> Outcome {
    let query = RemovalQuery { anyway };
    let removed =
        context.talk("removing", async |client| Ok(client.remove_session(session, &query, None).await?))?;
    context.screen.show_sheet(&removed, || {
        let left: Vec<String> = removed.relatives.iter().map(ToString::to_string).collect();
        crate::render::Sheet::new()
            .row("removed", removed.id.to_string())
            .maybe("stay", (!left.is_empty()).then(|| left.join("\n")))
    })?;
    Ok(Exit::Done)
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
