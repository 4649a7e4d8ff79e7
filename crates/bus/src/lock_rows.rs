//! Rows of `locks` and `lock_waits` in messaging.db.

use crate::error::BusError;
use crate::lock::Wait;
use crate::pattern::Pattern;
use crate::row;
use crate::scene::{Grant, Held, Scene, Scope, Waiting};
use crate::write::{Moment, unsigned};
use model::{Lock, RegistrationId};
use rusqlite::{Connection, Row};

pub(crate) fn scene(conn: &Connection, scope: Scope<'_>, now: Moment) -> Result<Scene, BusError> {
    Ok(Scene { locks: held(conn, scope, now)?, waits: waiting(conn)? })
}

const HELD_COLUMNS: &str =
    "SELECT l.token, l.worktree, l.path, l.mode, l.holder, l.acquired_at, l.expires_ns,
            r.agent, r.owner_session
     FROM locks l JOIN session_registry r ON r.session_id = l.holder";

fn read_held(row: &Row<'_>, now: Moment) -> Result<Held, BusError> {
    let path: String = row.get(2)?;
    let expires_ns: i64 = row.get(6)?;
    Ok(Held {
        pattern: Pattern::from_normal(&path),
        lock: Lock {
            worktree: row.get(1)?,
            path,
            mode: row::mode(row, 3)?,
            holder: row::parsed(row, 4, "a lock's holder")?,
            agent: row.get(7)?,
            session: row::parsed_or_none(row, 8, "a lock's session")?,
            token: unsigned(row.get(0)?),
            acquired_at: row::time(row, 5)?,
            expires_at: now.wall_at(expires_ns),
        },
        expires_ns,
    })
}

fn collect_held(
    conn: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    now: Moment,
) -> Result<Vec<Held>, BusError> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(read_held(row, now)?);
    }
    Ok(all)
}

/// Locks by token, expired ones too.
pub(crate) fn held(conn: &Connection, scope: Scope<'_>, now: Moment) -> Result<Vec<Held>, BusError> {
    let worktree = match scope {
        Scope::All => return collect_held(conn, &format!("{HELD_COLUMNS} ORDER BY l.token"), [], now),
        Scope::Worktree(worktree) => worktree,
        Scope::Waited => "",
    };
    let sql = format!(
        "{HELD_COLUMNS} WHERE l.worktree = ?1 OR l.worktree IN (SELECT worktree FROM lock_waits) ORDER BY l.token"
    );
    collect_held(conn, &sql, [worktree], now)
}

pub(crate) fn held_by(conn: &Connection, holder: RegistrationId, now: Moment) -> Result<Vec<Held>, BusError> {
    let sql = format!("{HELD_COLUMNS} WHERE l.holder = ?1 ORDER BY l.token");
    collect_held(conn, &sql, [holder.to_string()], now)
}

/// Locks of the worktree that may cover the path: by its name, and all globs.
pub(crate) fn held_over(
    conn: &Connection,
    worktree: &str,
    path: &str,
    now: Moment,
) -> Result<Vec<Held>, BusError> {
    let sql = format!(
        "{HELD_COLUMNS} WHERE l.worktree = ?1 AND (l.path = ?2 OR l.path GLOB '*[*?[{{]*') ORDER BY l.token"
    );
    collect_held(conn, &sql, [worktree, path], now)
}

pub(crate) fn held_under(conn: &Connection, token: u64, now: Moment) -> Result<Option<Held>, BusError> {
    // A token beyond SQLite's integers was never ours.
    let Ok(token) = i64::try_from(token) else { return Ok(None) };
    let sql = format!("{HELD_COLUMNS} WHERE l.token = ?1");
    Ok(collect_held(conn, &sql, [token], now)?.pop())
}

fn waiting(conn: &Connection) -> Result<Vec<Waiting>, BusError> {
    let mut statement = conn.prepare_cached(
        "SELECT w.id, w.worktree, w.paths, w.mode, w.holder, w.ttl_ns, w.since, w.bell, w.granted, w.fresh,
                r.agent, r.owner_session
         FROM lock_waits w JOIN session_registry r ON r.session_id = w.holder ORDER BY w.id",
    )?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let paths: Vec<String> = row::json(&row.get::<_, String>(2)?, "the paths of a wait")?;
        let grant = match (row.get::<_, Option<String>>(8)?, row.get::<_, Option<String>>(9)?) {
            (Some(tokens), Some(fresh)) => {
                Some(Grant { tokens: row::json(&tokens, "a grant")?, fresh: row::json(&fresh, "a grant")? })
            }
            _ => None,
        };
        all.push(Waiting {
            patterns: paths.iter().map(|path| Pattern::from_normal(path)).collect(),
            wait: Wait {
                id: row.get(0)?,
                worktree: row.get(1)?,
                paths,
                mode: row::mode(row, 3)?,
                holder: row::parsed(row, 4, "a wait's holder")?,
                agent: row.get(10)?,
                session: row::parsed_or_none(row, 11, "a wait's session")?,
                since: row::time(row, 6)?,
                blocked_by: Vec::new(),
            },
            ttl_ns: row.get(5)?,
            bell: row.get(7)?,
            heard_until_ns: None,
            grant,
        });
    }
    Ok(all)
}
