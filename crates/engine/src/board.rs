//! Boards: make, look at, rename, remove. What is on them is in `board/`, one file per noun.
//!
//! A board is a view: it owns positions, and whatever happens to it happens to nothing else. What dropping a card sets off is decided
//! in the commit that moves the card, so it is the same from every face.

mod card;
mod comment;
mod template;
#[cfg(test)]
mod tests;
mod transfer;
mod trigger;
mod zone;

pub use card::{CardChange, NewCard};
pub use comment::NewComment;
pub use template::TEMPLATE_NAMES;
pub use transfer::{BoardCopy, CardCopy, CommentCopy, MissingWish, ZoneCopy};
pub use zone::{NewZone, ZoneChange};

use crate::repo::{check_slug, slug_of};
use crate::{Call, Engine};
use model::{
    BOARD_NAME_MAX, BOARDS_MAX, Board, BoardId, BoardRemoved, Card, CardId, CardSubject, CommentId, Conflict,
    Event, Place, Refusal, Zone, ZoneId,
};
use store::{BoardCounts, CommentRow, FiringRow, View};

/// Longest title of a card, in characters.
const CARD_TITLE_MAX: usize = 80;

/// A board and how much is on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardView {
    pub board: Board,
    pub counts: BoardCounts,
}

/// A card with what is shown on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardView {
    pub card: Card,
    pub title: String,
    /// The zone its middle is in.
    pub zone: Option<ZoneId>,
    /// What its last drop in a zone has set off.
    pub firing: Option<FiringRow>,
    /// Open conflicts of its worktree, or that its session was seen in; the worst first.
    pub conflicts: Vec<CardConflict>,
}

/// A conflict as one of the cards in it shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardConflict {
    pub conflict: Conflict,
    /// The worktrees but the card's own; none: it is with the branch of the repo's checkout.
    pub with: Vec<String>,
}

/// A board with all that is on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WholeBoard {
    pub board: Board,
    pub cards: Vec<CardView>,
    pub zones: Vec<Zone>,
    pub comments: Vec<CommentRow>,
}

impl Engine {
    /// All boards, by their short names.
    pub fn boards(&self) -> Result<Vec<BoardView>, Refusal> {
        self.shared.store.read_or_refuse(|view| {
            let all = view.boards()?.into_iter();
            all.map(|board| Ok(BoardView { counts: view.board_counts(board.id)?, board })).collect()
        })
    }

    pub fn board(&self, board: BoardId) -> Result<WholeBoard, Refusal> {
        self.shared.store.read_or_refuse(|view| {
            let board = present(view, board)?;
            let zones = view.zones(board.id)?;
            let mut firings = view.firings(board.id)?;
            // Of several of one card the last one counts.
            firings.reverse();
            let conflicts = worst_first(view)?;
            let mut cards = Vec::new();
            for row in view.cards(board.id)? {
                let firing = firings.iter().find(|firing| firing.firing.card == row.card.id).cloned();
                cards.push(card_view(view, row.card, &zones, firing, &conflicts)?);
            }
            Ok(WholeBoard { cards, zones, comments: view.comments(board.id)?, board })
        })
    }

    /// From a full id, a short name, or an unambiguous prefix of a short id.
    pub fn resolve_board(&self, given: &str) -> Result<BoardId, Refusal> {
        match self.shared.store.read(|view| view.board_by_slug(given))? {
            Some(board) => Ok(board.id),
            None => self.resolve(given),
        }
    }

    pub fn resolve_card(&self, given: &str) -> Result<CardId, Refusal> {
        self.resolve(given)
    }

    pub fn resolve_zone(&self, given: &str) -> Result<ZoneId, Refusal> {
        self.resolve(given)
    }

    pub fn resolve_comment(&self, given: &str) -> Result<CommentId, Refusal> {
        self.resolve(given)
    }

    pub async fn create_board(&self, call: &Call, name: &str) -> Result<Board, Refusal> {
        call.only_user()?;
        let name = checked_name(name)?;
        let (id, created_at) = (self.shared.new_id(), self.shared.now());
        let command = move |view: &View<'_>| {
            Ok(vec![Event::BoardCreated(Board { id, slug: free_slug(view, &name)?, name, created_at })])
        };
        let receipt = self.shared.commit(call.actor(), call.key.clone(), command).await?;
        let made = receipt.records.iter().find_map(|record| match &record.event {
            Event::BoardCreated(board) => Some(board.clone()),
            _ => None,
        });
        made.ok_or_else(|| Refusal::internal("the commit made no board"))
    }

    /// Gives a board another name, another short name, or both.
    pub async fn change_board(
        &self,
        call: &Call,
        board: BoardId,
        name: Option<String>,
        slug: Option<String>,
    ) -> Result<Board, Refusal> {
        call.only_user()?;
        let name = name.as_deref().map(checked_name).transpose()?;
        if let Some(slug) = &slug {
            check_slug(slug)?;
        }
        let command = move |view: &View<'_>| {
            let before = present(view, board)?;
            if let Some(slug) = &slug
                && view.board_by_slug(slug)?.is_some_and(|other| other.id != board)
            {
                return Err(Refusal::conflict("slug_taken", format!("another board is called `{slug}`"))
                    .hint("choose another one"));
            }
            let after = Board {
                name: name.unwrap_or_else(|| before.name.clone()),
                slug: slug.unwrap_or_else(|| before.slug.clone()),
                ..before.clone()
            };
            Ok((after != before).then_some(Event::BoardChanged(after)).into_iter().collect())
        };
        self.shared.commit(call.actor(), call.key.clone(), command).await?;
        self.shared.store.read_or_refuse(|view| present(view, board))
    }

    /// Removes a board with what is on it, and nothing else.
    pub async fn remove_board(&self, call: &Call, board: BoardId) -> Result<(), Refusal> {
        call.only_user()?;
        let command = move |view: &View<'_>| {
            present(view, board)?;
            Ok(vec![Event::BoardRemoved(BoardRemoved { board })])
        };
        self.shared.commit(call.actor(), call.key.clone(), command).await.map(drop)
    }
}

/// The board, if there is one.
fn present(view: &View<'_>, board: BoardId) -> Result<Board, Refusal> {
    view.board(board)?.ok_or_else(|| {
        Refusal::not_found("board", board.short()).hint("`coditect board list` shows what there is")
    })
}

fn card_view(
    view: &View<'_>,
    card: Card,
    zones: &[Zone],
    firing: Option<FiringRow>,
    conflicts: &[Conflict],
) -> Result<CardView, Refusal> {
    let zone = Zone::around(zones, &card.place).map(|zone| zone.id);
    let conflicts = conflicts_of(view, card.subject, conflicts)?;
    Ok(CardView { title: title_of(view, &card)?, zone, firing, conflicts, card })
}

/// Open conflicts in the order in which cards show them.
fn worst_first(view: &View<'_>) -> Result<Vec<Conflict>, Refusal> {
    let mut open = view.conflicts()?;
    open.sort_by_key(|conflict| std::cmp::Reverse(conflict.kind));
    Ok(open)
}

/// The conflicts that what the card stands for is in.
fn conflicts_of(
    view: &View<'_>,
    subject: CardSubject,
    open: &[Conflict],
) -> Result<Vec<CardConflict>, Refusal> {
    let (session, worktree) = match subject {
        CardSubject::Note => return Ok(Vec::new()),
        CardSubject::Session { session } => (Some(session), view.worktree_of(session)?),
        CardSubject::Worktree { worktree } => (None, Some(worktree)),
    };
    let own = match worktree {
        Some(worktree) => view.worktree(worktree)?.map(|row| row.worktree.path),
        None => None,
    };
    let is_in = |conflict: &&Conflict| {
        let seen = session.is_some_and(|session| conflict.sessions.contains(&session));
        seen || own.as_ref().is_some_and(|own| conflict.worktrees.contains(own))
    };
    let shown = open.iter().filter(is_in).map(|conflict| CardConflict {
        with: match &conflict.worktrees[..] {
            // With the branch of the repo's checkout.
            [_] => Vec::new(),
            both => both.iter().filter(|at| own.as_ref() != Some(*at)).cloned().collect(),
        },
        conflict: conflict.clone(),
    });
    Ok(shown.collect())
}

/// What a card is called.
fn title_of(view: &View<'_>, card: &Card) -> Result<String, Refusal> {
    let title = match card.subject {
        CardSubject::Session { session } => view.session(session)?.map(|row| row.session.title),
        CardSubject::Worktree { worktree } => view.worktree(worktree)?.map(|row| row.worktree.name),
        CardSubject::Note => None,
    };
    let line = || card.note.lines().next().unwrap_or_default().trim_start_matches(['#', ' ']).to_owned();
    Ok(title.unwrap_or_else(line).chars().take(CARD_TITLE_MAX).collect())
}

/// The name of a board or a zone as it is kept.
fn checked_name(given: &str) -> Result<String, Refusal> {
    let name = given.trim();
    let usable = (1..=BOARD_NAME_MAX).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if usable {
        return Ok(name.to_owned());
    }
    let message = format!("a name has 1 to {BOARD_NAME_MAX} characters, in one line");
    Err(Refusal::invalid("name_invalid", message).hint("choose another name"))
}

fn check_place(place: &Place) -> Result<(), Refusal> {
    if place.fits() {
        return Ok(());
    }
    let message = format!(
        "x and y are between -{edge} and {edge}, width and height between {least} and {most}",
        edge = model::BOARD_EDGE,
        least = model::SIZE_MIN,
        most = model::SIZE_MAX,
    );
    Err(Refusal::invalid("place_out_of_range", message).hint("bring it nearer to the middle of the board"))
}

/// Refuses one more than there may be.
fn check_room(there: u64, more: usize, most: usize, what: &str) -> Result<(), Refusal> {
    if there + more as u64 <= most as u64 {
        return Ok(());
    }
    let message = format!("a board has at most {most} {what}");
    Err(Refusal::conflict("board_full", message).hint("remove what nobody needs, or use another board"))
}

/// A short name nobody has.
fn free_slug(view: &View<'_>, name: &str) -> Result<String, Refusal> {
    let boards = view.boards()?;
    if boards.len() >= BOARDS_MAX {
        let message = format!("a workspace has at most {BOARDS_MAX} boards");
        return Err(Refusal::conflict("too_many_boards", message).hint("remove one: `coditect board rm ID`"));
    }
    // A board called `a/b` is no folder `b`.
    let slug = slug_of(&name.replace('/', "-"));
    let taken = |slug: &str| boards.iter().any(|board| board.slug == slug);
    let numbered = (2..=BOARDS_MAX + 1).map(|n| format!("{slug}-{n}"));
    let free = std::iter::once(slug.clone()).chain(numbered).find(|slug| !taken(slug));
    free.ok_or_else(|| Refusal::internal("every short name is taken"))
}
