//! `coditect session compact` and `compactions`: summaries that stand for what was said.

use super::super::Outcome;
use crate::context::Context;
use crate::failure::Exit;
use crate::render::{Cell, Paint, Sheet, Table, tokens};
use protocol::Compaction;

pub(crate) fn run(context: &Context, session: &str) -> Outcome {
    let made =
        context.talk("condensing", async |client| Ok(client.compact_session(session, None).await?))?;
    context.screen.show_sheet(&made, || sheet(&made))?;
    Ok(Exit::Done)
}

fn sheet(made: &Compaction) -> Sheet {
    let files = |files: &[String]| (!files.is_empty()).then(|| files.join("\n"));
    Sheet::new()
        .row("session", made.session.to_string())
        .row("up to", made.upto.to_string())
        .row("messages", made.messages.to_string())
        .row("tokens", format!("{} → {}", tokens(made.tokens_before), tokens(made.tokens_after)))
        .row("by", &made.model)
        .maybe("changed", files(&made.modified_files))
        .maybe("read", files(&made.read_files))
        .painted("summary", &made.summary, Paint::Strong)
}

pub(crate) fn list(context: &Context, session: &str) -> Outcome {
    let made = context.talk("asking the daemon", async |client| Ok(client.compactions(session).await?))?;
    context.screen.show(&made, || {
        Table::of(&["GENERATION", "UP TO", "MESSAGES", "TOKENS", "BY", "SUMMARY"], &made.items, |one| {
            vec![
                Cell::new(one.generation.to_string()),
                Cell::new(one.upto.short()).paint(Paint::Note).piped(one.upto.to_string()),
                Cell::new(one.messages.to_string()),
                Cell::new(format!("{} → {}", tokens(one.tokens_before), tokens(one.tokens_after))),
                Cell::new(&one.model),
                Cell::new(&one.summary).paint(Paint::Strong),
            ]
        })
    })?;
    Ok(Exit::Done)
}

/// The line that stands in a conversation where what was said before it was condensed.
pub(super) fn mark(made: &Compaction) -> String {
    format!(
        "{} messages up to here were condensed by {}; agents are shown: {}",
        made.messages, made.model, made.summary
    )
}
