//! Opening messaging.db: is it ours, is its schema ours, and does the fence still stand for it.
//!
//! Everything here happens under the `opening` lock, so one process at a time creates, migrates or
//! raises the fence. Only SQLite opens the file; see the crate's first page for why.

use crate::bus::Inner;
use crate::claim;
use crate::error::BusError;
use crate::fence::{Fence, Identity, TOKEN_COUNTER_BITS};
use crate::ledger::Ledger;
use crate::lock_rows;
use crate::receipt;
use crate::registry;
use crate::scene::Scope;
use crate::schema::{self, Standing};
use crate::write::{self, Write};
use model::{Event, LockPhase};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// First SQLite without the WAL-reset bug, which corrupts exactly our use: several connections, WAL.
const SQLITE_MIN: i32 = 3_051_003;
/// Highest epoch: token and epoch share 63 bits.
const EPOCH_MAX: u64 = (1 << (63 - TOKEN_COUNTER_BITS)) - 1;
/// Pages of WAL after which whoever commits next also checkpoints, when there is no janitor. Whoever comes alone, as a
/// command does, first reads the WAL from its beginning: some 1.5 µs a page.
pub(crate) const CHECKPOINT_PAGES: u32 = 2000;
/// A WAL that was reset in the middle of a flood is cut back to this, in bytes: what is cut off has to be made again a
/// moment later. The janitor gives all of it back when it is quiet.
const WAL_KEPT: u32 = 64 * 1024 * 1024;
/// Attempts of the busy handler before a writer queues up at `wlock`: about 2 ms in all.
const HASTY_ATTEMPTS: i32 = 6;

/// An open connection and the file it is on.
pub(crate) struct Database {
    pub(crate) conn: Connection,
    pub(crate) identity: Identity,
    /// What its `wal_autocheckpoint` is.
    pub(crate) checkpoint_pages: Cell<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Writer,
    /// Its commits are on the disk when they return.
    Synced,
    Reader,
}

pub(crate) fn open(inner: &Inner, role: Role) -> Result<Database, BusError> {
    new_enough(rusqlite::version_number(), rusqlite::version())?;
    alone(&inner.maps)?;
    let _opening = inner.opening()?;
    let before = Identity::of(&inner.path)?;
    let fence = Fence::read(&inner.dir)?;
    if let Some(found) = before
        && fence.as_ref().is_none_or(|fence| fence.identity != found)
    {
        inspect(&inner.path)?;
    }
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(&inner.path, flags)?;
    // The first one in may find another one recovering the WAL; there is no hurry yet.
    conn.busy_timeout(inner.write_wait)?;
    configure(&conn)?;
    let standing = schema::standing(&conn)?;
    if standing == Standing::Empty {
        // Kept in the file; setting it again would need the write lock at every opening.
        conn.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    // Kept in the file too, but not in a copy made by `VACUUM INTO`.
    let mode: String = conn.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    if mode != "wal" {
        conn.pragma_update(None, "journal_mode", "WAL")?;
    }
    if standing != Standing::Ours(schema::VERSION) {
        create(inner, &conn)?;
    }
    let Some(identity) = Identity::of(&inner.path)? else {
        return Err(BusError::Malformed {
            what: "the file",
            detail: "it vanished while it was opened".to_owned(),
        });
    };
    guard(inner, &conn, fence, identity)?;
    match role {
        Role::Reader => conn.pragma_update(None, "query_only", true)?,
        Role::Synced => conn.pragma_update(None, "synchronous", "FULL")?,
        Role::Writer => {}
    }
    if let Some(pages) = inner.pages_max {
        conn.pragma_update(None, "max_page_count", pages)?;
    }
    hurry(&mut conn, &inner.dice)?;
    Ok(Database { conn, identity, checkpoint_pages: Cell::new(CHECKPOINT_PAGES) })
}

fn new_enough(number: i32, text: &str) -> Result<(), BusError> {
    if number < SQLITE_MIN { Err(BusError::SqliteTooOld(text.to_owned())) } else { Ok(()) }
}

/// A second SQLite in this process: each closes files without knowing of the other's locks on them.
fn alone(maps: &str) -> Result<(), BusError> {
    let library = |line: &str| {
        let path = line.split_whitespace().nth(5)?;
        let name = path.rsplit('/').next()?;
        (name.starts_with("libsqlite3.") || name.starts_with("libsqlite3-")).then(|| path.to_owned())
    };
    maps.lines().find_map(library).map_or(Ok(()), |path| Err(BusError::SecondSqlite(path)))
}

/// Refuses a file that is not ours, without a connection that could write to it.
fn inspect(path: &Path) -> Result<(), BusError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let standing = Connection::open_with_flags(path, flags)
        .map_err(BusError::from)
        .and_then(|conn| schema::standing(&conn));
    match standing {
        Ok(Standing::Foreign) => Err(BusError::Foreign(path.to_owned())),
        Err(BusError::Sqlite(error)) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            Err(BusError::Foreign(path.to_owned()))
        }
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes the connection give up soon, and at random moments, so that it queues up at `wlock` instead.
fn hurry(conn: &mut Connection, dice: &Arc<AtomicU64>) -> Result<(), BusError> {
    let dice = Arc::clone(dice);
    conn.busy_handler(Some(move |tries| {
        let hasty = tries < HASTY_ATTEMPTS;
        if hasty {
            std::thread::sleep(jitter(&dice, tries));
        }
        hasty
    }))?;
    Ok(())
}

fn configure(conn: &Connection) -> Result<(), BusError> {
    // A session that ends must not pay for a checkpoint, least of all a hook that lives for milliseconds.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // Else a new cursor or time bound to a statement makes SQLite compile it again (it is built with STAT4): 170 µs of
    // the 200 a reader takes for a notice.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // A killed process loses nothing. A power cut may take the last commits: leases are void after a boot anyway, and the
    // daemon's journal, synced on its own, is what history rests on.
    conn.pragma_update(None, "synchronous", "NORMAL")?;
    conn.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    conn.pragma_update(None, "journal_size_limit", WAL_KEPT)?;
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.pragma_update(None, "cache_size", -2000)?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// 20 µs and a random part that doubles with each try, to 1.6 ms.
fn jitter(dice: &AtomicU64, tries: i32) -> Duration {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut roll = dice.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
    roll = (roll ^ (roll >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let span = 50u64 << tries.clamp(0, 5);
    Duration::from_micros(20 + (roll >> 33) % span)
}

fn create(inner: &Inner, conn: &Connection) -> Result<(), BusError> {
    let _turn = write::begin(inner, conn)?;
    let mut random = [0u8; 8];
    inner.entropy.fill(&mut random);
    let birth = format!("{:016x}", u64::from_le_bytes(random));
    let filled = schema::migrate(conn, &inner.path, &inner.clock.now().to_string()).and_then(|()| {
        conn.execute(
            "INSERT INTO bus_state (id, birth, epoch, token) VALUES (1, ?1, 0, 0) ON CONFLICT DO NOTHING",
            [birth],
        )?;
        conn.execute_batch("COMMIT")?;
        Ok(())
    });
    if filled.is_err() {
        write::roll_back(conn);
    }
    filled
}

/// Raises the epoch unless the fence stands for exactly this file in this boot.
fn guard(inner: &Inner, conn: &Connection, fence: Option<Fence>, identity: Identity) -> Result<(), BusError> {
    let state = |conn: &Connection| -> Result<(String, u64), BusError> {
        let row = conn.query_row("SELECT birth, epoch FROM bus_state WHERE id = 1", [], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?))
        })?;
        Ok((row.0, u64::try_from(row.1).unwrap_or(0)))
    };
    let (birth, epoch) = state(conn)?;
    let expected = Fence { epoch, birth: birth.clone(), boot: inner.boot.clone(), identity };
    if epoch > 0 && fence.as_ref() == Some(&expected) {
        return Ok(());
    }
    let raised = fence.as_ref().map_or(0, |fence| fence.epoch).max(epoch) + 1;
    if raised > EPOCH_MAX {
        return Err(BusError::Malformed { what: "the fence epoch", detail: format!("{raised} is too high") });
    }
    // First the file: a crash in between leaves the two different, and the next one raises again.
    Fence { epoch: raised, ..expected }.write(&inner.dir)?;
    inner.write_on(conn, |w| void(w, raised))
}

/// What was leased before means nothing any more.
fn void(w: &mut Write<'_>, epoch: u64) -> Result<(), BusError> {
    w.enter_epoch(epoch)?;
    for held in lock_rows::held(w.conn, Scope::All, w.now)? {
        w.free(&held, LockPhase::Expired)?;
    }
    w.conn.execute("DELETE FROM lock_waits", [])?;
    receipt::restart(w)?;
    claim::restart(w)?;
    for row in registry::of_other_boots(w.conn, &w.inner.boot)? {
        let ended = row.end(w, "died")?;
        w.tell(&Event::RegistrationEnded(ended))?;
    }
    // Signs of life of other machines were timed by the boot before.
    w.conn.execute("UPDATE session_registry SET heartbeat_ns = 0 WHERE machine IS NOT NULL", [])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hasty_attempts_last_about_two_milliseconds() {
        let dice = AtomicU64::new(1);
        for _ in 0..100 {
            let total: Duration = (0..HASTY_ATTEMPTS).map(|tries| jitter(&dice, tries)).sum();
            assert!(total < Duration::from_micros(3300), "{total:?}");
        }
        assert_ne!(jitter(&dice, 5), jitter(&dice, 5));
    }

    #[test]
    fn an_old_sqlite_is_refused_and_the_bundled_one_is_not() {
        new_enough(rusqlite::version_number(), rusqlite::version()).unwrap();
        assert!(
            matches!(new_enough(3_051_002, "3.51.2"), Err(BusError::SqliteTooOld(found)) if found == "3.51.2")
        );
        new_enough(SQLITE_MIN, "3.51.3").unwrap();
    }

    #[test]
    fn a_kept_statement_keeps_its_plan_in_every_role() {
        let dir = tempfile::tempdir().unwrap();
        let bus = crate::Bus::open(
            dir.path(),
            Arc::new(crate::system::SystemClock),
            Arc::new(crate::system::SystemEntropy),
        )
        .unwrap();
        let plain = Connection::open(dir.path().join("messaging.db")).unwrap();
        assert!(!plain.db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG).unwrap(), "not by itself");
        for role in [Role::Writer, Role::Synced, Role::Reader] {
            let database = open(&bus.inner, role).unwrap();
            assert!(database.conn.db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG).unwrap(), "{role:?}");
        }
    }

    #[test]
    fn a_second_sqlite_in_the_process_is_refused() {
        let maps = "7f00-7f01 r-xp 00000000 fe:00 123 /usr/lib/x86_64-linux-gnu/libsqlite3.so.0.8.6\n";
        assert!(matches!(alone(maps), Err(BusError::SecondSqlite(path)) if path.ends_with(".so.0.8.6")));
        alone("7f00-7f01 r-xp 00000000 fe:00 123 /usr/lib/libc.so.6\n7f00-7f01 rw-p 0 0:0 0\n").unwrap();
        alone(&std::fs::read_to_string("/proc/self/maps").unwrap()).unwrap();
    }
}
