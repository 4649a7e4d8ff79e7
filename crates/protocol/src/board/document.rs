//! A whole board as one JSON document, for another workspace or for keeping.

use super::{Place, Trigger};
use crate::words;
use model::{Actor, SessionId, Timestamp, WorktreeId, ZoneColour};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A board as it was exported. It names no id of the board's own: what is imported gets new ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BoardDocument {
    /// `coditect.board`.
    pub format: String,
    /// 1.
    pub version: u32,
    pub name: String,
    pub cards: Vec<DocumentCard>,
    pub zones: Vec<DocumentZone>,
    pub comments: Vec<DocumentComment>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DocumentCard {
    /// Names the card within the document.
    pub key: String,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub session: Option<SessionId>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub worktree: Option<WorktreeId>,
    /// What the session or worktree was called.
    #[serde(default)]
    pub title: Option<String>,
    pub place: Place,
    #[serde(default)]
    pub note: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DocumentZone {
    pub name: String,
    #[serde(default)]
    #[schema(value_type = words::ZoneColour)]
    pub colour: ZoneColour,
    pub place: Place,
    #[serde(default)]
    pub trigger: Option<Trigger>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DocumentComment {
    /// Names the comment within the document.
    pub key: String,
    /// Key of a card.
    #[serde(default)]
    pub card: Option<String>,
    /// Key of an earlier comment: the first of the thread.
    #[serde(default)]
    pub reply_to: Option<String>,
    /// `user`, or the name of an agent.
    #[schema(value_type = String)]
    pub author: Actor,
    pub text: String,
    #[serde(default)]
    pub resolved: bool,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// What becomes of a card whose session or worktree is not here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MissingWish {
    /// It becomes a note that says what it was.
    #[default]
    Note,
    /// Nothing is imported.
    Refuse,
}

/// Body of `POST /boards/import`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewImportedBoard {
    pub document: BoardDocument,
    /// Without it, the name in the document.
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub missing: MissingWish,
}
