//! Sessions, the participants in them, and how sessions descend from each other.

use crate::sql::{Row, params};
use crate::statement::statements;
use crate::view::limit;
use crate::{StoreError, View, column};
use model::{
    AgentName, Participant, ParticipantId, ParticipantStatus, Session, SessionId, SessionState, Timestamp,
    Usage,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    pub session: Session,
    /// Derived from the session's tasks.
    pub state: SessionState,
    /// The agent that joined first.
    pub agent: Option<AgentName>,
    pub archived_at: Option<Timestamp>,
    pub updated_at: Timestamp,
}

/// Which sessions to list; newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionFilter {
    pub include_archived: bool,
    /// Only sessions created before this one.
    pub before: Option<SessionId>,
    pub limit: usize,
}

impl Default for SessionFilter {
    fn default() -> Self {
        Self { include_archived: false, before: None, limit: 50 }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusRow {
    pub status: ParticipantStatus,
    pub detail: Option<String>,
    pub since: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParticipantRow {
    pub participant: Participant,
    pub status: ParticipantStatus,
    pub detail: Option<String>,
    pub since: Timestamp,
    /// Tokens in the context at the last model call, the answer included.
    pub context_used: u64,
    /// The vendor's own session, once it is known: where the next turn goes on.
    pub vendor_session: Option<String>,
}

/// A relative of a session in the genealogy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kin {
    pub session: SessionId,
    pub title: String,
    pub parent: Option<SessionId>,
    pub forked_from: Option<SessionId>,
    /// Steps away; 1 is a parent or a child.
    pub depth: u32,
}

/// A session as the seed's `active_sessions` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveSession {
    pub session_id: SessionId,
    pub workspace_id: String,
    /// Status by agent.
    pub agent_states: serde_json::Value,
    /// The open task of the highest priority, or null.
    pub current_task: serde_json::Value,
    /// Paths held, as far as the journal has heard.
    pub file_locks: serde_json::Value,
    /// Tokens in the context, by agent.
    pub context_snapshot: serde_json::Value,
    pub last_activity: Timestamp,
    pub checkpoint_ref: Option<String>,
}

macro_rules! session_columns {
    () => {
        "data, title, status, agent, archived_at, updated_at"
    };
}
macro_rules! participant_columns {
    () => {
        "data, status, detail, status_since, context_used, vendor_session"
    };
}

/// Farthest relative that is looked for.
pub const GENEALOGY_DEPTH: u32 = 64;

statements! { QUERIES in Sessions {
    SESSION = concat!("SELECT ", session_columns!(), " FROM sessions WHERE session_id = ?1");
    SESSIONS = concat!("SELECT ", session_columns!(), " FROM sessions WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2");
    SESSIONS_CURRENT = concat!(
        "SELECT ", session_columns!(),
        " FROM sessions WHERE archived_at IS NULL AND seq < ?1 ORDER BY seq DESC LIMIT ?2"
    );
    SESSION_SEQ = "SELECT seq FROM sessions WHERE session_id = ?1";
    SESSION_STATUS = "SELECT status FROM sessions WHERE session_id = ?1";
    SESSION_USAGE = "SELECT input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_micros, cost_sources
        FROM sessions WHERE session_id = ?1";
    TOTAL_USAGE = "SELECT input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_micros, cost_sources
        FROM spent WHERE \"only\" = 1";
    ACTIVE_SESSION = "SELECT session_id, workspace_id, agent_states, current_task, file_locks,
        context_snapshot, last_activity, checkpoint_ref FROM active_sessions WHERE session_id = ?1";
    // The columns travel inside the recursion and CROSS JOIN fixes its order. Joining `sessions` once more at the end
    // reads the whole table.
    ANCESTORS = "WITH RECURSIVE up (session_id, title, parent, fork, depth) AS (
            SELECT session_id, title, parent_session_id, forked_from_session_id, 0
            FROM sessions WHERE session_id = ?1
            UNION
            SELECT s.session_id, s.title, s.parent_session_id, s.forked_from_session_id, up.depth + 1
            FROM up CROSS JOIN sessions s
            WHERE up.depth < ?2 AND s.session_id IN (up.parent, up.fork)
        )
        SELECT session_id, title, parent, fork, depth FROM up WHERE depth > 0 ORDER BY depth, session_id";
    DESCENDANTS = "WITH RECURSIVE down (session_id, title, parent, fork, depth) AS (
            SELECT session_id, title, parent_session_id, forked_from_session_id, 0
            FROM sessions WHERE session_id = ?1
            UNION
            SELECT s.session_id, s.title, s.parent_session_id, s.forked_from_session_id, down.depth + 1
            FROM down CROSS JOIN sessions s
            WHERE down.depth < ?2 AND s.parent_session_id = down.session_id
            UNION
            SELECT s.session_id, s.title, s.parent_session_id, s.forked_from_session_id, down.depth + 1
            FROM down CROSS JOIN sessions s
            WHERE down.depth < ?2 AND s.forked_from_session_id = down.session_id
        )
        SELECT session_id, title, parent, fork, depth FROM down WHERE depth > 0 ORDER BY depth, session_id",
    // There a recursion may name itself once.
    postgresql: "WITH RECURSIVE down (session_id, title, parent, fork, depth) AS (
            SELECT session_id, title, parent_session_id, forked_from_session_id, 0
            FROM sessions WHERE session_id = ?1
            UNION
            SELECT s.session_id, s.title, s.parent_session_id, s.forked_from_session_id, down.depth + 1
            FROM down CROSS JOIN LATERAL (
                SELECT * FROM sessions c WHERE c.parent_session_id = down.session_id
                UNION ALL
                SELECT * FROM sessions f WHERE f.forked_from_session_id = down.session_id
            ) s
            WHERE down.depth < ?2
        )
        SELECT session_id, title, parent, fork, depth FROM down WHERE depth > 0 ORDER BY depth, session_id";
    PARTICIPANTS_OF_SESSION = concat!(
        "SELECT ", participant_columns!(), " FROM participants WHERE session_id = ?1 ORDER BY seq"
    );
    PARTICIPANT = concat!("SELECT ", participant_columns!(), " FROM participants WHERE participant_id = ?1");
    PARTICIPANT_BY_AGENT = concat!(
        "SELECT ", participant_columns!(),
        " FROM participants WHERE session_id = ?1 AND agent = ?2 ORDER BY seq LIMIT 1"
    );
    PARTICIPANTS_LIVE = concat!(
        "SELECT ", participant_columns!(), " FROM participants WHERE live = 1 ORDER BY seq"
    );
} }

impl View<'_> {
    pub fn session(&self, id: SessionId) -> Result<Option<SessionRow>, StoreError> {
        self.row(&SESSION, [id.to_string()], read_session)
    }

    /// Newest first. Nothing is before a session that does not exist.
    pub fn sessions(&self, filter: &SessionFilter) -> Result<Vec<SessionRow>, StoreError> {
        let before = match filter.before {
            None => i64::MAX,
            Some(id) => self.row(&SESSION_SEQ, [id.to_string()], |row| row.get::<_, i64>(0))?.unwrap_or(0),
        };
        let statement = if filter.include_archived { &SESSIONS } else { &SESSIONS_CURRENT };
        self.rows(statement, params![before, limit(filter.limit)], read_session)
    }

    /// `Idle` for a session that does not exist.
    pub fn session_state(&self, id: SessionId) -> Result<SessionState, StoreError> {
        let state = self.row(&SESSION_STATUS, [id.to_string()], |row| column::word(row, "status"))?;
        Ok(state.unwrap_or(SessionState::Idle))
    }

    /// The sum over the session's model calls.
    pub fn session_usage(&self, id: SessionId) -> Result<Usage, StoreError> {
        Ok(self.row(&SESSION_USAGE, [id.to_string()], column::usage)?.unwrap_or_default())
    }

    /// The sum over all sessions, archived ones too.
    pub fn total_usage(&self) -> Result<Usage, StoreError> {
        Ok(self.row(&TOTAL_USAGE, [], column::usage)?.unwrap_or_default())
    }

    /// None for an archived session.
    pub fn active_session(&self, id: SessionId) -> Result<Option<ActiveSession>, StoreError> {
        self.row(&ACTIVE_SESSION, [id.to_string()], |row| {
            Ok(ActiveSession {
                session_id: column::parsed(row, "session_id")?,
                workspace_id: row.get("workspace_id")?,
                agent_states: column::json(row, "agent_states")?,
                current_task: column::json_or_none(row, "current_task")?.unwrap_or_default(),
                file_locks: column::json(row, "file_locks")?,
                context_snapshot: column::json(row, "context_snapshot")?,
                last_activity: column::time(row, "last_activity")?,
                checkpoint_ref: row.get("checkpoint_ref")?,
            })
        })
    }

    /// Sessions this one comes from, nearest first, at most [`GENEALOGY_DEPTH`] steps away.
    pub fn ancestors(&self, id: SessionId) -> Result<Vec<Kin>, StoreError> {
        self.rows(&ANCESTORS, params![id.to_string(), GENEALOGY_DEPTH], read_kin)
    }

    /// Sessions that come from this one, nearest first, at most [`GENEALOGY_DEPTH`] steps away.
    pub fn descendants(&self, id: SessionId) -> Result<Vec<Kin>, StoreError> {
        self.rows(&DESCENDANTS, params![id.to_string(), GENEALOGY_DEPTH], read_kin)
    }

    /// In the order they joined.
    pub fn participants(&self, session: SessionId) -> Result<Vec<ParticipantRow>, StoreError> {
        self.rows(&PARTICIPANTS_OF_SESSION, [session.to_string()], read_participant)
    }

    pub fn participant(&self, id: ParticipantId) -> Result<Option<ParticipantRow>, StoreError> {
        self.row(&PARTICIPANT, [id.to_string()], read_participant)
    }

    pub fn participant_by_agent(
        &self,
        session: SessionId,
        agent: &AgentName,
    ) -> Result<Option<ParticipantRow>, StoreError> {
        self.row(&PARTICIPANT_BY_AGENT, [session.to_string().as_str(), agent.as_str()], read_participant)
    }

    pub fn participant_status(&self, id: ParticipantId) -> Result<Option<StatusRow>, StoreError> {
        self.row(&PARTICIPANT, [id.to_string()], |row| {
            Ok(StatusRow {
                status: column::word(row, "status")?,
                detail: row.get("detail")?,
                since: column::time(row, "status_since")?,
            })
        })
    }

    /// Participants, of all sessions, whose status says that a live process stands behind them.
    pub fn live_participants(&self) -> Result<Vec<ParticipantRow>, StoreError> {
        self.rows(&PARTICIPANTS_LIVE, [], read_participant)
    }
}

fn read_session(row: &Row<'_>) -> Result<SessionRow, StoreError> {
    let session: Session = column::json(row, "data")?;
    Ok(SessionRow {
        session: Session { title: row.get("title")?, ..session },
        state: column::word(row, "status")?,
        agent: column::parsed_or_none(row, "agent")?,
        archived_at: column::time_or_none(row, "archived_at")?,
        updated_at: column::time(row, "updated_at")?,
    })
}

fn read_kin(row: &Row<'_>) -> Result<Kin, StoreError> {
    Ok(Kin {
        session: column::parsed(row, "session_id")?,
        title: row.get("title")?,
        parent: column::parsed_or_none(row, "parent")?,
        forked_from: column::parsed_or_none(row, "fork")?,
        depth: column::small(row, "depth")?,
    })
}

fn read_participant(row: &Row<'_>) -> Result<ParticipantRow, StoreError> {
    Ok(ParticipantRow {
        participant: column::json(row, "data")?,
        status: column::word(row, "status")?,
        detail: row.get("detail")?,
        since: column::time(row, "status_since")?,
        context_used: column::unsigned(row, "context_used")?,
        vendor_session: row.get("vendor_session")?,
    })
}
