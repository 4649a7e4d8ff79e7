//! What the older design does: a table, an INSERT a message, and readers that watch the WAL's file or the clock.

use super::{Receiver, Sender, Wire};
use crate::bus::node::Spec;
use rusqlite::{Connection, params};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// How a reader of the older design learns that there is something.
#[derive(Clone, Copy)]
pub(crate) enum Wake {
    /// The WAL file was written to; and every 250 ms.
    Inotify,
    /// Every 250 ms.
    Poll,
}

const SAFETY: Duration = Duration::from_millis(250);
/// How often opening the peers' database is tried.
const TRIES: usize = 200;

/// One table, one INSERT a message, as the older design has it.
struct Seed {
    conn: Connection,
    me: usize,
}

fn connect(spec: &Spec) -> Result<Connection, String> {
    let open = || -> rusqlite::Result<Connection> {
        let conn = Connection::open(spec.dir.join("seed.db"))?;
        conn.busy_timeout(Duration::from_secs(5))?;
        conn.pragma_update(None, "journal_mode", "WAL")?;
        conn.pragma_update(None, "synchronous", if spec.power { "FULL" } else { "NORMAL" })?;
        conn.execute_batch(
            "CREATE TABLE IF NOT EXISTS inter_session_messages (
                id INTEGER PRIMARY KEY AUTOINCREMENT, sender_id TEXT NOT NULL, channel TEXT NOT NULL,
                payload TEXT NOT NULL, created_at TEXT NOT NULL DEFAULT (datetime('now')),
                ttl_seconds INTEGER DEFAULT 300);
             CREATE INDEX IF NOT EXISTS by_channel ON inter_session_messages (channel, id);",
        )?;
        Ok(conn)
    };
    // All come at once, and to turn WAL on SQLite waits for nobody.
    for _ in 0..TRIES {
        if let Ok(conn) = open() {
            return Ok(conn);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    open().map_err(|error| error.to_string())
}

pub(crate) fn open(spec: &Spec, wake: Wake) -> Result<Wire, String> {
    let watch = match wake {
        Wake::Poll => None,
        Wake::Inotify => {
            let fd = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)
                .map_err(|error| error.to_string())?;
            Some(fd)
        }
    };
    let sender = Seed { conn: connect(spec)?, me: spec.index };
    let conn = connect(spec)?;
    // The WAL is there once somebody has read.
    let cursor = conn
        .query_row("SELECT coalesce(max(id), 0) FROM inter_session_messages", [], |row| row.get(0))
        .map_err(|error| error.to_string())?;
    if let Some(fd) = &watch {
        inotify::add_watch(fd, spec.dir.join("seed.db-wal"), inotify::WatchFlags::MODIFY)
            .map_err(|error| error.to_string())?;
    }
    let receiver = Box::new(SeedReader { conn, cursor, me: spec.index, watch });
    Ok(Wire { sender: Box::new(sender), receiver, janitor: None })
}

impl Sender for Seed {
    fn send(&mut self, to: Option<usize>, payload: serde_json::Value) -> Result<(), String> {
        let channel = to.map_or("all".to_owned(), |to| format!("n{to}"));
        let insert = || -> rusqlite::Result<()> {
            let sql = "INSERT INTO inter_session_messages (sender_id, channel, payload) VALUES (?1, ?2, ?3)";
            let row = params![format!("n{}", self.me), channel, payload.to_string()];
            self.conn.prepare_cached(sql)?.execute(row).map(drop)
        };
        // A message that does not get in after several waits of SQLite's own is lost, and shows as such.
        (0..TRIES).any(|_| insert().is_ok());
        Ok(())
    }
}

struct SeedReader {
    conn: Connection,
    cursor: i64,
    me: usize,
    watch: Option<OwnedFd>,
}

impl SeedReader {
    fn drain(&mut self) -> rusqlite::Result<Vec<serde_json::Value>> {
        let me = format!("n{}", self.me);
        let mut read = self.conn.prepare_cached(
            "SELECT id, payload FROM inter_session_messages
             WHERE channel IN ('all', ?1) AND sender_id <> ?1 AND id > ?2 ORDER BY id LIMIT 256",
        )?;
        let rows =
            read.query_map(params![me, self.cursor], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
        let mut found = Vec::new();
        for row in rows {
            let (id, payload) = row?;
            self.cursor = id;
            found.extend(serde_json::from_str(&payload));
        }
        Ok(found)
    }
}

impl Receiver for SeedReader {
    fn receive(&mut self, limit: Duration) -> Result<Vec<serde_json::Value>, String> {
        let found = self.drain().unwrap_or_default();
        if !found.is_empty() {
            return Ok(found);
        }
        let wait = SAFETY.min(limit);
        match &self.watch {
            None => std::thread::sleep(wait),
            Some(fd) => {
                let limit = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
                let _ = poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&limit));
                while rustix::io::read(fd, &mut [0u8; 4096]).is_ok() {}
            }
        }
        Ok(self.drain().unwrap_or_default())
    }
}
