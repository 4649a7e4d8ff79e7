//! How worktrees are shown.

use super::super::Outcome;
use super::{List, found};
use crate::context::Context;
use crate::failure::Exit;
use crate::render::{Cell, Paint, Sheet, Table};
use protocol::{RemovedWorktree, Worktree, WorktreeKind, WorktreeQuery, WorktreeState};

const MEGABYTE: f64 = 1_000_000.0;

pub(super) fn list(context: &Context, list: List) -> Outcome {
    let List { repo, trash } = list;
    let worktrees = context.talk("looking at the worktrees", async |client| {
        let repo = match &repo {
            Some(repo) => Some(found(context, client, repo).await?),
            None => None,
        };
        Ok(client.worktrees(&WorktreeQuery { repo, trash }).await?)
    })?;
    context.screen.show(&worktrees, || {
        const HEAD: [&str; 7] = ["ID", "REPO", "NAME", "BRANCH", "MB", "STAYS BECAUSE", "PATH"];
        Table::of(&HEAD, &worktrees.items, |one| {
            vec![
                match (&one.short_id, &one.id) {
                    (Some(short), Some(id)) => Cell::new(short).paint(Paint::Dim).piped(id.to_string()),
                    _ => Cell::new("-").paint(Paint::Dim),
                },
                Cell::new(&one.repo),
                Cell::new(name(one)).paint(Paint::Strong),
                Cell::maybe(one.branch.as_ref()),
                Cell::maybe(one.bytes.map(megabytes).as_ref()),
                stays(one),
                Cell::new(&one.path),
            ]
        })
    })?;
    if worktrees.items.is_empty() && !context.screen.json {
        context.screen.say(match trash {
            true => "the trash is empty",
            false => "there are no worktrees; make one with `coditect worktree add REPO NAME`",
        });
    }
    Ok(Exit::Done)
}

fn name(one: &Worktree) -> String {
    match (one.kind, &one.name, &one.session_short, &one.agent) {
        (_, Some(name), ..) => name.clone(),
        (_, None, Some(session), Some(agent)) => format!("{agent} in {session}"),
        _ => "not registered".to_owned(),
    }
}

fn stays(one: &Worktree) -> Cell {
    match (one.state, &one.kept_because) {
        (WorktreeState::Trashed, _) => match one.expires_at {
            Some(at) => Cell::new(format!("in the trash until {at}")),
            None => Cell::new("in the trash until it is purged").paint(Paint::Warm),
        },
        (WorktreeState::Missing, _) => Cell::new("its folder is away").paint(Paint::Warm),
        (WorktreeState::Live, Some(reason)) => Cell::new(reason).paint(Paint::Warm),
        (WorktreeState::Live, None) => Cell::new("nothing; its work is elsewhere").paint(Paint::Dim),
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / MEGABYTE)
}

pub(super) fn one(context: &Context, one: &Worktree) -> Outcome {
    context.screen.show_sheet(one, || {
        let mut sheet = Sheet::new()
            .maybe("id", one.id.map(|id| id.to_string()).as_ref())
            .maybe("short id", one.short_id.as_ref())
            .painted("name", name(one), Paint::Strong)
            .row("repo", &one.repo)
            .row("path", &one.path)
            .maybe("branch", one.branch.as_ref())
            .maybe("commit", one.head.as_ref())
            .maybe("ports from", one.port_base.map(|port| port.to_string()).as_ref())
            .maybe("MB on disk", one.bytes.map(megabytes).as_ref());
        if !one.inside.is_empty() {
            sheet = sheet.row("in it", one.inside.join(", "));
        }
        if !one.sessions.is_empty() {
            let sessions: Vec<String> = one.sessions.iter().map(|session| session.short()).collect();
            sheet = sheet.row("sessions", sessions.join(", "));
        }
        for run in &one.scripts {
            let end = run.end.map_or("running", |end| end.as_str());
            sheet = sheet.row(run.script.as_str(), end);
        }
        match (one.kind, one.state) {
            (_, WorktreeState::Trashed) => sheet
                .row(
                    "in the trash",
                    one.expires_at.map_or("until it is purged".to_owned(), |at| format!("until {at}")),
                )
                .maybe("kept as", one.kept_as.as_ref()),
            (WorktreeKind::Foreign, _) => sheet.row("registered", "no"),
            _ => sheet.maybe("stays because", one.kept_because.as_ref()),
        }
    })?;
    for run in one.scripts.iter().filter(|_| !context.screen.json) {
        if let Some(tail) = run.tail.as_ref().filter(|tail| !tail.is_empty()) {
            context.screen.say(&format!("{} wrote:\n{}", run.script.as_str(), tail.trim_end()));
        }
    }
    Ok(Exit::Done)
}

pub(super) fn prune(context: &Context) -> Outcome {
    let pruned =
        context.talk("looking at the worktrees", async |client| Ok(client.prune_worktrees(None).await?))?;
    if context.screen.json {
        context.screen.document(&pruned)?;
        return Ok(Exit::Done);
    }
    if pruned.items.is_empty() {
        context.screen.say("there are no worktrees to look at");
    }
    for one in &pruned.items {
        context.screen.say(&said(one));
    }
    Ok(Exit::Done)
}

pub(super) fn said(one: &RemovedWorktree) -> String {
    let name = &one.name;
    if let Some(reason) = &one.kept_because {
        return format!("{name} stays: {reason}");
    }
    let kept = one
        .kept_as
        .as_ref()
        .map_or(String::new(), |kept| format!("; what was not committed is kept as {kept}"));
    let until = one.expires_at.map_or("until it is purged".to_owned(), |at| format!("until {at}"));
    format!("{name} is in the trash {until}{kept}; `coditect worktree restore` brings it back")
}
