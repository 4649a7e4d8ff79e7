//! `coditect repo add URL`: a clone, and how far it is.

use super::super::Outcome;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::{Cell, Paint, Table};
use client::Client;
use model::{CloneFailure, Cursor, Event};
use protocol::limits::EVENTS_MAX;
use protocol::{EventQuery, NewClone, Repo, RepoClone};
use std::time::Duration;

/// How often it is looked how far a clone is.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const MEGABYTE: f64 = 1_000_000.0;

/// Clones and follows. With --json every event of it is a line, the repository the last one.
pub(super) async fn follow(context: &Context, client: &Client, new: &NewClone) -> Result<Repo, Failure> {
    let mut after = client.status().await?.cursor;
    let clone = client.start_clone(new, None).await?;
    loop {
        for record in news(client, &mut after).await? {
            let Ok(event) = record.event() else { continue };
            if !is_of(&event, &clone) {
                continue;
            }
            if context.screen.json {
                context.screen.streamed(&record)?;
            }
            match event {
                Event::RepoCloneProgressed(step) if context.screen.may_redraw() => {
                    let percent = step.percent.map_or(String::new(), |percent| format!(" {percent} %"));
                    let megabytes = step.bytes as f64 / MEGABYTE;
                    context.screen.redraw(&format!("{}{percent}, {megabytes:.1} MB", step.phase));
                }
                Event::RepoAdded(_) => {
                    if context.screen.may_redraw() {
                        context.screen.redraw("");
                    }
                    return Ok(client.repo(&clone.id.to_string()).await?);
                }
                Event::RepoCloneFailed(failure) => return Err(failed(failure)),
                _ => {}
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn news(client: &Client, after: &mut Cursor) -> Result<Vec<protocol::EventRecord>, Failure> {
    let query = EventQuery { after: Some(after.to_string()), session: None, limit: Some(EVENTS_MAX) };
    let page = client.events(&query).await?;
    if page.reset {
        return Err(Failure::failed("history_cut", "nobody knows what became of the clone")
            .hint("`coditect repo list` and `coditect repo clones` show what there is"));
    }
    *after = page.next;
    Ok(page.items)
}

fn is_of(event: &Event, clone: &RepoClone) -> bool {
    match event {
        Event::RepoCloneStarted(e) => e.repo == clone.id,
        Event::RepoCloneProgressed(e) => e.repo == clone.id,
        Event::RepoCloneFailed(e) => e.repo == clone.id,
        Event::RepoAdded(e) => e.id == clone.id,
        _ => false,
    }
}

fn failed(failure: CloneFailure) -> Failure {
    let CloneFailure { code, message, .. } = failure;
    Failure::failed(&code, message).hint("nothing of it was kept; add it again when that is mended")
}

/// `coditect repo clones`.
pub(super) fn list(context: &Context) -> Outcome {
    let clones = context.talk("asking the daemon", async |client| Ok(client.clones().await?))?;
    context.screen.show(&clones, || {
        Table::of(&["ID", "NAME", "PHASE", "PERCENT", "MB", "FROM"], &clones.items, |one| {
            vec![
                Cell::new(&one.short_id).paint(Paint::Dim).piped(one.id.to_string()),
                Cell::new(&one.slug).paint(Paint::Strong),
                Cell::new(&one.phase),
                Cell::maybe(one.percent.map(|percent| percent.to_string()).as_ref()),
                Cell::new(format!("{:.1}", one.bytes as f64 / MEGABYTE)),
                Cell::new(&one.url),
            ]
        })
    })?;
    if clones.items.is_empty() && !context.screen.json {
        context.screen.say("nothing is being cloned");
    }
    Ok(Exit::Done)
}

/// `coditect repo cancel`.
pub(super) fn cancel(context: &Context, which: &str) -> Outcome {
    context.talk("ending the clone", async |client| Ok(client.cancel_clone(which, None).await?))?;
    if context.screen.json {
        context.screen.document(&serde_json::json!({ "canceled": which }))?;
    } else {
        context.screen.say(&format!("the clone of {which} ends; nothing of it stays"));
    }
    Ok(Exit::Done)
}
