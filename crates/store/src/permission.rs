//! Permissions that were asked for, and the rules that decisions left behind.

use crate::sql::{Row, params};
use crate::statement::statements;
use crate::view::limit;
use crate::{StoreError, View, column};
use model::{
    Permission, PermissionDecision, PermissionId, PermissionRule, PermissionRuleId, RepoId, SessionId,
    Timestamp, TurnId,
};

/// Where a rule holds that holds in the whole workspace.
pub(crate) const EVERYWHERE: &str = "always";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionRow {
    pub permission: Permission,
    pub requested_at: Timestamp,
    /// None while it waits.
    pub decision: Option<PermissionDecision>,
    pub decided_at: Option<Timestamp>,
}

macro_rules! permission_columns {
    () => {
        "data, requested_at, decision, decided_at"
    };
}

statements! { QUERIES in Sessions {
    PERMISSION = concat!("SELECT ", permission_columns!(), " FROM permissions WHERE permission_id = ?1");
    PERMISSION_SEQ = "SELECT seq FROM permissions WHERE permission_id = ?1";
    PERMISSIONS = concat!(
        "SELECT ", permission_columns!(), " FROM permissions WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2"
    );
    PERMISSIONS_OF_SESSION = concat!(
        "SELECT ", permission_columns!(),
        " FROM permissions WHERE session_id = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3"
    );
    OPEN_PERMISSIONS = concat!(
        "SELECT ", permission_columns!(), " FROM permissions WHERE open = 1 ORDER BY seq"
    );
    OPEN_OF_SESSION = concat!(
        "SELECT ", permission_columns!(), " FROM permissions WHERE session_id = ?1 AND open = 1 ORDER BY seq"
    );
    OPEN_OF_TURN = concat!(
        "SELECT ", permission_columns!(), " FROM permissions WHERE turn_id = ?1 AND open = 1 ORDER BY seq"
    );
    COUNT_OPEN = "SELECT count(*) FROM permissions WHERE open = 1";
    RULE = "SELECT data FROM permission_rules WHERE rule_id = ?1";
    RULES_OF_PLACE = "SELECT data FROM permission_rules WHERE place = ?1 ORDER BY seq";
    // Bounded by what decisions may leave behind.
    RULES = "SELECT data FROM permission_rules WHERE seq > 0 ORDER BY seq";
} }

impl View<'_> {
    pub fn permission(&self, id: PermissionId) -> Result<Option<PermissionRow>, StoreError> {
        self.row(&PERMISSION, [id.to_string()], read_permission)
    }

    /// Newest first, of one session or of all, decided ones too. Nothing is before one that does not exist.
    pub fn permissions(
        &self,
        session: Option<SessionId>,
        before: Option<PermissionId>,
        size: usize,
    ) -> Result<Vec<PermissionRow>, StoreError> {
        let before = match before {
            None => i64::MAX,
            Some(id) => self.row(&PERMISSION_SEQ, [id.to_string()], |row| row.get::<_, i64>(0))?.unwrap_or(0),
        };
        match session {
            None => self.rows(&PERMISSIONS, params![before, limit(size)], read_permission),
            Some(session) => {
                let wanted = params![session.to_string(), before, limit(size)];
                self.rows(&PERMISSIONS_OF_SESSION, wanted, read_permission)
            }
        }
    }

    /// What waits to be decided, oldest first.
    pub fn open_permissions(&self, session: Option<SessionId>) -> Result<Vec<PermissionRow>, StoreError> {
        match session {
            None => self.rows(&OPEN_PERMISSIONS, [], read_permission),
            Some(session) => self.rows(&OPEN_OF_SESSION, [session.to_string()], read_permission),
        }
    }

    /// What a turn waits for, oldest first.
    pub fn open_permissions_of_turn(&self, turn: TurnId) -> Result<Vec<PermissionRow>, StoreError> {
        self.rows(&OPEN_OF_TURN, [turn.to_string()], read_permission)
    }

    /// Of all sessions.
    pub fn count_open_permissions(&self) -> Result<u64, StoreError> {
        self.count(&COUNT_OPEN, [])
    }

    pub fn permission_rule(&self, id: PermissionRuleId) -> Result<Option<PermissionRule>, StoreError> {
        self.row(&RULE, [id.to_string()], |row| column::json(row, "data"))
    }

    /// Oldest first.
    pub fn permission_rules(&self) -> Result<Vec<PermissionRule>, StoreError> {
        self.rows(&RULES, [], |row| column::json(row, "data"))
    }

    /// The rules that hold in a session, its repo and everywhere.
    pub fn permission_rules_of(
        &self,
        session: SessionId,
        repo: Option<RepoId>,
    ) -> Result<Vec<PermissionRule>, StoreError> {
        let places = [Some(session.to_string()), repo.map(|repo| repo.to_string()), Some(EVERYWHERE.into())];
        let mut rules = Vec::new();
        for place in places.into_iter().flatten() {
            rules.extend(self.rows(&RULES_OF_PLACE, [place], |row| column::json(row, "data"))?);
        }
        Ok(rules)
    }
}

fn read_permission(row: &Row<'_>) -> Result<PermissionRow, StoreError> {
    Ok(PermissionRow {
        permission: column::json(row, "data")?,
        requested_at: column::time(row, "requested_at")?,
        decision: column::json_or_none(row, "decision")?,
        decided_at: column::time_or_none(row, "decided_at")?,
    })
}
