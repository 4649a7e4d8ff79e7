//! Boards: see what is on one, and change it.
//!
//! Few tools for many operations: which one is meant follows from what is given. What dropping a card in a zone does is the daemon's
//! to decide, so it is the same as by hand.

use super::Tool;
use crate::answer::{Answer, clipped};
use crate::call::Call;
use crate::failure::Failure;
use protocol::{
    Board, BoardPatch, Card, CardAnswer, CardConflict, CardPatch, CardSubject, Comment, CommentPatch,
    NewBoard, NewCard, NewComment, NewZone, Place, Trigger, TriggerAction, Zone, ZoneColour, ZonePatch,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Size of a card of which only the place is said, as the daemon gives one without any.
const CARD_SIZE: (i32, i32) = (260, 140);
/// How much of a note the text shows, in characters.
const SHOWN_MAX: usize = 200;

pub(super) fn tools() -> Vec<Tool> {
    vec![
        Tool::new::<_, Seen, _>(
            "board_get",
            "See boards",
            "Without an id lists the boards of the studio; with one shows its cards, zones and comments. A card stands for a \
             session, a worktree or a note.",
            get,
        )
        .reads()
        .of_daemon(),
        Tool::new::<_, Changed, _>(
            "board_change",
            "Change a board",
            "Makes a board; or renames, copies or removes the one that is named. Nothing but the board itself is removed.",
            change,
        )
        .replaces()
        .of_daemon(),
        Tool::new::<_, Dropped, _>(
            "board_card",
            "Put, move or take a card",
            "With `board` puts a session, a worktree or a note on it; with `card` moves it, changes its note, confirms what \
             waits on it, or takes it off. A card dropped in a zone sets off the zone's trigger, once: `firing` says \
             what came of it.",
            card,
        )
        .replaces()
        .of_daemon(),
        Tool::new::<_, Drawn, _>(
            "board_zone",
            "Make or change a zone",
            "With `board` makes a zone, a named rectangle; with `zone` changes or removes it. Its trigger prompts the session of a \
             card that is dropped there, or spawns or forks one, with a template of {{session.title}}, {{branch}}, \
             {{card.note}} and their like.",
            zone,
        )
        .replaces()
        .of_daemon(),
        Tool::new::<_, Said, _>(
            "board_comment",
            "Comment on a board",
            "With `board` says something about it, about a card of it, or in answer to a comment; with `comment` settles, \
             reopens or removes that one.",
            comment,
        )
        .replaces()
        .of_daemon(),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Get {
    /// Id, short id or short name of a board; without it all are listed.
    #[serde(default)]
    board: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Change {
    /// Id, short id or short name; without it a board is made.
    #[serde(default)]
    board: Option<String>,
    /// What a new board, a renamed one or the copy is called.
    #[serde(default)]
    name: Option<String>,
    /// Make a copy of the board.
    #[serde(default)]
    copy: bool,
    /// Remove the board.
    #[serde(default)]
    remove: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Drop {
    /// Board to put a new card on; leave it out to change a card.
    #[serde(default)]
    board: Option<String>,
    /// Id or short id of a card to change.
    #[serde(default)]
    card: Option<String>,
    /// Session a new card stands for.
    #[serde(default)]
    session: Option<String>,
    /// Worktree a new card stands for; a note when it is of neither.
    #[serde(default)]
    worktree: Option<String>,
    /// Markdown, at most 16 KiB.
    #[serde(default)]
    note: Option<String>,
    /// From the left; without x and y a new card goes where there is room.
    #[serde(default)]
    x: Option<i32>,
    /// From the top, downwards.
    #[serde(default)]
    y: Option<i32>,
    /// 40 to 20000.
    #[serde(default)]
    width: Option<i32>,
    /// 40 to 20000.
    #[serde(default)]
    height: Option<i32>,
    /// The revision you saw: card_changed says what is there instead.
    #[serde(default)]
    revision: Option<u64>,
    /// True or false: whether the trigger that waits on the card is to be carried out.
    #[serde(default)]
    confirm: Option<bool>,
    /// Take the card off the board; what it stands for stays.
    #[serde(default)]
    remove: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Draw {
    /// Board to make a zone on; leave it out to change one.
    #[serde(default)]
    board: Option<String>,
    /// Id or short id of a zone to change.
    #[serde(default)]
    zone: Option<String>,
    #[serde(default)]
    #[schemars(description = "1 to 100 characters.")]
    name: Option<String>,
    /// `grey`, `blue`, `green`, `yellow`, `red` or `purple`.
    #[serde(default)]
    colour: Option<String>,
    /// From the left; a place is x, y, width and height together.
    #[serde(default)]
    x: Option<i32>,
    /// From the top, downwards.
    #[serde(default)]
    y: Option<i32>,
    /// 40 to 20000.
    #[serde(default)]
    width: Option<i32>,
    /// 40 to 20000.
    #[serde(default)]
    height: Option<i32>,
    /// `prompt`, `spawn` or `fork`; `none` takes the trigger away.
    #[serde(default)]
    action: Option<String>,
    /// The prompt of the trigger.
    #[serde(default)]
    template: Option<String>,
    /// Who is prompted, or sits in the new session; everybody of the card's session without.
    #[serde(default)]
    agents: Vec<String>,
    /// The prompt waits on the card for the user's word.
    #[serde(default)]
    confirm: bool,
    /// Remove the zone; its cards stay.
    #[serde(default)]
    remove: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Say {
    /// Board to comment on; leave it out to change a comment.
    #[serde(default)]
    board: Option<String>,
    /// At most 4 KiB.
    #[serde(default)]
    text: Option<String>,
    /// Card of the board it is about.
    #[serde(default)]
    card: Option<String>,
    /// Comment it answers.
    #[serde(default)]
    reply_to: Option<String>,
    /// Id or short id of a comment to settle, reopen or remove.
    #[serde(default)]
    comment: Option<String>,
    /// False opens the thread again.
    #[serde(default)]
    resolved: Option<bool>,
    /// Remove the comment, and the replies of a first one.
    #[serde(default)]
    remove: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Seen {
    /// All of them, when none was named.
    boards: Vec<Named>,
    /// Of the board that was named, as are the next ones.
    cards: Vec<Shown>,
    zones: Vec<Area>,
    comments: Vec<Remark>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Named {
    short_id: String,
    slug: String,
    name: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Changed {
    /// None: it was removed.
    board: Option<Named>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Shown {
    short_id: String,
    title: String,
    /// What it stands for; none for a note.
    session: Option<String>,
    worktree: Option<String>,
    note: String,
    /// Short id of the zone it is in.
    zone: Option<String>,
    x: i32,
    y: i32,
    width: i32,
    height: i32,
    revision: u64,
    firing: Option<Fired>,
    /// Open conflicts of its worktree, or that its session was seen in, the worst first.
    conflicts: Vec<InTheWay>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct InTheWay {
    /// `same_file`, `same_hunk`, `merge_conflict`, or `base_conflict` when it is with the checkout's branch.
    kind: String,
    files: Vec<String>,
    /// How many more files there are.
    more: u32,
    /// Where the other worktrees are.
    with: Vec<String>,
}

impl From<CardConflict> for InTheWay {
    fn from(one: CardConflict) -> Self {
        let files = one.paths.iter().map(ToString::to_string).collect();
        Self { kind: one.kind.as_str().to_owned(), files, more: one.more, with: one.with }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
struct Fired {
    /// `asked`, `due`, `done`, `refused` or `dismissed`.
    state: String,
    prompt: String,
    /// Session that has the prompt.
    session: Option<String>,
    task: Option<String>,
    /// Why it was refused.
    text: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Dropped {
    /// None: it was taken off.
    card: Option<Shown>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Area {
    short_id: String,
    name: String,
    colour: String,
    x: i32,
    y: i32,
    width: i32,
    height: i32,
    /// What its trigger does; none when it has none.
    action: Option<String>,
    template: Option<String>,
    revision: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Drawn {
    /// None: it was removed.
    zone: Option<Area>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Remark {
    short_id: String,
    /// Short id of the card it is about.
    card: Option<String>,
    /// Short id of the first comment of its thread.
    reply_to: Option<String>,
    author: String,
    text: String,
    resolved: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Said {
    /// None: it was removed.
    comment: Option<Remark>,
}

impl From<Board> for Named {
    fn from(board: Board) -> Self {
        Self { short_id: board.short_id, slug: board.slug, name: board.name }
    }
}

impl From<Card> for Shown {
    fn from(card: Card) -> Self {
        let (session, worktree) = match card.subject {
            CardSubject::Session { session } => (Some(session.to_string()), None),
            CardSubject::Worktree { worktree } => (None, Some(worktree.to_string())),
            CardSubject::Note => (None, None),
        };
        let firing = card.firing.map(|firing| Fired {
            state: firing.state.as_str().to_owned(),
            prompt: firing.prompt,
            session: firing.session.map(|session| session.to_string()),
            task: firing.task.map(|task| task.to_string()),
            text: firing.text,
        });
        let Place { x, y, width, height } = card.place;
        let zone = card.zone.map(|zone| zone.short());
        let (title, note, revision) = (card.title.unwrap_or_default(), card.note, card.revision);
        let short_id = card.short_id;
        let conflicts = card.conflicts.into_iter().map(InTheWay::from).collect();
        Self {
            short_id,
            title,
            session,
            worktree,
            note,
            zone,
            x,
            y,
            width,
            height,
            revision,
            firing,
            conflicts,
        }
    }
}

impl Shown {
    fn line(&self) -> String {
        let fired = self.firing.as_ref().map_or_else(String::new, |firing| {
            format!("; its trigger: {} {}", firing.state, firing.text.as_deref().unwrap_or_default())
        });
        let title = clipped(&self.title, SHOWN_MAX);
        let ways = self.conflicts.iter().map(|one| format!("; {} in {}", one.kind, one.files.join(", ")));
        let ways: String = ways.collect();
        format!("card {} “{title}” at {},{}{fired}{ways}", self.short_id, self.x, self.y)
            .trim_end()
            .to_owned()
    }
}

impl From<Zone> for Area {
    fn from(zone: Zone) -> Self {
        let Place { x, y, width, height } = zone.place;
        let (action, template) = match zone.trigger {
            None => (None, None),
            Some(trigger) => (Some(trigger.action.as_str().to_owned()), Some(trigger.template)),
        };
        let colour = zone.colour.as_str().to_owned();
        let (short_id, name, revision) = (zone.short_id, zone.name, zone.revision);
        Self { short_id, name, colour, x, y, width, height, action, template, revision }
    }
}

impl Area {
    fn line(&self) -> String {
        let does =
            self.action.as_deref().map_or_else(String::new, |action| format!(", which is to {action}"));
        format!(
            "zone {} “{}” at {},{} of {}x{}{does}",
            self.short_id, self.name, self.x, self.y, self.width, self.height
        )
    }
}

impl From<Comment> for Remark {
    fn from(comment: Comment) -> Self {
        Self {
            short_id: comment.short_id,
            card: comment.card.map(|card| card.short()),
            reply_to: comment.reply_to.map(|first| first.short()),
            author: comment.author.to_string(),
            text: comment.text,
            resolved: comment.resolved,
        }
    }
}

impl Remark {
    fn line(&self) -> String {
        let settled = if self.resolved { " (settled)" } else { "" };
        format!("comment {} by {}{settled}: {}", self.short_id, self.author, clipped(&self.text, SHOWN_MAX))
    }
}

fn unclear(words: &str, next: &str) -> Failure {
    Failure::new("bad_arguments", words, next)
}

async fn get(call: Call, wish: Get) -> Result<Answer, Failure> {
    let daemon = call.daemon();
    let mut seen = Seen { boards: Vec::new(), cards: Vec::new(), zones: Vec::new(), comments: Vec::new() };
    let mut lines: Vec<String> = Vec::new();
    match wish.board {
        None => {
            let boards = daemon.boards().await?.items;
            seen.boards = boards.into_iter().map(|one| Named::from(one.board)).collect();
            lines.extend(seen.boards.iter().map(|one| format!("board {} “{}”", one.slug, one.name)));
        }
        Some(board) => {
            let whole = daemon.board(&board).await?;
            seen.boards = vec![whole.board.into()];
            seen.cards = whole.cards.into_iter().map(Shown::from).collect();
            seen.zones = whole.zones.into_iter().map(Area::from).collect();
            seen.comments = whole.comments.into_iter().map(Remark::from).collect();
            lines.extend(seen.zones.iter().map(Area::line));
            lines.extend(seen.cards.iter().map(Shown::line));
            lines.extend(seen.comments.iter().map(Remark::line));
        }
    }
    let text = if lines.is_empty() { "There is nothing.".to_owned() } else { lines.join("\n") };
    Answer::new(text, seen)
}

async fn change(call: Call, wish: Change) -> Result<Answer, Failure> {
    let daemon = call.daemon();
    let made: Board = match (wish.board, wish.name, wish.copy, wish.remove) {
        (Some(board), None, false, true) => {
            daemon.remove_board(&board, None).await?;
            return Answer::new("The board is removed.", Changed { board: None });
        }
        (None, Some(name), false, false) => daemon.create_board(&NewBoard { name }, None).await?,
        (Some(board), Some(name), false, false) => {
            let patch = BoardPatch { name: Some(name), slug: None };
            daemon.change_board(&board, &patch, None).await?
        }
        (Some(board), Some(name), true, false) => {
            daemon.clone_board(&board, &NewBoard { name }, None).await?.board
        }
        _ => {
            return Err(unclear(
                "it is not clear what is to be done",
                "give name to make a board, board and name to rename it, copy besides to copy it, or board and remove",
            ));
        }
    };
    let board = Named::from(made);
    Answer::new(format!("board {} “{}”", board.slug, board.name), Changed { board: Some(board) })
}

async fn card(call: Call, wish: Drop) -> Result<Answer, Failure> {
    let daemon = call.daemon();
    let Drop { board, card, session, worktree, note, x, y, width, height, revision, confirm, remove } = wish;
    let shown: Shown = match (board, card) {
        (Some(board), None) => {
            let place = match (x, y) {
                (Some(x), Some(y)) => {
                    let (width, height) = (width.unwrap_or(CARD_SIZE.0), height.unwrap_or(CARD_SIZE.1));
                    Some(Place { x, y, width, height })
                }
                (None, None) => None,
                _ => return Err(unclear("a place is x and y", "give both, or neither")),
            };
            let new = NewCard { session, worktree, note: note.unwrap_or_default(), place };
            daemon.place_card(&board, &new, None).await?.into()
        }
        (None, Some(card)) if remove => {
            daemon.remove_card(&card, None).await?;
            return Answer::new("The card is off the board.", Dropped { card: None });
        }
        (None, Some(card)) => match confirm {
            Some(confirm) => daemon.answer_card(&card, &CardAnswer { confirm }, None).await?.into(),
            None => {
                let patch = CardPatch { x, y, width, height, note, revision };
                daemon.change_card(&card, &patch, None).await?.into()
            }
        },
        _ => {
            return Err(unclear(
                "it is not clear which card is meant",
                "give board for a new one, else card",
            ));
        }
    };
    Answer::new(shown.line(), Dropped { card: Some(shown) })
}

async fn zone(call: Call, wish: Draw) -> Result<Answer, Failure> {
    let daemon = call.daemon();
    let colour = wish.colour.as_deref().map(colour).transpose()?;
    let place = match (wish.x, wish.y, wish.width, wish.height) {
        (Some(x), Some(y), Some(width), Some(height)) => Some(Place { x, y, width, height }),
        (None, None, None, None) => None,
        _ => return Err(unclear("a place is x, y, width and height", "give all four, or none")),
    };
    let trigger = trigger(wish.action.as_deref(), wish.template, &wish.agents, wish.confirm)?;
    let drawn: Area = match (wish.board, wish.zone) {
        (Some(board), None) => {
            let (Some(name), Some(place)) = (wish.name, place) else {
                return Err(unclear(
                    "a new zone needs a name and a place",
                    "give name, x, y, width and height",
                ));
            };
            let (colour, trigger) = (colour.unwrap_or_default(), trigger.flatten());
            daemon.place_zone(&board, &NewZone { name, place, colour, trigger }, None).await?.into()
        }
        (None, Some(zone)) if wish.remove => {
            daemon.remove_zone(&zone, None).await?;
            return Answer::new("The zone is removed.", Drawn { zone: None });
        }
        (None, Some(zone)) => {
            let patch = ZonePatch { name: wish.name, colour, place, trigger, revision: None };
            daemon.change_zone(&zone, &patch, None).await?.into()
        }
        _ => {
            return Err(unclear(
                "it is not clear which zone is meant",
                "give board for a new one, else zone",
            ));
        }
    };
    Answer::new(drawn.line(), Drawn { zone: Some(drawn) })
}

fn colour(word: &str) -> Result<ZoneColour, Failure> {
    let found = ZoneColour::ALL.into_iter().find(|one| one.as_str() == word);
    found.ok_or_else(|| unclear("there is no such colour", "grey, blue, green, yellow, red or purple"))
}

/// What is said of the trigger: nothing, that there is to be none, or which.
fn trigger(
    action: Option<&str>,
    template: Option<String>,
    agents: &[String],
    confirm: bool,
) -> Result<Option<Option<Trigger>>, Failure> {
    let action = match (action, &template) {
        (None, None) => return Ok(None),
        (Some("none"), None) => return Ok(Some(None)),
        (action, _) => {
            action.and_then(|word| TriggerAction::ALL.into_iter().find(|one| one.as_str() == word))
        }
    };
    let (Some(action), Some(template)) = (action, template) else {
        return Err(unclear(
            "a trigger is an action and a template",
            "action is prompt, spawn, fork or none",
        ));
    };
    let agents = super::session::agents(agents)?;
    Ok(Some(Some(Trigger { action, template, agents, confirm })))
}

async fn comment(call: Call, wish: Say) -> Result<Answer, Failure> {
    let daemon = call.daemon();
    let remark: Remark = match (wish.board, wish.comment) {
        (Some(board), None) => {
            let text = wish.text.unwrap_or_default();
            let new = NewComment { text, card: wish.card, reply_to: wish.reply_to };
            daemon.add_comment(&board, &new, None).await?.into()
        }
        (None, Some(comment)) if wish.remove => {
            daemon.remove_comment(&comment, None).await?;
            return Answer::new("The comment is removed.", Said { comment: None });
        }
        (None, Some(comment)) => {
            let patch = CommentPatch { resolved: wish.resolved.unwrap_or(true) };
            daemon.resolve_comment(&comment, &patch, None).await?.into()
        }
        _ => {
            return Err(unclear(
                "it is not clear which comment is meant",
                "give board for a new one, else comment",
            ));
        }
    };
    Answer::new(remark.line(), Said { comment: Some(remark) })
}
