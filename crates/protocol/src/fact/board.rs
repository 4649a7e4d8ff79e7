//! Payloads of the events of boards.

use crate::words;
use crate::{CardSubject, Place, Trigger};
use utoipa::ToSchema;

payloads! {
    /// A view of sessions that owns only positions.
    BoardRecord {
        id: String,
        slug: String,
        name: String,
        #[schema(format = DateTime)]
        created_at: String,
    }
    BoardRemoved { board: String }
    CardRecord {
        id: String,
        board: String,
        subject: CardSubject,
        place: Place,
        note: String,
        revision: u64,
        #[schema(format = DateTime)]
        created_at: String,
    }
    CardMove {
        board: String,
        card: String,
        place: Place,
        revision: u64,
        /// The zone it was dropped in, when it was not in it before.
        entered: Option<String>,
    }
    CardEdit { board: String, card: String, note: String, revision: u64 }
    CardRemoved { board: String, card: String }
    ZoneRecord {
        id: String,
        board: String,
        name: String,
        colour: words::ZoneColour,
        place: Place,
        trigger: Option<Trigger>,
        revision: u64,
        #[schema(format = DateTime)]
        created_at: String,
    }
    ZoneRemoved { board: String, zone: String }
    /// A trigger that was set off by a card.
    FiringRecord {
        id: String,
        board: String,
        card: String,
        zone: String,
        action: words::TriggerAction,
        prompt: String,
        agents: Vec<String>,
        session: Option<String>,
        worktree: Option<String>,
        /// It waits for the user's word.
        confirm: bool,
        #[schema(format = DateTime)]
        fired_at: String,
    }
    FiringConfirmed { board: String, card: String, firing: String }
    FiringEnd {
        board: String,
        card: String,
        firing: String,
        state: words::FiringState,
        /// The session that has the prompt.
        session: Option<String>,
        task: Option<String>,
        /// Why it was refused.
        text: Option<String>,
    }
    CommentRecord {
        id: String,
        board: String,
        card: Option<String>,
        reply_to: Option<String>,
        author: String,
        text: String,
        #[schema(format = DateTime)]
        created_at: String,
    }
    CommentResolved { board: String, comment: String, resolved: bool }
    CommentRemoved { board: String, comment: String }
}
