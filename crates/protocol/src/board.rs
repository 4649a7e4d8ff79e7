//! Boards on the wire: cards, zones with their triggers, comments, and a whole board as one document.

mod document;
mod operations;

pub use document::{
    BoardDocument, DocumentCard, DocumentComment, DocumentZone, MissingWish, NewImportedBoard,
};
pub(crate) use operations::operations;

use crate::words;
use model::{
    Actor, AgentName, BoardId, CardId, CommentId, ConflictId, ConflictKind, FiringId, FiringState, RepoPath,
    SessionId, TaskId, Timestamp, TriggerAction, WorktreeId, ZoneColour, ZoneId,
};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// A view of sessions, worktrees and notes that owns only positions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Board {
    #[schema(value_type = String)]
    pub id: BoardId,
    pub short_id: String,
    /// Short name, unique in the workspace; accepted wherever the id is.
    pub slug: String,
    pub name: String,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<model::Board> for Board {
    fn from(board: model::Board) -> Self {
        let model::Board { id, slug, name, created_at } = board;
        Self { short_id: id.short(), id, slug, name, created_at }
    }
}

/// A board and how much is on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BoardSummary {
    #[serde(flatten)]
    pub board: Board,
    pub cards: u64,
    pub zones: u64,
    /// Threads that are not settled.
    pub open_threads: u64,
}

/// A board with all that is on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WholeBoard {
    #[serde(flatten)]
    pub board: Board,
    /// In the order they were placed.
    pub cards: Vec<Card>,
    /// In the order they were made.
    pub zones: Vec<Zone>,
    /// Oldest first.
    pub comments: Vec<Comment>,
}

/// A rectangle on a board, from its upper left corner; y grows downwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Between -1,000,000 and 1,000,000, as is y.
    pub x: i32,
    pub y: i32,
    /// Between 40 and 20,000, as is the height.
    pub width: i32,
    pub height: i32,
}

impl From<model::Place> for Place {
    fn from(place: model::Place) -> Self {
        let model::Place { x, y, width, height } = place;
        Self { x, y, width, height }
    }
}

impl From<Place> for model::Place {
    fn from(place: Place) -> Self {
        let Place { x, y, width, height } = place;
        Self { x, y, width, height }
    }
}

/// What a card stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CardSubject {
    Session {
        #[schema(value_type = String)]
        session: SessionId,
    },
    Worktree {
        #[schema(value_type = String)]
        worktree: WorktreeId,
    },
    Note,
}

impl From<model::CardSubject> for CardSubject {
    fn from(subject: model::CardSubject) -> Self {
        match subject {
            model::CardSubject::Session { session } => Self::Session { session },
            model::CardSubject::Worktree { worktree } => Self::Worktree { worktree },
            model::CardSubject::Note => Self::Note,
        }
    }
}

/// A card on a board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Card {
    #[schema(value_type = String)]
    pub id: CardId,
    pub short_id: String,
    #[schema(value_type = String)]
    pub board: BoardId,
    pub subject: CardSubject,
    /// Title of the session, name of the worktree, first line of the note; none in a resource event.
    pub title: Option<String>,
    pub place: Place,
    /// The zone its middle is in; none in a resource event.
    #[schema(value_type = Option<String>)]
    pub zone: Option<ZoneId>,
    /// Markdown: all there is of a note, a remark on anything else.
    pub note: String,
    /// Rises with every change of the card.
    pub revision: u64,
    /// What its last drop in a zone has set off.
    pub firing: Option<Firing>,
    /// Open conflicts of its worktree, or that its session was seen in, the worst first; empty in a resource event.
    pub conflicts: Vec<CardConflict>,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// An open conflict as one of the cards in it shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CardConflict {
    #[schema(value_type = String)]
    pub id: ConflictId,
    #[schema(value_type = words::ConflictKind)]
    pub kind: ConflictKind,
    /// Files it is about.
    #[schema(value_type = Vec<String>)]
    pub paths: Vec<RepoPath>,
    /// How many more there are.
    pub more: u32,
    /// Where the other worktrees are; none when it is with the checkout's branch.
    pub with: Vec<String>,
}

impl From<model::Card> for Card {
    fn from(card: model::Card) -> Self {
        let model::Card { id, board, subject, place, note, revision, created_at } = card;
        Self {
            short_id: id.short(),
            id,
            board,
            subject: subject.into(),
            title: None,
            place: place.into(),
            zone: None,
            note,
            revision,
            firing: None,
            conflicts: Vec::new(),
            created_at,
        }
    }
}

/// What dropping a card in a zone has set off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Firing {
    #[schema(value_type = String)]
    pub id: FiringId,
    #[schema(value_type = String)]
    pub card: CardId,
    #[schema(value_type = String)]
    pub zone: ZoneId,
    #[schema(value_type = words::TriggerAction)]
    pub action: TriggerAction,
    #[schema(value_type = words::FiringState)]
    pub state: FiringState,
    /// What the zone's template came to.
    pub prompt: String,
    /// The session that has the prompt.
    #[schema(value_type = Option<String>)]
    pub session: Option<SessionId>,
    #[schema(value_type = Option<String>)]
    pub task: Option<TaskId>,
    /// Why it was refused.
    pub text: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    pub fired_at: Timestamp,
}

impl From<model::Firing> for Firing {
    fn from(firing: model::Firing) -> Self {
        let state = if firing.confirm { FiringState::Asked } else { FiringState::Due };
        let model::Firing { id, card, zone, action, prompt, fired_at, .. } = firing;
        Self { id, card, zone, action, state, prompt, session: None, task: None, text: None, fired_at }
    }
}

/// What happens when a card is dropped in a zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    #[schema(value_type = words::TriggerAction)]
    pub action: TriggerAction,
    /// The prompt: text with `{{session.title}}`, `{{worktree.name}}`, `{{branch}}`, `{{card.note}}`, `{{zone.name}}` and their like.
    pub template: String,
    /// Who is prompted, or sits in the new session; empty: everybody of the card's session.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub agents: Vec<AgentName>,
    /// The prompt is shown on the card, and waits for your word.
    #[serde(default)]
    pub confirm: bool,
}

impl From<model::Trigger> for Trigger {
    fn from(trigger: model::Trigger) -> Self {
        let model::Trigger { action, template, agents, confirm } = trigger;
        Self { action, template, agents, confirm }
    }
}

impl From<Trigger> for model::Trigger {
    fn from(trigger: Trigger) -> Self {
        let Trigger { action, template, agents, confirm } = trigger;
        Self { action, template, agents, confirm }
    }
}

/// A named part of a board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Zone {
    #[schema(value_type = String)]
    pub id: ZoneId,
    pub short_id: String,
    #[schema(value_type = String)]
    pub board: BoardId,
    pub name: String,
    #[schema(value_type = words::ZoneColour)]
    pub colour: ZoneColour,
    pub place: Place,
    pub trigger: Option<Trigger>,
    /// Rises with every change of the zone.
    pub revision: u64,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<model::Zone> for Zone {
    fn from(zone: model::Zone) -> Self {
        let model::Zone { id, board, name, colour, place, trigger, revision, created_at } = zone;
        let trigger = trigger.map(Trigger::from);
        Self {
            short_id: id.short(),
            id,
            board,
            name,
            colour,
            place: place.into(),
            trigger,
            revision,
            created_at,
        }
    }
}

/// A remark on a board or on one of its cards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Comment {
    #[schema(value_type = String)]
    pub id: CommentId,
    pub short_id: String,
    #[schema(value_type = String)]
    pub board: BoardId,
    #[schema(value_type = Option<String>)]
    pub card: Option<CardId>,
    /// The first comment of its thread; none when it is that.
    #[schema(value_type = Option<String>)]
    pub reply_to: Option<CommentId>,
    /// `user`, or the name of an agent.
    #[schema(value_type = String)]
    pub author: Actor,
    pub text: String,
    /// The thread is settled; says nothing in a reply.
    pub resolved: bool,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<model::Comment> for Comment {
    fn from(comment: model::Comment) -> Self {
        let model::Comment { id, board, card, reply_to, author, text, created_at } = comment;
        Self { short_id: id.short(), id, board, card, reply_to, author, text, resolved: false, created_at }
    }
}

/// Body of `POST /boards`, and of `POST /boards/{id}/clone`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBoard {
    /// 1 to 100 characters.
    pub name: String,
}

/// Body of `PATCH /boards/{id}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BoardPatch {
    #[serde(default)]
    pub name: Option<String>,
    /// 1 to 64 letters, digits, `-`, `_` or `.`.
    #[serde(default)]
    pub slug: Option<String>,
}

/// Body of `POST /boards/{id}/cards`: a card of a session, of a worktree, or a note when it is of neither.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCard {
    /// Id or short id of a session.
    #[serde(default)]
    pub session: Option<String>,
    /// Id, short id or name of a worktree.
    #[serde(default)]
    pub worktree: Option<String>,
    /// Markdown, at most 16 KiB.
    #[serde(default)]
    pub note: String,
    /// Without it, where there is room.
    #[serde(default)]
    pub place: Option<Place>,
}

/// Body of `PATCH /cards/{id}`. What is not said stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CardPatch {
    #[serde(default)]
    pub x: Option<i32>,
    #[serde(default)]
    pub y: Option<i32>,
    #[serde(default)]
    pub width: Option<i32>,
    #[serde(default)]
    pub height: Option<i32>,
    #[serde(default)]
    pub note: Option<String>,
    /// The revision the change is made from; without it, the last one to write has the word.
    #[serde(default)]
    pub revision: Option<u64>,
}

/// Body of `POST /cards/{id}/answer`: whether what waits is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CardAnswer {
    pub confirm: bool,
}

/// Body of `POST /boards/{id}/zones`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewZone {
    /// 1 to 100 characters.
    pub name: String,
    pub place: Place,
    #[serde(default)]
    #[schema(value_type = words::ZoneColour)]
    pub colour: ZoneColour,
    #[serde(default)]
    pub trigger: Option<Trigger>,
}

/// Body of `PATCH /zones/{id}`. What is not said stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ZonePatch {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<words::ZoneColour>)]
    pub colour: Option<ZoneColour>,
    #[serde(default)]
    pub place: Option<Place>,
    /// Null takes the trigger away.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Trigger>)]
    pub trigger: Option<Option<Trigger>>,
    /// The revision the change is made from; without it, the last one to write has the word.
    #[serde(default)]
    pub revision: Option<u64>,
}

/// Tells a field that is null from one that is not there.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Trigger>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Body of `POST /boards/{id}/comments`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewComment {
    /// At most 4 KiB.
    #[serde(default)]
    pub text: String,
    /// Id or short id of a card of the board; without it, it is on the board itself.
    #[serde(default)]
    pub card: Option<String>,
    /// Any comment of the thread it belongs to.
    #[serde(default)]
    pub reply_to: Option<String>,
}

/// Body of `PATCH /comments/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommentPatch {
    pub resolved: bool,
}
