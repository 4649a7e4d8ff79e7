//! Sessions and the participants in them. How they are listed is in `session/list.rs`, how they descend from each other in
//! `session/kin.rs`, who waits for whose end in `session/callback.rs`.

mod callback;
mod kin;
mod list;
mod shown;

pub use callback::DueCallback;
pub use kin::{GENEALOGY_DEPTH, Kin};
pub use list::{Archived, LOOKED_MAX, SessionFilter, SessionMark, SessionPage, SessionSort, SortValue};
pub use shown::Shown;

use crate::sql::{Row, params};
use crate::statement::statements;
use crate::view::limit;
use crate::{StoreError, View, column};
use model::{
    AgentName, Callback, HistoryBy, Namer, Participant, ParticipantId, ParticipantStatus, Session, SessionId,
    SessionImport, SessionSource, SessionState, Timestamp, Usage,
};

/// The statements of this file and of those below it.
#[cfg(test)]
pub(crate) const STATEMENTS: [&[crate::statement::Statement]; 5] =
    [QUERIES, callback::QUERIES, kin::QUERIES, list::QUERIES, shown::QUERIES];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    pub session: Session,
    /// Derived from the session's tasks.
    pub state: SessionState,
    /// The agent that joined first.
    pub agent: Option<AgentName>,
    pub archived_at: Option<Timestamp>,
    pub updated_at: Timestamp,
    /// In order.
    pub tags: Vec<String>,
    /// The sum over the session's model calls.
    pub usage: Usage,
    /// Where it was led, of one that was read in from an archive.
    pub imported: Option<SessionSource>,
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
        "s.data, s.title, s.named_by, s.status, s.agent, s.archived_at, s.updated_at, s.tags, s.callback, \
         s.input_tokens, s.output_tokens, s.cache_read_tokens, s.cache_write_tokens, s.cost_micros, \
         s.cost_sources, s.seq, s.sort_title, s.repo_id, s.board_id, s.source_id, s.imported"
    };
}
pub(crate) use session_columns;

macro_rules! participant_columns {
    () => {
        "data, status, detail, status_since, context_used, vendor_session, history"
    };
}
pub(crate) use participant_columns;

statements! { QUERIES in Sessions {
    SESSION = concat!(
        "SELECT ", session_columns!(), " FROM sessions s WHERE s.session_id = ?1 AND s.removed_at IS NULL"
    );
    SESSION_EVER = concat!("SELECT ", session_columns!(), " FROM sessions s WHERE s.session_id = ?1");
    ASIDES_OF_ASKER = concat!(
        "SELECT ", session_columns!(), " FROM sessions s
         WHERE s.asker_session_id = ?1 AND s.removed_at IS NULL ORDER BY s.seq DESC LIMIT ?2"
    );
    ASIDES_OF_ASKED = concat!(
        "SELECT ", session_columns!(), " FROM sessions s
         WHERE s.forked_from_session_id = ?1 AND s.kind = 'aside' AND s.removed_at IS NULL
         ORDER BY s.seq DESC LIMIT ?2"
    );
    SESSION_NUMBER = "SELECT seq FROM sessions WHERE session_id = ?1";
    SESSION_IMPORT = "SELECT data FROM session_imports WHERE session_id = ?1";
    SESSION_STATUS = "SELECT status FROM sessions WHERE session_id = ?1";
    SESSION_USAGE = "SELECT input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_micros, cost_sources
        FROM sessions WHERE session_id = ?1";
    TOTAL_USAGE = "SELECT input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_micros, cost_sources
        FROM spent WHERE \"only\" = 1";
    ACTIVE_SESSION = "SELECT session_id, workspace_id, agent_states, current_task, file_locks,
        context_snapshot, last_activity, checkpoint_ref FROM active_sessions WHERE session_id = ?1";
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
    /// None for a session that was removed.
    pub fn session(&self, id: SessionId) -> Result<Option<SessionRow>, StoreError> {
        self.row(&SESSION, [id.to_string()], read_session)
    }

    /// Also a removed one: what came out of it still needs to know it.
    pub fn session_ever(&self, id: SessionId) -> Result<Option<SessionRow>, StoreError> {
        self.row(&SESSION_EVER, [id.to_string()], read_session)
    }

    /// The newest questions the session has asked of others, and others of it; newest first.
    pub fn asides(&self, session: SessionId, most: usize) -> Result<Vec<SessionRow>, StoreError> {
        let mut found = Vec::new();
        for statement in [&ASIDES_OF_ASKER, &ASIDES_OF_ASKED] {
            found.extend(self.rows(statement, params![session.to_string(), limit(most)], |row| {
                Ok((row.get::<_, i64>("seq")?, read_session(row)?))
            })?);
        }
        found.sort_by_key(|(seq, _)| std::cmp::Reverse(*seq));
        found.dedup_by_key(|(seq, _)| *seq);
        found.truncate(most);
        Ok(found.into_iter().map(|(_, row)| row).collect())
    }

    /// The number of the event that made the session.
    pub fn session_number(&self, id: SessionId) -> Result<Option<u64>, StoreError> {
        self.row(&SESSION_NUMBER, [id.to_string()], |row| column::unsigned(row, "seq"))
    }

    /// How far the archive of this session was read in.
    pub fn session_import(&self, id: SessionId) -> Result<Option<SessionImport>, StoreError> {
        self.row(&SESSION_IMPORT, [id.to_string()], |row| column::json(row, "data"))
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

/// What changes of a session is in columns; the record beside them says how it was made.
pub(crate) fn read_session(row: &Row<'_>) -> Result<SessionRow, StoreError> {
    let made: Session = column::json(row, "data")?;
    let callback: Option<Callback> = column::json_or_none(row, "callback")?;
    let named_by: Namer = column::word(row, "named_by")?;
    let lineage = model::Lineage { callback, ..made.lineage };
    Ok(SessionRow {
        session: Session { title: row.get("title")?, named_by, lineage, ..made },
        state: column::word(row, "status")?,
        agent: column::parsed_or_none(row, "agent")?,
        archived_at: column::time_or_none(row, "archived_at")?,
        updated_at: column::time(row, "updated_at")?,
        tags: column::json(row, "tags")?,
        usage: column::usage(row)?,
        imported: column::json_or_none(row, "imported")?,
    })
}

fn read_participant(row: &Row<'_>) -> Result<ParticipantRow, StoreError> {
    let history: Option<HistoryBy> = match row.get::<_, Option<String>>("history")? {
        None => None,
        Some(_) => Some(column::word(row, "history")?),
    };
    Ok(ParticipantRow {
        participant: Participant { history, ..column::json(row, "data")? },
        status: column::word(row, "status")?,
        detail: row.get("detail")?,
        since: column::time(row, "status_since")?,
        context_used: column::unsigned(row, "context_used")?,
        vendor_session: row.get("vendor_session")?,
    })
}
