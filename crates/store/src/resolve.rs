//! From what people type to the id they mean.

use crate::sql::params;
use crate::statement::Statement;
use crate::view::limit;
use crate::{StoreError, View, column};
use model::{SHORT_ID_LEN, SHORT_ID_MIN};
use std::fmt::Display;
use std::str::FromStr;

/// Candidates listed when a prefix is ambiguous.
pub const RESOLVE_MAX: usize = 10;

/// What a full id or a prefix of a short id stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved<I> {
    One(I),
    None,
    /// The newest [`RESOLVE_MAX`] candidates, newest first.
    Many(Vec<Candidate<I>>),
}

/// One of those that may be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate<I> {
    pub id: I,
    /// What it is called; empty for what has no name.
    pub title: String,
}

/// Stands for the newest one of a noun.
pub const LAST: &str = "@last";

/// Ids that can be looked up by their short form.
pub trait ShortId: sealed::Stored + FromStr<Err: Display> + Display {
    /// Singular, for messages.
    const NOUN: &'static str;
}

mod sealed {
    use crate::statement::Statement;

    /// Where the ids of a noun are.
    pub trait Stored: Sized {
        #[doc(hidden)]
        const EXACT: Lookup;
        #[doc(hidden)]
        const BY_PREFIX: Lookup;
        /// None for what is so many that nobody means the newest of all.
        #[doc(hidden)]
        const NEWEST: Option<Lookup>;
    }

    /// Hides the statement from the public trait.
    #[derive(Debug)]
    pub struct Lookup(pub(super) Statement);
}

macro_rules! short_ids {
    // What each of the ways finds is said behind it: a condition on the row.
    ($($id:ident $noun:literal $database:ident $table:literal $column:literal $title:literal:
        $exact:ident $known:literal, $prefix:ident $listed:literal $(, $newest:ident $there:literal)?;)+) => {
        $(
            impl sealed::Stored for model::$id {
                const EXACT: sealed::Lookup = sealed::Lookup($exact);
                const BY_PREFIX: sealed::Lookup = sealed::Lookup($prefix);
                const NEWEST: Option<sealed::Lookup> = short_ids!(@newest $($newest)?);
            }
            impl ShortId for model::$id {
                const NOUN: &'static str = $noun;
            }
            const $exact: Statement = Statement {
                #[cfg(test)]
                name: stringify!($exact),
                database: crate::statement::Database::$database,
                sql: concat!("SELECT ", $column, " AS id FROM ", $table, " WHERE ", $column, " = ?1", $known),
                postgresql: None,
            };
            const $prefix: Statement = Statement {
                #[cfg(test)]
                name: stringify!($prefix),
                database: crate::statement::Database::$database,
                sql: concat!(
                    "SELECT ", $column, " AS id, ", $title, " AS title FROM ", $table,
                    " WHERE short_id >= ?1 AND short_id < ?2", $listed, " ORDER BY seq DESC LIMIT ?3"
                ),
                postgresql: None,
            };
            $(const $newest: Statement = Statement {
                #[cfg(test)]
                name: stringify!($newest),
                database: crate::statement::Database::$database,
                sql: concat!("SELECT ", $column, " AS id FROM ", $table, " WHERE seq > 0", $there, " ORDER BY seq DESC LIMIT 1"),
                postgresql: None,
            };)?
        )+
        #[cfg(test)]
        pub(crate) const QUERIES: &[Statement] = &[$($exact, $prefix, $($newest,)?)+];
    };
    (@newest $newest:ident) => { Some(sealed::Lookup($newest)) };
    (@newest) => { None };
}

short_ids! {
    SessionId "session" Sessions "sessions" "session_id" "title":
        SESSION_ID " AND removed_at IS NULL", SESSION_PREFIX " AND removed_at IS NULL";
    ParticipantId "participant" Sessions "participants" "participant_id" "agent":
        PARTICIPANT_ID "", PARTICIPANT_PREFIX "";
    TaskId "task" Sessions "tasks" "task_id" "title":
        TASK_ID "", TASK_PREFIX " AND listed = 1", TASK_NEWEST " AND listed = 1";
    TurnId "turn" Sessions "turns" "turn_id" "''": TURN_ID "", TURN_PREFIX "";
    PermissionId "permission" Sessions "permissions" "permission_id" "''":
        PERMISSION_ID "", PERMISSION_PREFIX "", PERMISSION_NEWEST "";
    PermissionRuleId "permission rule" Sessions "permission_rules" "rule_id" "''":
        RULE_ID "", RULE_PREFIX "", RULE_NEWEST "";
    PlanId "plan" Sessions "plans" "plan_id" "''":
        PLAN_ID "", PLAN_PREFIX " AND (SELECT s.removed_at IS NULL FROM sessions s WHERE s.session_id = plans.session_id)",
        PLAN_NEWEST " AND (SELECT s.removed_at IS NULL FROM sessions s WHERE s.session_id = plans.session_id)";
    CheckpointId "checkpoint" Sessions "checkpoints" "checkpoint_id" "git_ref":
        CHECKPOINT_ID "", CHECKPOINT_PREFIX " AND removed IS NULL", CHECKPOINT_NEWEST " AND removed IS NULL";
    ArtifactId "artifact" Sessions "artifacts" "artifact_id" "file_path":
        ARTIFACT_ID " AND listed = 1", ARTIFACT_PREFIX " AND listed = 1", ARTIFACT_NEWEST " AND listed = 1";
    RepoId "repo" Sessions "repos" "repo_id" "slug": REPO_ID "", REPO_PREFIX "", REPO_NEWEST "";
    WorktreeId "worktree" Sessions "worktrees" "worktree_id" "name":
        WORKTREE_ID "", WORKTREE_PREFIX "", WORKTREE_NEWEST " AND state = 'live'";
    MergeId "merge" Sessions "merges" "merge_id" "name": MERGE_ID "", MERGE_PREFIX "", MERGE_NEWEST "";
    BoardId "board" Sessions "boards" "board_id" "name": BOARD_ID "", BOARD_PREFIX "", BOARD_NEWEST "";
    CardId "card" Sessions "board_cards" "card_id" "substr(note, 1, 60)": CARD_ID "", CARD_PREFIX "";
    ZoneId "zone" Sessions "board_zones" "zone_id" "name": ZONE_ID "", ZONE_PREFIX "";
    CommentId "comment" Sessions "board_comments" "comment_id" "''": COMMENT_ID "", COMMENT_PREFIX "";
    MessageId "message" Messages "agent_messages" "message_id" "substr(content, 1, 60)":
        MESSAGE_ID "", MESSAGE_PREFIX "";
}

impl View<'_> {
    /// Takes a full id, or at least [`SHORT_ID_MIN`] characters of a short one; case and the usual slips of the eye
    /// (`o` for `0`, `i` and `l` for `1`) do not matter; or [`LAST`], where a noun has a newest one. What does not exist is
    /// `None`; of what was removed, or is hidden, only the full id may still be known.
    pub fn resolve<I: ShortId>(&self, given: &str) -> Result<Resolved<I>, StoreError> {
        self.resolve_among(given, RESOLVE_MAX)
    }

    /// As [`View::resolve`], but so many candidates are named.
    pub fn resolve_among<I: ShortId>(&self, given: &str, most: usize) -> Result<Resolved<I>, StoreError> {
        if given == LAST {
            let Some(newest) = I::NEWEST else { return Ok(Resolved::None) };
            let found = self.row(&newest.0, [], |row| column::parsed(row, "id"))?;
            return Ok(found.map_or(Resolved::None, Resolved::One));
        }
        if let Ok(id) = given.parse::<I>() {
            let found = self.row(&I::EXACT.0, [id.to_string()], |row| column::parsed(row, "id"))?;
            return Ok(found.map_or(Resolved::None, Resolved::One));
        }
        let Some(prefix) = short_prefix(given) else {
            return Ok(Resolved::None);
        };
        // No short id has a character after `z`, so this ends the range of everything that starts with the prefix.
        let end = format!("{prefix}{{");
        let mut found = self.rows(&I::BY_PREFIX.0, params![prefix, end, limit(most)], |row| {
            Ok(Candidate { id: column::parsed(row, "id")?, title: row.get("title")? })
        })?;
        Ok(match found.len() {
            0 => Resolved::None,
            1 => Resolved::One(found.remove(0).id),
            _ => Resolved::Many(found),
        })
    }
}

/// The prefix in the alphabet of short ids, or none when it can be no prefix of one.
fn short_prefix(given: &str) -> Option<String> {
    if !given.is_ascii() || !(SHORT_ID_MIN..=SHORT_ID_LEN).contains(&given.len()) {
        return None;
    }
    given
        .chars()
        .map(|typed| match typed.to_ascii_lowercase() {
            'o' => Some('0'),
            'i' | 'l' => Some('1'),
            'u' => None,
            letter if letter.is_ascii_alphanumeric() => Some(letter),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_brought_into_the_alphabet_of_short_ids() {
        assert_eq!(short_prefix("ABCD").as_deref(), Some("abcd"));
        assert_eq!(short_prefix("oIl9").as_deref(), Some("0119"));
        for bad in ["abc", "abcdefghjkm", "ab-d", "uuuu", "äbcd", ""] {
            assert_eq!(short_prefix(bad), None, "{bad}");
        }
    }
}
