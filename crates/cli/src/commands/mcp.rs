//! `coditect mcp`: the tools of an agent, served to the program that started this one, and what lets a program have them
//! over HTTP.

use super::Outcome;
use crate::context::Context;
use crate::failure::Exit;
use crate::holder::Myself;
use crate::host::McpRun;
use clap::{Args, Subcommand};
use model::DEFAULT_WORKSPACE;

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "A vendor's program starts this; docs/guide/mcp.md says how to tell each of them.\n\nExamples:\n  coditect mcp\n  coditect mcp --cwd src"
)]
pub(crate) struct Mcp {
    #[command(subcommand)]
    word: Option<Word>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Word {
    /// Print a token with which a program has the same tools over HTTP, in the name of a session on the bus. It is good for
    /// as long as the session lives
    #[command(after_help = "Examples:\n  coditect mcp token\n  coditect mcp token --holder ada --json")]
    Token(Token),
}

#[derive(Debug, Args)]
pub(crate) struct Token {
    #[command(flatten)]
    myself: Myself,
}

impl Mcp {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        if let Some(Word::Token(token)) = self.word {
            return token.run(context);
        }
        let run = McpRun {
            root: context.root.clone(),
            workspace: DEFAULT_WORKSPACE.to_owned(),
            cwd: context.cwd.clone(),
        };
        Ok(Exit::Foreign((context.host.mcp)(&context.host, run)))
    }
}

impl Token {
    fn run(self, context: &Context) -> Outcome {
        context.not_for_agents("lend a session's token")?;
        let bus = context.bus()?;
        let registration = self.myself.known(context, &bus)?;
        if !bus.is_alive(registration)? {
            return Err(bus::BusError::Ended(registration).into());
        }
        let lent = context.talk("asking the daemon", async |client| {
            client.version().await?;
            Ok(client.lend(registration)?)
        })?;
        if context.screen.json {
            context.screen.document(&lent)?;
        } else {
            context.screen.print(&lent.token)?;
            context.screen.say(&format!("the tools are at {}; the token ends with the session", lent.url));
        }
        Ok(Exit::Done)
    }
}
