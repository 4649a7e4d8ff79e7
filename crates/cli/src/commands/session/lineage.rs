//! How sessions come out of each other: fork, spawn, ask, and the family they make.

use super::super::Outcome;
use super::super::task;
use super::{show, state_paint};
use crate::context::Context;
use crate::failure::Exit;
use crate::render::{Cell, Paint, Sheet, Table};
use clap::{Args, ValueEnum};
use model::AgentName;
use protocol::{
    Aside, CallbackWish, Family, FamilyQuery, NewFork, NewQuestion, NewSpawn, Relative, SessionPatch,
    TaskState,
};

#[derive(Debug, Args)]
pub(crate) struct Fork {
    /// Id or short id of the session, or the start of it
    session: String,
    /// Last message it knows, by id or short id; without it, the newest
    #[arg(long, value_name = "MESSAGE")]
    at: Option<String>,
    /// What it is called
    #[arg(long)]
    title: Option<String>,
    /// Agents that sit in it; without it, those of the session
    #[arg(short, long, value_delimiter = ',', value_name = "NAMES")]
    agents: Vec<AgentName>,
}

#[derive(Debug, Args)]
pub(crate) struct Spawn {
    /// Id or short id of the parent, or the start of it
    session: String,
    /// What the child is to do; `-` reads it from stdin
    text: String,
    /// Agents that do it; without it, those of the parent
    #[arg(short, long, value_delimiter = ',', value_name = "NAMES")]
    agents: Vec<AgentName>,
    /// What it is called; without it, the first words
    #[arg(long)]
    title: Option<String>,
    /// Registered repository to work in; without it, that of the parent
    #[arg(short, long)]
    repo: Option<String>,
    /// Whether the parent is told when the child's work is over
    #[arg(long, value_enum, default_value_t = When::Never)]
    callback: When,
    /// Agent of the parent whose turn it then is
    #[arg(long, value_name = "AGENT")]
    callback_to: Option<AgentName>,
}

#[derive(Debug, Args)]
pub(crate) struct Callback {
    /// Id or short id of the child, or the start of it
    session: String,
    /// How often the session that spawned it is told of its end
    #[arg(value_enum)]
    when: When,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum When {
    Never,
    Once,
    Always,
}

#[derive(Debug, Args)]
pub(crate) struct Ask {
    /// Id or short id of the session, or the start of it
    session: String,
    /// What you want to know; `-` reads it from stdin
    question: String,
    /// Agent that answers; without it, the session's first one
    #[arg(long)]
    agent: Option<AgentName>,
    /// Session in whose conversation the answer is written down, too
    #[arg(long, value_name = "SESSION")]
    asker: Option<String>,
    /// Do not wait for the answer
    #[arg(long)]
    no_wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Tree {
    /// Id or short id of the session, or the start of it
    session: String,
    /// Generations down; without it, all
    #[arg(long)]
    depth: Option<u32>,
    /// Descendants at most
    #[arg(long)]
    limit: Option<usize>,
    /// The whole family, from the oldest ancestor on
    #[arg(long)]
    whole: bool,
}

impl When {
    const fn wish(self) -> CallbackWish {
        match self {
            Self::Never => CallbackWish::Never,
            Self::Once => CallbackWish::Once,
            Self::Always => CallbackWish::Always,
        }
    }
}

impl Fork {
    pub(super) fn run(self, context: &Context) -> Outcome {
        let new = NewFork { message: self.at, title: self.title, agents: self.agents };
        let session = context
            .talk("forking", async |client| Ok(client.fork_session(&self.session, &new, None).await?))?;
        show::brief(context, &session)
    }
}

impl Spawn {
    pub(super) fn run(self, context: &Context) -> Outcome {
        let new = NewSpawn {
            prompt: context.text(&self.text)?,
            agents: self.agents,
            title: self.title,
            repo: self.repo,
            callback: self.callback.wish(),
            callback_to: self.callback_to,
        };
        let spawned = context
            .talk("spawning", async |client| Ok(client.spawn_session(&self.session, &new, None).await?))?;
        context.screen.show_sheet(&spawned, || show::sheet(&spawned.session))?;
        if !context.screen.json {
            context
                .screen
                .say(&format!("watch it with `coditect session watch {}`", spawned.session.short_id));
        }
        Ok(Exit::Done)
    }
}

impl Callback {
    pub(super) fn run(self, context: &Context) -> Outcome {
        let patch = SessionPatch { callback: Some(self.when.wish()), ..SessionPatch::default() };
        let session = context.talk("changing the session", async |client| {
            Ok(client.change_session(&self.session, &patch, None).await?)
        })?;
        show::brief(context, &session)
    }
}

impl Ask {
    pub(super) fn run(self, context: &Context) -> Outcome {
        let new =
            NewQuestion { question: context.text(&self.question)?, agent: self.agent, asker: self.asker };
        let aside = context.follow(async |client| {
            let mut aside = client.ask_session(&self.session, &new, None).await?;
            if !self.no_wait {
                let settled = task::settled(context, client, &[aside.task.id.to_string()]).await?;
                if let Some(task) = settled.into_iter().next() {
                    aside.answer = task.text.clone().filter(|_| task.state == TaskState::Completed);
                    aside.task = task;
                }
            }
            Ok(aside)
        })?;
        match (&aside.answer, context.screen.json) {
            (Some(answer), false) => context.screen.print(answer)?,
            _ => context.screen.show_sheet(&aside, || sheet(&aside))?,
        }
        Ok(if self.no_wait { Exit::Done } else { task::verdict([aside.task.state].into_iter()) })
    }
}

fn sheet(aside: &Aside) -> Sheet {
    Sheet::new()
        .row("id", aside.id.to_string())
        .painted("short id", &aside.short_id, Paint::Note)
        .row("asked", aside.asked.to_string())
        .maybe("for", aside.asker.map(|asker| asker.to_string()))
        .row("question", &aside.question)
        .row("state", aside.task.state.as_str())
        .maybe("answer", aside.answer.clone().or_else(|| aside.task.text.clone()))
}

pub(super) fn asides(context: &Context, session: &str) -> Outcome {
    let asides = context.talk("asking the daemon", async |client| Ok(client.asides(session).await?))?;
    context.screen.show(&asides, || {
        Table::of(&["ID", "ASKED", "QUESTION", "STATE", "ANSWER"], &asides.items, |aside| {
            vec![
                Cell::new(&aside.short_id).paint(Paint::Note).piped(aside.id.to_string()),
                Cell::new(aside.asked.short()).piped(aside.asked.to_string()),
                Cell::new(&aside.task.title).paint(Paint::Strong).piped(&aside.question),
                Cell::new(aside.task.state.as_str()).paint(task::paint(aside.task.state)),
                Cell::maybe(aside.answer.as_ref()),
            ]
        })
    })?;
    Ok(Exit::Done)
}

impl Tree {
    pub(super) fn run(self, context: &Context) -> Outcome {
        let query = FamilyQuery { depth: self.depth, limit: self.limit, whole: self.whole };
        let family = context
            .talk("asking the daemon", async |client| Ok(client.family(&self.session, &query).await?))?;
        let lines = lines(&family);
        context.screen.show(&family, || {
            Table::of(&["SESSION", "ID", "STATE", "BY"], &lines, |(indent, kin)| {
                let here = if kin.id == family.session { "● " } else { "" };
                let by = if kin.forked_from.is_some() { "fork" } else { "spawn" };
                vec![
                    Cell::new(format!("{}{here}{}", "  ".repeat(*indent), kin.title)).paint(Paint::Strong),
                    Cell::new(&kin.short_id).paint(Paint::Note).piped(kin.id.to_string()),
                    Cell::new(kin.state.as_str()).paint(state_paint(kin.state)),
                    Cell::new(if kin.parent.is_some() || kin.forked_from.is_some() { by } else { "" }),
                ]
            })
        })?;
        if family.more {
            context.screen.say("there are more; say --limit and --depth, or start further down");
        }
        Ok(Exit::Done)
    }
}

/// Each relative below whom it comes from, with how far it is set in.
fn lines(family: &Family) -> Vec<(usize, &Relative)> {
    let mut all = Vec::new();
    let mut set_in = 0;
    if family.top.id == family.session {
        for kin in family.ancestors.iter().rev() {
            all.push((set_in, kin));
            set_in += 1;
        }
    }
    let mut waiting = vec![(set_in, &family.top)];
    while let Some((indent, kin)) = waiting.pop() {
        all.push((indent, kin));
        let below = family.descendants.iter().filter(|one| one.forked_from.or(one.parent) == Some(kin.id));
        let mut below: Vec<_> = below.map(|one| (indent + 1, one)).collect();
        below.reverse();
        waiting.extend(below);
    }
    all
}
