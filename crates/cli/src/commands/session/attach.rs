//! Who is at a session, and who has its input.

use super::super::Outcome;
use crate::context::Context;
use crate::failure::Exit;
use crate::render::{Cell, Paint, Table};
use clap::Args;
use protocol::{Detachment, InputWish, NewAttachment, Presences};

#[derive(Debug, Args)]
pub(crate) struct Attach {
    /// Id or short id of the session, or the start of it
    session: String,
    /// Id of this client, kept for as long as it is there; without it, one of this terminal
    #[arg(long)]
    client: Option<String>,
    /// What others see
    #[arg(long, default_value = "terminal")]
    name: String,
    /// Have the input, when nobody else has
    #[arg(long, group = "input")]
    claim: bool,
    /// Have the input, whoever has it now
    #[arg(long, group = "input")]
    take_over: bool,
    /// Have the input no more
    #[arg(long, group = "input")]
    release: bool,
    /// You type there now
    #[arg(long)]
    typing: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Detach {
    /// Id or short id of the session, or the start of it
    session: String,
    /// Id of the client; without it, the one of this terminal
    #[arg(long)]
    client: Option<String>,
}

/// A terminal is known by the shell that runs the commands in it.
fn of_terminal() -> String {
    format!("terminal-{}", std::os::unix::process::parent_id())
}

impl Attach {
    pub(super) fn run(self, context: &Context) -> Outcome {
        let input = match (self.claim, self.take_over, self.release) {
            (true, ..) => InputWish::Claim,
            (_, true, _) => InputWish::TakeOver,
            (.., true) => InputWish::Release,
            _ => InputWish::Keep,
        };
        let client = self.client.unwrap_or_else(of_terminal);
        let new = NewAttachment { client, name: self.name, typing: self.typing, input };
        let there = context
            .talk("attaching", async |client| Ok(client.attach_client(&self.session, &new, None).await?))?;
        shown(context, &there)
    }
}

impl Detach {
    pub(super) fn run(self, context: &Context) -> Outcome {
        let gone = Detachment { client: self.client.unwrap_or_else(of_terminal) };
        let there = context
            .talk("detaching", async |client| Ok(client.detach_client(&self.session, &gone, None).await?))?;
        shown(context, &there)
    }
}

pub(super) fn clients(context: &Context, session: &str) -> Outcome {
    let there = context.talk("asking the daemon", async |client| Ok(client.clients(session).await?))?;
    shown(context, &there)
}

fn shown(context: &Context, there: &Presences) -> Outcome {
    context.screen.show(there, || {
        Table::of(&["CLIENT", "NAME", "INPUT", "TYPING"], &there.clients, |one| {
            vec![
                Cell::new(&one.client).paint(Paint::Note),
                Cell::new(&one.name).paint(Paint::Strong),
                Cell::new(if one.owns_input { "has it" } else { "" }),
                Cell::new(if one.typing { "types" } else { "" }),
            ]
        })
    })?;
    Ok(Exit::Done)
}
