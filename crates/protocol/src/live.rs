//! Text that is being written right now, whole and piece by piece.

use model::{ParticipantId, SessionId, TaskId, TurnId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a turn has written so far of the message it is at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LiveTurn {
    #[schema(value_type = String)]
    pub session: SessionId,
    #[schema(value_type = String)]
    pub turn: TurnId,
    #[schema(value_type = String)]
    pub task: TaskId,
    #[schema(value_type = String)]
    pub participant: ParticipantId,
    pub text: String,
    pub thinking: String,
}

/// A piece of text as it arrived. A reader that sees `offset` jump asks for the text so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Delta {
    #[schema(value_type = String)]
    pub session: SessionId,
    #[schema(value_type = String)]
    pub turn: TurnId,
    #[schema(value_type = String)]
    pub participant: ParticipantId,
    pub kind: DeltaKind,
    /// Bytes of this kind before this piece, within the current message.
    pub offset: u64,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeltaKind {
    Text,
    Thinking,
}
