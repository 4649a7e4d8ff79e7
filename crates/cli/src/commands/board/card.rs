//! `coditect board card`.

use super::super::Outcome;
use super::{At, Pair, Size, gone, place};
use crate::context::Context;
use crate::failure::Exit;
use crate::render::{Paint, Sheet};
use clap::{Args, Subcommand};
use model::FiringState;
use protocol::{Card as Shown, CardAnswer, CardPatch, NewCard};

/// Size of a card of which only the place is said.
const CARD_SIZE: Size = Size(Pair(260, 140));

#[derive(Debug, Subcommand)]
pub(crate) enum Card {
    /// Put a session, a worktree or a note on a board
    #[command(
        after_help = "Examples:\n  coditect board card add release --session 7k2m\n  coditect board card add release --note \"Ask Ann\" --at 40,80 --size 240x120"
    )]
    Add(Add),
    /// Move a card; dropped in another zone, it sets off the zone's trigger
    #[command(
        after_help = "Examples:\n  coditect board card move q4x9 420,60\n  coditect board card move q4x9 420,60 --size 300x160 --revision 3"
    )]
    Move(Move),
    /// Write on a card; `-` reads the note from stdin
    #[command(
        after_help = "Examples:\n  coditect board card note q4x9 \"Wait for the review\"\n  coditect board card note q4x9 - --json"
    )]
    Note(Note),
    /// Say yes to the trigger that waits on a card
    #[command(
        after_help = "Examples:\n  coditect board card confirm q4x9\n  coditect board card confirm q4x9 --json"
    )]
    Confirm(One),
    /// Say no to the trigger that waits on a card
    #[command(
        after_help = "Examples:\n  coditect board card dismiss q4x9\n  coditect board card dismiss q4x9 --json"
    )]
    Dismiss(One),
    /// Take a card off its board; what it stands for stays
    #[command(
        name = "rm",
        after_help = "Examples:\n  coditect board card rm q4x9\n  coditect board card rm q4x9 --json"
    )]
    Remove(One),
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// Id, short id or short name of the board
    board: String,
    /// Id or short id of a session
    #[arg(long, conflicts_with = "worktree")]
    session: Option<String>,
    /// Id, short id or name of a worktree
    #[arg(long)]
    worktree: Option<String>,
    /// Markdown: all there is of a note, a remark on anything else
    #[arg(long, default_value = "")]
    note: String,
    /// Its upper left corner; where there is room without
    #[arg(long, value_name = "X,Y", allow_hyphen_values = true)]
    at: Option<At>,
    /// How large it is
    #[arg(long, value_name = "WIDTHxHEIGHT", requires = "at")]
    size: Option<Size>,
}

#[derive(Debug, Args)]
pub(crate) struct Move {
    /// Id or short id of the card, or the start of it
    card: String,
    /// Its upper left corner
    #[arg(value_name = "X,Y", allow_hyphen_values = true)]
    at: At,
    /// How large it is; as before without
    #[arg(long, value_name = "WIDTHxHEIGHT")]
    size: Option<Size>,
    /// Fail unless the card is at this revision
    #[arg(long)]
    revision: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Note {
    /// Id or short id of the card, or the start of it
    card: String,
    /// Markdown; `-` reads it from stdin
    note: String,
    /// Fail unless the card is at this revision
    #[arg(long)]
    revision: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// Id or short id of the card, or the start of it
    card: String,
}

impl Card {
    pub(super) fn run(self, context: &Context) -> Outcome {
        let shown = match self {
            Self::Add(Add { board, session, worktree, note, at, size }) => {
                let place = at.map(|at| place(at, size.unwrap_or(CARD_SIZE)));
                let new = NewCard { session, worktree, note: context.text(&note)?, place };
                context.talk("placing the card", async |client| {
                    Ok(client.place_card(&board, &new, None).await?)
                })?
            }
            Self::Move(Move { card, at: At(Pair(x, y)), size, revision }) => {
                let (width, height) = size.map(|Size(Pair(width, height))| (width, height)).unzip();
                let patch = CardPatch { x: Some(x), y: Some(y), width, height, note: None, revision };
                changed(context, &card, &patch)?
            }
            Self::Note(Note { card, note, revision }) => {
                let note = Some(context.text(&note)?);
                changed(context, &card, &CardPatch { note, revision, ..CardPatch::default() })?
            }
            Self::Confirm(one) => answered(context, &one.card, true)?,
            Self::Dismiss(one) => answered(context, &one.card, false)?,
            Self::Remove(one) => {
                context.talk("removing the card", async |client| {
                    Ok(client.remove_card(&one.card, None).await?)
                })?;
                return gone(context, "card", &one.card);
            }
        };
        show(context, &shown)
    }
}

fn changed(context: &Context, card: &str, patch: &CardPatch) -> Result<Shown, crate::failure::Failure> {
    context.talk("changing the card", async |client| Ok(client.change_card(card, patch, None).await?))
}

fn answered(context: &Context, card: &str, confirm: bool) -> Result<Shown, crate::failure::Failure> {
    let answer = CardAnswer { confirm };
    context.talk("answering", async |client| Ok(client.answer_card(card, &answer, None).await?))
}

fn show(context: &Context, card: &Shown) -> Outcome {
    let place = card.place;
    context.screen.show_sheet(card, || {
        let sheet = Sheet::new()
            .row("id", card.id.to_string())
            .painted("short id", &card.short_id, Paint::Note)
            .painted("title", card.title.as_deref().unwrap_or_default(), Paint::Strong)
            .row("place", format!("{},{} {}x{}", place.x, place.y, place.width, place.height))
            .row("revision", card.revision.to_string())
            .maybe("zone", card.zone.map(|zone| zone.short()));
        let Some(firing) = &card.firing else { return sheet };
        sheet
            .row("trigger", firing.state.as_str())
            .maybe("because", firing.text.clone())
            .maybe("session", firing.session.map(|session| session.to_string()))
            .maybe("task", firing.task.map(|task| task.to_string()))
            .row("prompt", &firing.prompt)
    })?;
    let asks = card.firing.as_ref().is_some_and(|firing| firing.state == FiringState::Asked);
    if asks && !context.screen.json {
        context.screen.say(&format!("it waits: `coditect board card confirm {}`, or dismiss", card.short_id));
    }
    Ok(Exit::Done)
}
