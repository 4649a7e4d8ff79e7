//! `coditect conflict`: worktrees that are on their way to change the same things.

use super::Outcome;
use super::repo::found;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::{Cell, Paint, Table};
use clap::{Args, Subcommand};
use client::{Client, StreamItem};
use model::{ConflictChange, ConflictKind, ConflictPhase, Event, RepoPath};
use protocol::ws::{Feed, ServerMessage, Subscription};
use protocol::{ConflictQuery, Page};
use std::time::Duration;

/// How long a daemon may be away before watching ends.
const DAEMON_AWAY_MAX: Duration = Duration::from_secs(60);

#[derive(Debug, Subcommand)]
pub(crate) enum Conflict {
    /// List the conflicts that are open, the worst first
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  coditect conflict list\n  coditect conflict list --repo shop --json"
    )]
    List(Which),
    /// Look at every worktree now, then list what is open
    #[command(
        after_help = "Examples:\n  coditect conflict sweep\n  coditect conflict sweep --repo shop --json"
    )]
    Sweep(Which),
    /// Show conflicts as they come, get worse and go
    #[command(
        after_help = "Examples:\n  coditect conflict watch\n  coditect conflict watch --repo shop --json"
    )]
    Watch(Which),
}

#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Only those of this repository
    #[arg(long, value_name = "REPO")]
    repo: Option<String>,
}

impl Conflict {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        match self {
            Self::List(which) => {
                let open = context.talk("looking", async |client| {
                    Ok(client.conflicts(&which.query(context, client).await?).await?)
                })?;
                show(context, &open)
            }
            Self::Sweep(which) => {
                let open = context.talk("looking at the worktrees", async |client| {
                    Ok(client.sweep_conflicts(&which.query(context, client).await?, None).await?)
                })?;
                show(context, &open)
            }
            Self::Watch(which) => context.follow(async |client| watch(context, client, &which).await),
        }
    }
}

impl Which {
    async fn query(&self, context: &Context, client: &Client) -> Result<ConflictQuery, Failure> {
        let repo = match &self.repo {
            Some(repo) => Some(found(context, client, repo).await?),
            None => None,
        };
        Ok(ConflictQuery { repo })
    }
}

fn show(context: &Context, open: &Page<protocol::Conflict>) -> Outcome {
    context.screen.show(open, || {
        const HEAD: [&str; 5] = ["KIND", "FILES", "BETWEEN", "AT WORK", "SINCE"];
        Table::of(&HEAD, &open.items, |one| {
            let kind = Cell::new(word(one.kind));
            vec![
                match one.kind {
                    ConflictKind::MergeConflict | ConflictKind::BaseConflict => kind.paint(Paint::Warm),
                    ConflictKind::SameFile | ConflictKind::SameHunk => kind.paint(Paint::Note),
                },
                Cell::new(files(&one.paths, one.more)).paint(Paint::Strong),
                Cell::new(between(one)),
                Cell::new(one.agents.join(", ")),
                Cell::time(context.now(), one.since),
            ]
        })
    })?;
    if open.items.is_empty() && !context.screen.json {
        context.screen.say("no worktrees are in each other's way");
    }
    Ok(Exit::Done)
}

pub(super) fn word(kind: ConflictKind) -> &'static str {
    match kind {
        ConflictKind::SameFile => "same file",
        ConflictKind::SameHunk => "same lines",
        ConflictKind::MergeConflict => "merge conflict",
        ConflictKind::BaseConflict => "base conflict",
    }
}

pub(super) fn files(paths: &[RepoPath], more: u32) -> String {
    model::named(paths, more as usize)
}

fn between(one: &protocol::Conflict) -> String {
    match &one.worktrees[..] {
        [alone] => format!("{alone} and the checkout's branch"),
        all => all.join(" and "),
    }
}

async fn watch(context: &Context, client: &Client, which: &Which) -> Outcome {
    let repo = match which.query(context, client).await?.repo {
        Some(repo) => Some(client.repo(&repo).await?.id),
        None => None,
    };
    let feeds = vec![Feed::Events];
    let subscription = Subscription { after: None, session: None, feeds, client: None };
    let mut stream = client.watch(subscription, Some(DAEMON_AWAY_MAX));
    loop {
        let message = match stream.next().await? {
            StreamItem::Resumed => {
                context.screen.say("the daemon was away and is back; nothing was missed");
                continue;
            }
            StreamItem::Message(message) => *message,
        };
        match message {
            ServerMessage::Event(record) => {
                // A daemon of a later version knows more kinds than this one.
                let Ok(Event::ConflictChanged(change)) = record.event() else { continue };
                if repo.is_some_and(|repo| repo != change.conflict.repo) {
                    continue;
                }
                match context.screen.json {
                    true => context.screen.streamed(&record)?,
                    false => context.screen.print(&format!("{}\n", line(change)))?,
                }
            }
            ServerMessage::Error(complaint) => {
                return Err(Failure::failed(&complaint.code, complaint.message));
            }
            _ => {}
        }
    }
}

fn line(change: ConflictChange) -> String {
    let phase = match change.phase {
        ConflictPhase::Found => "new",
        ConflictPhase::Worsened => "worse",
        ConflictPhase::Changed => "now",
        ConflictPhase::Gone => "over",
    };
    let one = protocol::Conflict::from(change.conflict);
    format!("{phase}: {} in {} between {}", word(one.kind), files(&one.paths, one.more), between(&one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_is_one_line() {
        let event = testkit_conflict();
        assert_eq!(
            line(event),
            "worse: merge conflict in src/lock.rs and 2 more between /srv/worktrees/a and /srv/worktrees/b"
        );
    }

    fn testkit_conflict() -> ConflictChange {
        let found = testkit::every_event().into_iter().find_map(|event| match event {
            Event::ConflictChanged(change) => Some(change),
            _ => None,
        });
        found.unwrap()
    }
}
