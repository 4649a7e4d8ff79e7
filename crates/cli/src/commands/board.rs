//! `coditect board`: views of sessions, worktrees and notes, with zones that prompt.

mod card;
mod comment;
mod transfer;
mod zone;

use super::Outcome;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::{Cell, Paint, Sheet, Table};
use clap::{Args, Subcommand};
use model::FiringState;
use protocol::{Board as Made, BoardPatch, CardConflict, CardSubject, NewBoard, Place, WholeBoard};
use std::str::FromStr;

#[derive(Debug, Subcommand)]
pub(crate) enum Board {
    /// List the boards
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  coditect board list\n  coditect board list --json"
    )]
    List(All),
    /// Show a board: its zones, its cards and what their triggers came to, and what was said
    #[command(after_help = "Examples:\n  coditect board show release\n  coditect board show release --json")]
    Show(One),
    /// Make a board
    #[command(
        after_help = "Examples:\n  coditect board new Release\n  coditect board new \"Bugs to fix\" --json"
    )]
    New(New),
    /// Give a board another name
    #[command(
        after_help = "Examples:\n  coditect board rename release \"Release 2\"\n  coditect board rename release Next --slug next --json"
    )]
    Rename(Rename),
    /// Make another board with the same on it
    #[command(
        after_help = "Examples:\n  coditect board clone release \"Release 2\"\n  coditect board clone release Next --json"
    )]
    Clone(Clone),
    /// Write a board as one JSON document
    #[command(
        after_help = "Examples:\n  coditect board export release > release.json\n  coditect board export release --json"
    )]
    Export(One),
    /// Make a board from a document
    #[command(
        after_help = "Examples:\n  coditect board import release.json\n  coditect board import - --name Copy --missing refuse"
    )]
    Import(transfer::Import),
    /// Remove a board; what its cards stand for stays
    #[command(
        name = "rm",
        after_help = "Examples:\n  coditect board rm release\n  coditect board rm 7k2m --json"
    )]
    Remove(One),
    /// Cards: put, move, write on, confirm, take off
    #[command(subcommand)]
    Card(card::Card),
    /// Zones: named rectangles, and what dropping a card in one does
    #[command(subcommand)]
    Zone(zone::Zone),
    /// Comments on a board and its cards
    #[command(subcommand)]
    Comment(comment::Comment),
}

#[derive(Debug, Args)]
pub(crate) struct All {}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// Id, short id or short name of the board
    board: String,
}

#[derive(Debug, Args)]
pub(crate) struct New {
    /// 1 to 100 characters
    name: String,
}

#[derive(Debug, Args)]
pub(crate) struct Clone {
    /// Id, short id or short name of the board
    board: String,
    /// What the other one is called
    name: String,
}

#[derive(Debug, Args)]
pub(crate) struct Rename {
    /// Id, short id or short name of the board
    board: String,
    /// 1 to 100 characters
    name: String,
    /// The short name it goes by on the command line; it stays without
    #[arg(long)]
    slug: Option<String>,
}

/// A pair of numbers with something between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pair(i32, i32);

impl Pair {
    fn parse(text: &str, between: char) -> Result<Self, String> {
        let words = || format!("two whole numbers with `{between}` between, as 120{between}80");
        let (one, other) = text.split_once(between).ok_or_else(words)?;
        let number = |text: &str| text.trim().parse::<i32>().map_err(|_| words());
        Ok(Self(number(one)?, number(other)?))
    }
}

/// Where something is: `X,Y`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At(Pair);

impl FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Pair::parse(text, ',').map(Self)
    }
}

/// How large it is: `WIDTHxHEIGHT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(Pair);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Pair::parse(text, 'x').map(Self)
    }
}

fn place(at: At, size: Size) -> Place {
    let (At(Pair(x, y)), Size(Pair(width, height))) = (at, size);
    Place { x, y, width, height }
}

impl Board {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        match self {
            Self::List(All {}) => list(context),
            Self::Show(one) => {
                let whole =
                    context.talk("asking the daemon", async |client| Ok(client.board(&one.board).await?))?;
                show(context, &whole)
            }
            Self::New(New { name }) => {
                let new = NewBoard { name };
                let board = context
                    .talk("making the board", async |client| Ok(client.create_board(&new, None).await?))?;
                brief(context, &board)
            }
            Self::Rename(Rename { board, name, slug }) => {
                let patch = BoardPatch { name: Some(name), slug };
                let board = context.talk("renaming the board", async |client| {
                    Ok(client.change_board(&board, &patch, None).await?)
                })?;
                brief(context, &board)
            }
            Self::Clone(Clone { board, name }) => {
                let new = NewBoard { name };
                let whole = context.talk("copying the board", async |client| {
                    Ok(client.clone_board(&board, &new, None).await?)
                })?;
                show(context, &whole)
            }
            Self::Export(one) => {
                let document = context
                    .talk("asking the daemon", async |client| Ok(client.export_board(&one.board).await?))?;
                let text = serde_json::to_string_pretty(&document)
                    .map_err(|error| Failure::failed("json", error.to_string()))?;
                context.screen.print(&text)?;
                Ok(Exit::Done)
            }
            Self::Import(import) => import.run(context),
            Self::Remove(one) => {
                context.talk("removing the board", async |client| {
                    Ok(client.remove_board(&one.board, None).await?)
                })?;
                gone(context, "board", &one.board)
            }
            Self::Card(card) => card.run(context),
            Self::Zone(zone) => zone.run(context),
            Self::Comment(comment) => comment.run(context),
        }
    }
}

/// Says that something is not there any more.
fn gone(context: &Context, what: &str, id: &str) -> Outcome {
    if context.screen.json {
        context.screen.document(&serde_json::json!({ "id": id, "removed": true }))?;
    } else {
        context.screen.say(&format!("the {what} is removed"));
    }
    Ok(Exit::Done)
}

fn list(context: &Context) -> Outcome {
    let page = context.talk("asking the daemon", async |client| Ok(client.boards().await?))?;
    context.screen.show(&page, || {
        Table::of(&["ID", "SLUG", "NAME", "CARDS", "ZONES", "OPEN THREADS"], &page.items, |one| {
            vec![
                Cell::new(&one.board.short_id).paint(Paint::Note).piped(one.board.id.to_string()),
                Cell::new(&one.board.slug).paint(Paint::Strong),
                Cell::new(&one.board.name),
                Cell::new(one.cards.to_string()),
                Cell::new(one.zones.to_string()),
                Cell::new(one.open_threads.to_string()),
            ]
        })
    })?;
    if page.items.is_empty() && !context.screen.json {
        context.screen.say("there is no board; make one with `coditect board new NAME`");
    }
    Ok(Exit::Done)
}

fn brief(context: &Context, board: &Made) -> Outcome {
    context.screen.show_sheet(board, || {
        Sheet::new()
            .row("id", board.id.to_string())
            .painted("short id", &board.short_id, Paint::Note)
            .painted("slug", &board.slug, Paint::Strong)
            .row("name", &board.name)
    })?;
    Ok(Exit::Done)
}

/// What is told of all that is on a board.
const SHOWN: [&str; 6] = ["WHAT", "ID", "NAME", "WHERE", "SAYS", "CONFLICTS"];

/// A board as a table: its zones, its cards and its comments.
fn show(context: &Context, whole: &WholeBoard) -> Outcome {
    if context.screen.json {
        context.screen.document(whole)?;
        return Ok(Exit::Done);
    }
    context.screen.say(&format!("{} ({})", whole.board.name, whole.board.slug));
    let spot = |place: &Place| format!("{},{} {}x{}", place.x, place.y, place.width, place.height);
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for zone in &whole.zones {
        let does = zone.trigger.as_ref().map_or_else(String::new, |trigger| {
            let asks = if trigger.confirm { ", asks first" } else { "" };
            format!("{}{asks}: {}", trigger.action.as_str(), trigger.template)
        });
        rows.push(vec![
            Cell::new("zone").paint(Paint::Dim),
            Cell::new(&zone.short_id).paint(Paint::Note),
            Cell::new(&zone.name).paint(Paint::Strong),
            Cell::new(spot(&zone.place)),
            Cell::new(does),
            Cell::new(""),
        ]);
    }
    for card in &whole.cards {
        let kind = match card.subject {
            CardSubject::Session { .. } => "session",
            CardSubject::Worktree { .. } => "worktree",
            CardSubject::Note => "note",
        };
        let fired = card.firing.as_ref().map_or_else(String::new, |firing| {
            let why = firing.text.as_ref().map_or_else(String::new, |text| format!(": {text}"));
            format!("{}{why}", firing.state.as_str())
        });
        let paint = match card.firing.as_ref().map(|firing| firing.state) {
            Some(FiringState::Asked) => Paint::Warm,
            Some(FiringState::Refused) => Paint::Bad,
            _ => Paint::Dim,
        };
        rows.push(vec![
            Cell::new(kind).paint(Paint::Dim),
            Cell::new(&card.short_id).paint(Paint::Note),
            Cell::new(card.title.as_deref().unwrap_or_default()).paint(Paint::Strong),
            Cell::new(spot(&card.place)),
            Cell::new(fired).paint(paint),
            Cell::new(in_the_way(&card.conflicts)).paint(Paint::Warm),
        ]);
    }
    for comment in &whole.comments {
        let about = comment.reply_to.map(|first| first.short()).or(comment.card.map(|card| card.short()));
        rows.push(vec![
            Cell::new(if comment.reply_to.is_some() { "reply" } else { "comment" }).paint(Paint::Dim),
            Cell::new(&comment.short_id).paint(Paint::Note),
            Cell::new(comment.author.to_string()),
            Cell::new(about.unwrap_or_default()),
            Cell::new(if comment.resolved {
                format!("(settled) {}", comment.text)
            } else {
                comment.text.clone()
            }),
            Cell::new(""),
        ]);
    }
    let table = Table::of(&SHOWN, &rows, std::clone::Clone::clone);
    context.screen.table(&table)?;
    Ok(Exit::Done)
}

/// The conflicts that what a card stands for is in, the worst first.
fn in_the_way(conflicts: &[CardConflict]) -> String {
    let line = |one: &CardConflict| {
        format!("{}: {}", super::conflict::word(one.kind), super::conflict::files(&one.paths, one.more))
    };
    conflicts.iter().map(line).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ConflictKind;

    #[test]
    fn places_and_sizes_are_pairs_of_numbers() {
        assert_eq!("-20,40".parse::<At>().unwrap(), At(Pair(-20, 40)));
        assert_eq!("240x120".parse::<Size>().unwrap(), Size(Pair(240, 120)));
        for bad in ["", "1", "1,", ",2", "1.5,2", "1x2", "99999999999,0"] {
            assert!(bad.parse::<At>().is_err(), "{bad}");
        }
        assert!("1,2".parse::<Size>().is_err());
    }

    #[test]
    fn a_card_says_what_it_is_in_conflict_with() {
        let one = |kind, paths: &[&str], more| CardConflict {
            id: "cfl_018f000000007000800000000000000a".parse().unwrap(),
            kind,
            paths: paths.iter().map(|path| path.parse().unwrap()).collect(),
            more,
            with: Vec::new(),
        };
        assert_eq!(in_the_way(&[]), "");
        let two = [one(ConflictKind::MergeConflict, &["a.rs"], 2), one(ConflictKind::SameFile, &["b.rs"], 0)];
        assert_eq!(in_the_way(&two), "merge conflict: a.rs and 2 more; same file: b.rs");
    }
}
