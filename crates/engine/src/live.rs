//! Text that is being written right now: kept per turn, told to whoever watches, gone when the
//! message is committed.

use model::{ParticipantId, SessionId, TaskId, TurnId};
use std::collections::HashMap;
use std::sync::Mutex;
use tokio::sync::broadcast;

/// Deltas a slow watcher may be behind before it is told that it missed some.
const DELTA_BACKLOG: usize = 1024;
/// Bytes of live text kept per turn and kind; a longer one goes on in the committed message only.
pub(crate) const LIVE_TEXT_MAX: usize = 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeltaKind {
    Text,
    Thinking,
}

/// A piece of text as it arrived. A watcher that sees `offset` jump asks for the text so far.
#[derive(Debug, Clone)]
pub struct Delta {
    pub session: SessionId,
    pub turn: TurnId,
    pub participant: ParticipantId,
    pub kind: DeltaKind,
    /// Bytes of this kind before this piece, within the current message.
    pub offset: u64,
    pub text: String,
}

/// What a turn has written so far of its current message.
#[derive(Debug, Clone)]
pub struct LiveTurn {
    pub session: SessionId,
    pub turn: TurnId,
    pub task: TaskId,
    pub participant: ParticipantId,
    pub text: String,
    pub thinking: String,
}

#[derive(Debug)]
pub(crate) struct Live {
    turns: Mutex<HashMap<TurnId, LiveTurn>>,
    deltas: broadcast::Sender<Delta>,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self { turns: Mutex::new(HashMap::new()), deltas: broadcast::channel(DELTA_BACKLOG).0 }
    }

    pub(crate) fn watch(&self) -> broadcast::Receiver<Delta> {
        self.deltas.subscribe()
    }

    pub(crate) fn of_session(&self, session: SessionId) -> Vec<LiveTurn> {
        let turns = self.turns();
        let mut found: Vec<LiveTurn> =
            turns.values().filter(|turn| turn.session == session).cloned().collect();
        found.sort_by_key(|turn| turn.turn);
        found
    }

    pub(crate) fn begin(&self, turn: LiveTurn) {
        self.turns().insert(turn.turn, turn);
    }

    /// Adds a piece; returns nothing new for a turn nobody began.
    pub(crate) fn push(&self, turn: TurnId, kind: DeltaKind, text: &str) {
        let mut turns = self.turns();
        let Some(live) = turns.get_mut(&turn) else { return };
        let buffer = match kind {
            DeltaKind::Text => &mut live.text,
            DeltaKind::Thinking => &mut live.thinking,
        };
        if buffer.len() + text.len() > LIVE_TEXT_MAX {
            return;
        }
        let offset = buffer.len() as u64;
        buffer.push_str(text);
        // Nobody watching is no error.
        let _ = self.deltas.send(Delta {
            session: live.session,
            turn,
            participant: live.participant,
            kind,
            offset,
            text: text.to_owned(),
        });
    }

    /// The text so far, for the draft that survives a crash.
    pub(crate) fn so_far(&self, turn: TurnId) -> Option<(String, String)> {
        self.turns().get(&turn).map(|live| (live.text.clone(), live.thinking.clone()))
    }

    /// The message is committed: the next piece starts at offset 0.
    pub(crate) fn clear(&self, turn: TurnId) {
        if let Some(live) = self.turns().get_mut(&turn) {
            live.text.clear();
            live.thinking.clear();
        }
    }

    pub(crate) fn end(&self, turn: TurnId) {
        self.turns().remove(&turn);
    }

    fn turns(&self) -> std::sync::MutexGuard<'_, HashMap<TurnId, LiveTurn>> {
        match self.turns.lock() {
            Ok(turns) => turns,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}
