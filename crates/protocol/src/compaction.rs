//! Compactions: summaries that stand for what was said in a session up to a message.

use crate::operation::{Access::User, Method::Get, Method::Post, Operation};
use crate::words;
use model::{MessageId, ParticipantId, SessionId, Timestamp, Vendor};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A summary that agents are shown in place of what was said up to a message. The messages stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Compaction {
    #[schema(value_type = String)]
    pub session: SessionId,
    /// Whose seat's model wrote it.
    #[schema(value_type = String)]
    pub participant: ParticipantId,
    /// The last message it stands for.
    #[schema(value_type = String)]
    pub upto: MessageId,
    pub summary: String,
    /// Messages it stands for.
    pub messages: u64,
    /// Files the agents have read and not changed, the last one last.
    pub read_files: Vec<String>,
    /// Files they have changed.
    pub modified_files: Vec<String>,
    #[schema(value_type = words::Vendor)]
    pub vendor: Vendor,
    pub model: String,
    /// Tokens, estimated, that agents were shown before it.
    pub tokens_before: u64,
    pub tokens_after: u64,
    /// 1 for the first one of a conversation.
    pub generation: u32,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<model::Compaction> for Compaction {
    fn from(of: model::Compaction) -> Self {
        Self {
            session: of.session,
            participant: of.participant,
            upto: of.upto,
            summary: of.summary,
            messages: of.messages,
            read_files: of.read_files,
            modified_files: of.modified_files,
            vendor: of.vendor,
            model: of.model,
            tokens_before: of.tokens_before,
            tokens_after: of.tokens_after,
            generation: of.generation,
            created_at: of.created_at,
        }
    }
}

/// What can be done with compactions.
pub(crate) fn operations() -> Vec<Operation> {
    let op = |id, method, summary| {
        let path = if method == Post { "/sessions/{id}/compact" } else { "/sessions/{id}/compactions" };
        Operation::new("sessions", id, method, path, User, summary)
    };
    vec![
        op(
            "compact_session",
            Post,
            "Condenses what was said in a session but for its last messages, by a model. The messages stay.",
        )
        .returns::<Compaction>(),
        op(
            "list_compactions",
            Get,
            "Lists what stands for parts of a session; the one that stands for the most first.",
        )
        .lists::<Compaction>(),
    ]
}
