//! `coditect board comment`.

use super::super::Outcome;
use super::gone;
use crate::context::Context;
use crate::failure::Exit;
use crate::render::{Paint, Sheet};
use clap::{Args, Subcommand};
use protocol::{Comment as Shown, CommentPatch, NewComment};

#[derive(Debug, Subcommand)]
pub(crate) enum Comment {
    /// Say something about a board, about a card of it, or in answer to a comment
    #[command(
        after_help = "Examples:\n  coditect board comment add release \"Who tests this?\" --card q4x9\n  coditect board comment add release - --reply-to m2kd"
    )]
    Add(Add),
    /// Settle a thread
    #[command(
        after_help = "Examples:\n  coditect board comment resolve m2kd\n  coditect board comment resolve m2kd --json"
    )]
    Resolve(One),
    /// Open a settled thread again
    #[command(
        after_help = "Examples:\n  coditect board comment reopen m2kd\n  coditect board comment reopen m2kd --json"
    )]
    Reopen(One),
    /// Remove a comment; with the first of a thread its replies
    #[command(
        name = "rm",
        after_help = "Examples:\n  coditect board comment rm m2kd\n  coditect board comment rm m2kd --json"
    )]
    Remove(One),
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// Id, short id or short name of the board
    board: String,
    /// What to say; `-` reads it from stdin
    text: String,
    /// Id or short id of a card of the board
    #[arg(long)]
    card: Option<String>,
    /// Id or short id of the comment it answers
    #[arg(long, value_name = "COMMENT", conflicts_with = "card")]
    reply_to: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// Id or short id of the comment, or the start of it
    comment: String,
}

impl Comment {
    pub(super) fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Add(Add { board, text, card, reply_to }) => {
                let new = NewComment { text: context.text(&text)?, card, reply_to };
                let comment = context
                    .talk("commenting", async |client| Ok(client.add_comment(&board, &new, None).await?))?;
                show(context, &comment)
            }
            Self::Resolve(one) => settle(context, &one.comment, true),
            Self::Reopen(one) => settle(context, &one.comment, false),
            Self::Remove(one) => {
                context.talk("removing the comment", async |client| {
                    Ok(client.remove_comment(&one.comment, None).await?)
                })?;
                gone(context, "comment", &one.comment)
            }
        }
    }
}

fn settle(context: &Context, comment: &str, resolved: bool) -> Outcome {
    let patch = CommentPatch { resolved };
    let first = context.talk("settling the thread", async |client| {
        Ok(client.resolve_comment(comment, &patch, None).await?)
    })?;
    show(context, &first)
}

fn show(context: &Context, comment: &Shown) -> Outcome {
    context.screen.show_sheet(comment, || {
        Sheet::new()
            .row("id", comment.id.to_string())
            .painted("short id", &comment.short_id, Paint::Note)
            .row("by", comment.author.to_string())
            .maybe("card", comment.card.map(|card| card.short()))
            .maybe("answers", comment.reply_to.map(|first| first.short()))
            .row("settled", if comment.resolved { "yes" } else { "no" })
            .row("text", &comment.text)
    })?;
    Ok(Exit::Done)
}
