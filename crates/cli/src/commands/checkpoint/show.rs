//! How checkpoints are shown.

use super::super::Outcome;
use super::List;
use crate::context::Context;
use crate::failure::Exit;
use crate::render::{Cell, Paint, Sheet, Table};
use protocol::{
    BundleImport, Checkpoint, CheckpointComparison, CheckpointQuery, ComparedFile, RestoredCheckpoint,
};

/// Files named one by one after a restore.
const NAMED: usize = 20;

pub(super) fn list(context: &Context, list: List) -> Outcome {
    let query =
        CheckpointQuery { automatic: list.asked.then_some(false), before: list.before, limit: list.limit };
    let page =
        context.talk("looking", async |client| Ok(client.checkpoints(&list.session, &query).await?))?;
    context.screen.show(&page, || {
        const HEAD: [&str; 6] = ["ID", "KIND", "NAME", "FILES", "COMMIT", "AT"];
        Table::of(&HEAD, &page.items, |one| {
            vec![
                Cell::new(one.id.short()).paint(Paint::Dim).piped(one.id.to_string()),
                Cell::new(one.kind.as_str()),
                Cell::new(one.name.as_deref().unwrap_or(first_line(one))).paint(Paint::Strong),
                Cell::new(changed(one)),
                Cell::new(one.commit.get(..10).unwrap_or(&one.commit)).piped(one.commit.clone()),
                Cell::new(one.created_at.to_string()),
            ]
        })
    })?;
    if !context.screen.json {
        match (&page.next, page.items.is_empty()) {
            (Some(next), _) => context.screen.say(&format!("there are older ones: --before {next}")),
            (None, true) => {
                context.screen.say("there are none; an agent's turn makes them, and so does `create`")
            }
            (None, false) => {}
        }
    }
    Ok(Exit::Done)
}

fn first_line(one: &Checkpoint) -> &str {
    one.message.lines().next().unwrap_or_default()
}

fn changed(one: &Checkpoint) -> String {
    let changed = one.point.as_ref().map_or(one.paths.len(), |point| point.changed as usize);
    changed.to_string()
}

pub(super) fn one(context: &Context, one: &Checkpoint) -> Outcome {
    context.screen.show_sheet(one, || {
        let mut sheet = Sheet::new()
            .row("id", one.id.to_string())
            .row("short id", one.id.short())
            .painted("name", one.name.as_deref().unwrap_or(first_line(one)), Paint::Strong)
            .row("kind", one.kind.as_str())
            .row("session", one.session.short())
            .row("commit", &one.commit)
            .row("kept as", &one.git_ref)
            .row("made at", one.created_at.to_string())
            .row("files changed", changed(one));
        if let Some(point) = &one.point {
            sheet = sheet
                .row("worktree", &point.worktree)
                .row("journal", point.at.to_string())
                .maybe("last message", point.message.map(|message| message.to_string()).as_ref());
            if point.left_out > 0 {
                sheet = sheet.painted("does not hold", format!("{} files", point.left_out), Paint::Warm);
            }
        }
        sheet
    })?;
    Ok(Exit::Done)
}

pub(super) fn comparison(context: &Context, compared: &CheckpointComparison, files: bool) -> Outcome {
    if context.screen.json {
        context.screen.document(compared)?;
        return Ok(Exit::Done);
    }
    if compared.files.is_empty() && compared.more == 0 {
        context.screen.say("there is no difference");
        return Ok(Exit::Done);
    }
    let mut text = String::new();
    for file in &compared.files {
        text.push_str(&format!("{}\n", line(file)));
    }
    if compared.more > 0 {
        text.push_str(&format!("and {} more\n", compared.more));
    }
    if !files {
        text.push_str(&format!("\n{}", compared.diff));
    }
    context.screen.print(&text)?;
    if compared.cut && !files {
        context.screen.say("the rest of the lines is left out; give --path");
    }
    Ok(Exit::Done)
}

fn line(file: &ComparedFile) -> String {
    match (file.added, file.removed) {
        (Some(added), Some(removed)) => {
            format!("{} {} (+{added} −{removed})", file.change.as_str(), file.path)
        }
        _ => format!("{} {}", file.change.as_str(), file.path),
    }
}

pub(super) fn restored(context: &Context, restored: &RestoredCheckpoint) -> Outcome {
    let exit = if restored.kept.is_empty() { Exit::Done } else { Exit::Failed };
    if context.screen.json {
        context.screen.document(restored)?;
        return Ok(exit);
    }
    if let Some(worktree) = &restored.worktree {
        let count = restored.files.len() + restored.more as usize;
        match restored.before {
            None => context.screen.say(&format!("the files in {worktree} are as they were then")),
            Some(before) => {
                for file in restored.files.iter().take(NAMED) {
                    context.screen.say(&line(file));
                }
                context.screen.say(&format!(
                    "{count} files are back in {worktree}; `coditect checkpoint restore {}` takes that back",
                    before.short()
                ));
            }
        }
    }
    for kept in &restored.kept {
        context.screen.say(&format!("{} stays as it is: {}", kept.path, kept.reason));
    }
    if let Some(fork) = &restored.fork {
        context.screen.say(&format!("the conversation goes on in {} ({})", fork.short_id, fork.title));
    }
    Ok(exit)
}

pub(super) fn imported(context: &Context, imported: &BundleImport) -> Outcome {
    let exit = if imported.skipped.is_empty() { Exit::Done } else { Exit::Failed };
    if context.screen.json {
        context.screen.document(imported)?;
        return Ok(exit);
    }
    for one in &imported.checkpoints {
        context.screen.say(&format!("{} {}", one.id.short(), one.name.as_deref().unwrap_or(first_line(one))));
    }
    context.screen.say(&format!(
        "{} checkpoints are back, {} were there already; {} files were read",
        imported.checkpoints.len(),
        imported.known,
        imported.files.len()
    ));
    for file in &imported.skipped {
        context.screen.say(&format!("{} was not read: {}", file.path, file.reason));
    }
    Ok(exit)
}
