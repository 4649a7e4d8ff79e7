//! What is shown of sessions beside their own rows, for a whole page of them at once.

use super::{ParticipantRow, participant_columns, read_participant};
use crate::statement::statements;
use crate::{StoreError, View, column};
use model::SessionId;
use std::collections::HashMap;

/// What is shown of one session beside its row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// In the order they joined.
    pub seats: Vec<ParticipantRow>,
    /// Questions of agents, and permissions they want, that wait for a word.
    pub waiting: u64,
}

// So the server's planner knows that there are a few of them, each to be looked up.
macro_rules! given {
    () => {
        "ANY (ARRAY (SELECT jsonb_array_elements_text($1)))"
    };
}

statements! { QUERIES in Sessions {
    SEATS_OF_SESSIONS = concat!(
        "SELECT session_id, ", participant_columns!(), " FROM json_each(?1) given CROSS JOIN participants
         WHERE session_id = given.value ORDER BY seq"
    ), postgresql: concat!(
        "SELECT session_id, ", participant_columns!(), " FROM participants WHERE session_id = ", given!(), " ORDER BY seq"
    );
    WAITING_IN_SESSIONS = "SELECT session_id FROM json_each(?1) given CROSS JOIN tasks
            WHERE session_id = given.value AND open = 1 AND state = 'input_required'
        UNION ALL SELECT session_id FROM json_each(?1) given CROSS JOIN permissions
            WHERE session_id = given.value AND open = 1",
    postgresql: concat!(
        "SELECT session_id FROM tasks WHERE open = 1 AND state = 'input_required' AND session_id = ", given!(),
        " UNION ALL SELECT session_id FROM permissions WHERE open = 1 AND session_id = ", given!()
    );
} }

impl View<'_> {
    /// As many answers as sessions, in their order.
    pub fn shown(&self, sessions: &[SessionId]) -> Result<Vec<Shown>, StoreError> {
        let given = column::to_json(&sessions)?;
        let mut seats: HashMap<SessionId, Shown> = HashMap::with_capacity(sessions.len());
        let found = self.rows(&SEATS_OF_SESSIONS, [given.as_str()], |row| {
            Ok((column::parsed(row, "session_id")?, read_participant(row)?))
        })?;
        for (session, seat) in found {
            seats.entry(session).or_default().seats.push(seat);
        }
        let waiting = |row: &crate::sql::Row<'_>| column::parsed(row, "session_id");
        for session in self.rows(&WAITING_IN_SESSIONS, [given.as_str()], waiting)? {
            seats.entry(session).or_default().waiting += 1;
        }
        Ok(sessions.iter().map(|session| seats.remove(session).unwrap_or_default()).collect())
    }
}
