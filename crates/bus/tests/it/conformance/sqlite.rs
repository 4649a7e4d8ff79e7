//! The file, as sessions of one machine share it.

use super::{Fixture, Handle};
use crate::process::SharedClock;
use bus::system::SystemEntropy;
use bus::{Backend, Bus, Options};
use model::RegistrationId;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

struct File {
    dir: tempfile::TempDir,
    clock: SharedClock,
}

pub(crate) fn stage() -> Option<Box<dyn Fixture>> {
    let dir = tempfile::tempdir().unwrap();
    let clock = SharedClock::open(dir.path());
    Some(Box::new(File { dir, clock }))
}

pub(crate) fn open_at(place: &str) -> Arc<dyn Backend> {
    open(Path::new(place), Handle::default())
}

fn open(dir: &Path, handle: Handle) -> Arc<dyn Backend> {
    let clock = SharedClock::open(dir);
    clock.shift_wall(handle.wall_shift_ms);
    let options = Options { safety_poll: handle.safety_poll, ..Options::default() };
    Arc::new(Bus::open_with(&dir.join("bus"), Arc::new(clock), Arc::new(SystemEntropy), options).unwrap())
}

impl Fixture for File {
    fn open_with(&self, handle: Handle) -> Arc<dyn Backend> {
        open(self.dir.path(), handle)
    }

    fn pass(&self, time: Duration) {
        self.clock.leap(time);
    }

    fn remake(&self) {
        for name in ["messaging.db", "messaging.db-wal", "messaging.db-shm"] {
            let _ = std::fs::remove_file(self.dir.path().join("bus").join(name));
        }
    }

    fn slip_in(&self, sender: RegistrationId, payload: &Value) {
        let conn = rusqlite::Connection::open(self.dir.path().join("bus/messaging.db")).unwrap();
        conn.execute(
            "INSERT INTO inter_session_messages (sender_id, channel, payload, created_at, ttl_seconds, agent,
                epoch, expires_ns, expires_ms)
             SELECT ?1, 'task_broadcast', ?2, '2026-01-31T00:00:00.000Z', 600, 'dead', epoch, ?3, ?3
             FROM bus_state",
            rusqlite::params![sender.to_string(), payload.to_string(), i64::MAX],
        )
        .unwrap();
    }

    fn address(&self) -> String {
        format!("sqlite {}", self.dir.path().display())
    }
}
