//! Boards: a view of sessions, worktrees and notes that owns only positions, and what dropping a card in a zone sets off.
//!
//! Places are whole numbers, so that every face, journal and database has the same ones.

use crate::{
    Actor, AgentName, BoardId, CardId, CommentId, FiringId, SessionId, TaskId, Timestamp, WorktreeId, ZoneId,
};
use serde::{Deserialize, Serialize};

/// Most boards of a workspace.
pub const BOARDS_MAX: usize = 100;
/// Most cards of a board.
pub const CARDS_MAX: usize = 500;
/// Most zones of a board.
pub const ZONES_MAX: usize = 50;
/// Most comments of a board.
pub const COMMENTS_MAX: usize = 1000;
/// Longest name of a board or a zone, in characters.
pub const BOARD_NAME_MAX: usize = 100;
/// Longest note of a card, in bytes of Markdown.
pub const NOTE_MAX: usize = 16 * 1024;
/// Longest comment, in bytes.
pub const COMMENT_MAX: usize = 4 * 1024;
/// Longest template of a trigger, in bytes.
pub const TEMPLATE_MAX: usize = 8 * 1024;
/// A board reaches this far from its middle, in every direction.
pub const BOARD_EDGE: i32 = 1_000_000;
/// Smallest width and height of a card or a zone.
pub const SIZE_MIN: i32 = 40;
/// Largest width and height of a card or a zone.
pub const SIZE_MAX: i32 = 20_000;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Board {
    pub id: BoardId,
    pub slug: String,
    pub name: String,
    pub created_at: Timestamp,
}

/// A rectangle on a board, from its upper left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub x: i32,
    pub y: i32,
    pub width: i32,
    pub height: i32,
}

impl Place {
    /// Within the bounds of boards.
    pub fn fits(&self) -> bool {
        let on_board = |at: i32| (-BOARD_EDGE..=BOARD_EDGE).contains(&at);
        let sized = |size: i32| (SIZE_MIN..=SIZE_MAX).contains(&size);
        on_board(self.x) && on_board(self.y) && sized(self.width) && sized(self.height)
    }

    fn area(&self) -> i64 {
        i64::from(self.width) * i64::from(self.height)
    }

    /// Whether the middle of the other one is inside.
    pub fn holds(&self, other: &Self) -> bool {
        // Twice as large, so that the middle of an odd width is a whole number.
        let middle = |at: i32, size: i32| 2 * i64::from(at) + i64::from(size);
        let inside = |at: i32, size: i32, middle: i64| {
            (2 * i64::from(at)..2 * (i64::from(at) + i64::from(size))).contains(&middle)
        };
        inside(self.x, self.width, middle(other.x, other.width))
            && inside(self.y, self.height, middle(other.y, other.height))
    }
}

/// What a card stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CardSubject {
    Session { session: SessionId },
    Worktree { worktree: WorktreeId },
    Note,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    pub id: CardId,
    pub board: BoardId,
    pub subject: CardSubject,
    pub place: Place,
    /// Markdown: all there is of a note, a remark on anything else.
    pub note: String,
    /// Rises with every change of the card, from 1.
    pub revision: u64,
    pub created_at: Timestamp,
}

/// A card is elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardMove {
    pub board: BoardId,
    pub card: CardId,
    pub place: Place,
    pub revision: u64,
    /// The zone it was dropped in, when it was not in it before.
    pub entered: Option<ZoneId>,
}

/// A card says something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardEdit {
    pub board: BoardId,
    pub card: CardId,
    pub note: String,
    pub revision: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardRemoved {
    pub board: BoardId,
    pub card: CardId,
}

/// What a trigger does with its prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerAction {
    /// It goes to the card's session.
    Prompt,
    /// A new session with fresh context gets it.
    Spawn,
    /// A fork of the card's session gets it.
    Fork,
}

impl TriggerAction {
    pub const ALL: [Self; 3] = [Self::Prompt, Self::Spawn, Self::Fork];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prompt => "prompt",
            Self::Spawn => "spawn",
            Self::Fork => "fork",
        }
    }
}

/// What happens when a card is dropped in a zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    pub action: TriggerAction,
    /// The prompt, with names in double braces for what the card is about.
    pub template: String,
    /// Who is prompted, or sits in the new session; empty: everybody of the card's session.
    pub agents: Vec<AgentName>,
    /// The prompt is shown, and waits for the user's word.
    pub confirm: bool,
}

/// A named part of a board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    pub id: ZoneId,
    pub board: BoardId,
    pub name: String,
    pub colour: ZoneColour,
    pub place: Place,
    pub trigger: Option<Trigger>,
    /// Rises with every change of the zone, from 1.
    pub revision: u64,
    pub created_at: Timestamp,
}

impl Zone {
    /// The zone a place is in: of those that hold its middle the smallest, and of equal ones the oldest.
    pub fn around<'z>(zones: &'z [Self], place: &Place) -> Option<&'z Self> {
        zones.iter().filter(|zone| zone.place.holds(place)).min_by_key(|zone| (zone.place.area(), zone.id))
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ZoneColour {
    #[default]
    Grey,
    Blue,
    Green,
    Yellow,
    Red,
    Purple,
}

impl ZoneColour {
    pub const ALL: [Self; 6] = [Self::Grey, Self::Blue, Self::Green, Self::Yellow, Self::Red, Self::Purple];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grey => "grey",
            Self::Blue => "blue",
            Self::Green => "green",
            Self::Yellow => "yellow",
            Self::Red => "red",
            Self::Purple => "purple",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneRemoved {
    pub board: BoardId,
    pub zone: ZoneId,
}

/// A trigger that was set off: once for each time a card was dropped in its zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firing {
    pub id: FiringId,
    pub board: BoardId,
    pub card: CardId,
    pub zone: ZoneId,
    pub action: TriggerAction,
    /// What the template came to.
    pub prompt: String,
    pub agents: Vec<AgentName>,
    /// The card's session; none when it has none.
    pub session: Option<SessionId>,
    /// The card's worktree; none when it has none.
    pub worktree: Option<WorktreeId>,
    /// It waits for the user's word.
    pub confirm: bool,
    pub fired_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FiringState {
    /// It waits for the user's word.
    Asked,
    /// It is being carried out.
    Due,
    Done,
    /// It could not be carried out; its text says why.
    Refused,
    /// The user did not want it, or dropped the card elsewhere meanwhile.
    Dismissed,
}

impl FiringState {
    pub const ALL: [Self; 5] = [Self::Asked, Self::Due, Self::Done, Self::Refused, Self::Dismissed];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Due => "due",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Dismissed => "dismissed",
        }
    }
}

/// The user said yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FiringConfirmed {
    pub board: BoardId,
    pub card: CardId,
    pub firing: FiringId,
}

/// What a firing came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FiringEnd {
    pub board: BoardId,
    pub card: CardId,
    pub firing: FiringId,
    pub state: FiringState,
    /// The session that has the prompt.
    pub session: Option<SessionId>,
    pub task: Option<TaskId>,
    /// Why it was refused.
    pub text: Option<String>,
}

/// A remark on a board or on one of its cards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    pub id: CommentId,
    pub board: BoardId,
    pub card: Option<CardId>,
    /// The first comment of the thread it belongs to.
    pub reply_to: Option<CommentId>,
    pub author: Actor,
    pub text: String,
    pub created_at: Timestamp,
}

/// A thread is settled, or open again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommentResolved {
    pub board: BoardId,
    /// The first comment of the thread.
    pub comment: CommentId,
    pub resolved: bool,
}

/// A comment is gone, and with the first of a thread its replies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommentRemoved {
    pub board: BoardId,
    pub comment: CommentId,
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARD: Place = Place { x: 0, y: 0, width: 41, height: 40 };

    fn zone(x: i32, width: i32, id: &str) -> Zone {
        Zone {
            id: id.parse().unwrap(),
            board: "brd_018f000000007000800000000000000a".parse().unwrap(),
            name: "Review".to_owned(),
            colour: ZoneColour::default(),
            place: Place { x, y: -1000, width, height: 2000 },
            trigger: None,
            revision: 1,
            created_at: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn a_place_has_bounds() {
        assert!(CARD.fits());
        for (x, width) in [(BOARD_EDGE, SIZE_MAX), (-BOARD_EDGE, SIZE_MIN)] {
            assert!(Place { x, width, ..CARD }.fits());
        }
        for (x, width) in [(BOARD_EDGE + 1, 100), (i32::MIN, 100), (0, SIZE_MIN - 1), (0, SIZE_MAX + 1)] {
            assert!(!Place { x, width, ..CARD }.fits(), "{x} {width}");
            assert!(!Place { y: x, height: width, ..CARD }.fits(), "{x} {width}");
        }
    }

    #[test]
    fn a_card_is_where_its_middle_is() {
        // The middle is at 20.5.
        for (x, width, expected) in [(20, 40, true), (21, 40, false), (-40, 60, false), (-40, 61, true)] {
            let zone = zone(x, width, "zon_018f000000007000800000000000000a");
            assert_eq!(zone.place.holds(&CARD), expected, "{x} {width}");
        }
        let far = Place { x: i32::MAX, y: i32::MIN, width: i32::MAX, height: i32::MAX };
        assert!(!far.holds(&CARD) && !CARD.holds(&far), "no figure is too large to be compared");
    }

    #[test]
    fn of_zones_over_each_other_the_smallest_counts_and_then_the_oldest() {
        let large = zone(-500, 1000, "zon_018f000000007000800000000000000a");
        let small = zone(-50, 100, "zon_018f000000007000800000000000000c");
        let older = zone(-50, 100, "zon_018f000000007000800000000000000b");
        let zones = [large, small, older.clone()];
        assert_eq!(Zone::around(&zones, &CARD), Some(&older));
        assert_eq!(Zone::around(&zones, &Place { x: 5000, ..CARD }), None);
    }

    #[test]
    fn words_are_those_of_the_wire() {
        for (word, expected) in TriggerAction::ALL.map(|one| (serde_json::json!(one), one.as_str())) {
            assert_eq!(word, expected);
        }
        for (word, expected) in FiringState::ALL.map(|one| (serde_json::json!(one), one.as_str())) {
            assert_eq!(word, expected);
        }
        for (word, expected) in ZoneColour::ALL.map(|one| (serde_json::json!(one), one.as_str())) {
            assert_eq!(word, expected);
        }
    }
}
