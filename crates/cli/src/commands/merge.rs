//! `coditect merge`: the queue in which worktrees land on their branch, each checked first.

use super::Outcome;
use super::repo::found;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::{Cell, Paint, Sheet, Table};
use clap::{Args, Subcommand};
use client::Client;
use model::{AgentName, MergeMode, MergeState, MergeStyle};
use protocol::{Merge as Entry, MergeMove, MergeQuery, MergeRun, NewMergeEntry, Page};
use std::time::Duration;

/// How often it is looked whether an entry is over.
const LOOK_EVERY: Duration = Duration::from_millis(250);

#[derive(Debug, Subcommand)]
pub(crate) enum Merge {
    /// Put a worktree into the queue: it lands when its turn comes and the repository's checks pass
    #[command(
        after_help = "Examples:\n  coditect merge add feat-auth --bisect\n  coditect merge add 7k2m claude --into release/1.2 --wait"
    )]
    Add(Add),
    /// List the queue in the order in which it is tried
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  coditect merge list --repo shop\n  coditect merge list --ended --json"
    )]
    List(List),
    /// Show an entry: how it stands, what stood in its way, what the checks said
    #[command(after_help = "Examples:\n  coditect merge show 7k2mqs\n  coditect merge show @last --json")]
    Show(Which),
    /// Take an entry out of the queue
    #[command(after_help = "Examples:\n  coditect merge cancel 7k2mqs\n  coditect merge cancel @last --json")]
    Cancel(Which),
    /// Give an entry that waits another place
    #[command(
        after_help = "Examples:\n  coditect merge move 7k2mqs --before 4hx0\n  coditect merge move 7k2mqs --priority 5"
    )]
    Move(Move),
    /// Try now what is held or was handed back
    #[command(
        after_help = "Examples:\n  coditect merge run --repo shop --bisect\n  coditect merge run 7k2mqs"
    )]
    Run(Run),
}

#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Id or short id of the entry, the start of it, or @last
    merge: String,
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// Name, repository/name, id or short id; or the session whose agent's own worktree it is
    worktree: String,
    /// Agent whose own worktree it is
    agent: Option<AgentName>,
    /// Branch it is to land on; without it, the one that is checked out
    #[arg(long, value_name = "BRANCH")]
    into: Option<String>,
    /// Try it together with the others that say so; when their checks fail, each half by itself
    #[arg(long)]
    bisect: bool,
    /// Make its commits again on the branch instead of merging
    #[arg(long)]
    rebase: bool,
    /// Higher goes first
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    priority: i32,
    /// Of the merge commit, where one is needed
    #[arg(long)]
    message: Option<String>,
    /// Let it wait for `coditect merge run`
    #[arg(long)]
    hold: bool,
    /// Wait until it has landed or will not
    #[arg(long, conflicts_with = "hold")]
    wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those of this repository
    #[arg(long, value_name = "REPO")]
    repo: Option<String>,
    /// Those that are over, too
    #[arg(long)]
    ended: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Move {
    /// Id or short id of the entry, the start of it, or @last
    merge: String,
    /// Higher goes first; among equals its place stays
    #[arg(long, allow_negative_numbers = true, conflicts_with_all = ["before", "last"])]
    priority: Option<i32>,
    /// Just before this entry
    #[arg(long, value_name = "MERGE", conflicts_with = "last")]
    before: Option<String>,
    /// Behind all others
    #[arg(long)]
    last: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Only this entry
    merge: Option<String>,
    /// Only those of this repository
    #[arg(long, value_name = "REPO")]
    repo: Option<String>,
    /// Together from now on; when their checks fail, each half by itself
    #[arg(long)]
    bisect: bool,
    /// Each by itself from now on
    #[arg(long, conflicts_with = "bisect")]
    one_by_one: bool,
}

impl Merge {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Add(add) => add.run(context),
            Self::List(List { repo, ended }) => {
                let merges = context.talk("looking", async |client| {
                    let repo = match &repo {
                        Some(repo) => Some(found(context, client, repo).await?),
                        None => None,
                    };
                    Ok(client.merges(&MergeQuery { repo, ended }).await?)
                })?;
                list(context, &merges)
            }
            Self::Show(which) => {
                let one = context.talk("looking", async |client| Ok(client.merge(&which.merge).await?))?;
                show(context, &one)
            }
            Self::Cancel(which) => {
                let one = context
                    .talk("canceling", async |client| Ok(client.cancel_merge(&which.merge, None).await?))?;
                show(context, &one)
            }
            Self::Move(Move { merge, priority, before, last }) => {
                let to = MergeMove { priority, before, last };
                let merges = context
                    .talk("moving", async |client| Ok(client.move_merge(&merge, &to, None).await?))?;
                list(context, &merges)
            }
            Self::Run(run) => run.run(context),
        }
    }
}

impl Add {
    fn run(self, context: &Context) -> Outcome {
        let (worktree, session) = match &self.agent {
            None => (Some(self.worktree), None),
            Some(_) => (None, Some(self.worktree)),
        };
        let new = NewMergeEntry {
            worktree,
            session,
            agent: self.agent,
            into: self.into,
            mode: if self.bisect { MergeMode::Bisect } else { MergeMode::OneByOne },
            style: if self.rebase { MergeStyle::Rebase } else { MergeStyle::Merge },
            priority: self.priority,
            message: self.message,
            hold: self.hold,
        };
        let added = context.talk("queueing", async |client| Ok(client.add_merge(&new, None).await?))?;
        if !self.wait {
            return show(context, &added);
        }
        let id = added.id.to_string();
        let over = context.follow(async |client| over(client, &id).await)?;
        show(context, &over)?;
        Ok(if over.state == MergeState::Landed { Exit::Done } else { Exit::Failed })
    }
}

impl Run {
    fn run(self, context: &Context) -> Outcome {
        let mode = match (self.bisect, self.one_by_one) {
            (true, _) => Some(MergeMode::Bisect),
            (_, true) => Some(MergeMode::OneByOne),
            _ => None,
        };
        let merges = context.talk("waking the queue", async |client| {
            let repo = match &self.repo {
                Some(repo) => Some(found(context, client, repo).await?),
                None => None,
            };
            Ok(client.run_merges(&MergeRun { merge: self.merge, repo, mode }, None).await?)
        })?;
        list(context, &merges)
    }
}

/// The entry when it is over.
async fn over(client: &Client, id: &str) -> Result<Entry, Failure> {
    loop {
        let one = client.merge(id).await?;
        if one.state.is_terminal() {
            return Ok(one);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn list(context: &Context, merges: &Page<Entry>) -> Outcome {
    context.screen.show(merges, || {
        const HEAD: [&str; 6] = ["ID", "STATE", "WORKTREE", "INTO", "TRIED", "SAYS"];
        Table::of(&HEAD, &merges.items, |one| {
            vec![
                Cell::new(&one.short_id).paint(Paint::Dim).piped(one.id.to_string()),
                state(one.state),
                Cell::new(&one.name).paint(Paint::Strong),
                Cell::new(&one.into),
                Cell::new(one.attempt.to_string()),
                Cell::maybe(one.text.as_ref()),
            ]
        })
    })?;
    if merges.items.is_empty() && !context.screen.json {
        context.screen.say("nothing waits; put a worktree into the queue with `coditect merge add WORKTREE`");
    }
    Ok(Exit::Done)
}

fn state(state: MergeState) -> Cell {
    let cell = Cell::new(state.as_str());
    match state {
        MergeState::Returned | MergeState::Failed => cell.paint(Paint::Warm),
        MergeState::Held | MergeState::Canceled => cell.paint(Paint::Dim),
        _ => cell.paint(Paint::Note),
    }
}

fn show(context: &Context, one: &Entry) -> Outcome {
    context.screen.show_sheet(one, || {
        let mut sheet = Sheet::new()
            .row("id", one.id.to_string())
            .row("short id", &one.short_id)
            .painted("worktree", &one.name, Paint::Strong)
            .row("path", &one.path)
            .row("into", &one.into)
            .row("state", one.state.as_str())
            .row("mode", one.mode.as_str())
            .row("tried", one.attempt.to_string())
            .maybe("says", one.text.as_ref())
            .maybe("branch at", one.head.as_ref())
            .maybe("repaired in task", one.task.map(|task| task.short()).as_ref());
        if !one.paths.is_empty() {
            let paths: Vec<String> = one.paths.iter().map(ToString::to_string).collect();
            sheet = sheet.row("files", paths.join(", "));
        }
        sheet
    })?;
    if let Some(report) = one.report.as_ref().filter(|report| !context.screen.json && !report.tail.is_empty())
    {
        context.screen.say(&format!("the checks said:\n{}", report.tail.trim_end()));
    }
    Ok(Exit::Done)
}
