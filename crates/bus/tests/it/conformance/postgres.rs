//! A schema of its own in the server CODITECT_TEST_POSTGRES names; it is dropped when the case is over.

use super::{Fixture, Handle, server};
use crate::process::SharedClock;
use bus::system::{SystemClock, SystemEntropy};
use bus::{Backend, Postgres, PostgresOptions};
use model::{Clock, Entropy, RegistrationId};
use postgresql::{Address, Client};
use serde_json::Value;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) struct Schema {
    pub(crate) url: String,
    pub(crate) workspace: String,
    dir: tempfile::TempDir,
    /// How far the bus's clock is ahead of the server's.
    ahead: Mutex<Duration>,
}

pub(crate) fn stage() -> Option<Box<dyn Fixture>> {
    Schema::new().map(|schema| Box::new(schema) as Box<dyn Fixture>)
}

pub(crate) fn open_at(place: &str) -> Arc<dyn Backend> {
    let words: Vec<&str> = place.split(' ').collect();
    open(words[0], words[1], Path::new(words[2]), Handle::default())
}

fn open(url: &str, workspace: &str, dir: &Path, handle: Handle) -> Arc<dyn Backend> {
    let clock = SharedClock::open(dir);
    clock.shift_wall(handle.wall_shift_ms);
    let options = PostgresOptions { safety_poll: handle.safety_poll, ..PostgresOptions::default() };
    Arc::new(Postgres::open_with(url, workspace, Arc::new(clock), Arc::new(SystemEntropy), options).unwrap())
}

fn connect(url: &str) -> Result<Client, postgresql::Trouble> {
    Client::connect(&Address::read(url, "test")?)
}

impl Schema {
    pub(crate) fn new() -> Option<Self> {
        let url = server("PostgreSQL", "CODITECT_TEST_POSTGRES")?;
        let mut random = [0u8; 8];
        SystemEntropy.fill(&mut random);
        let workspace = format!("test_{:016x}", u64::from_le_bytes(random));
        Some(Self { url, workspace, dir: tempfile::tempdir().unwrap(), ahead: Mutex::default() })
    }

    /// Beside the bus, in its schema.
    pub(crate) fn sql(&self) -> Client {
        let mut client = connect(&self.url).unwrap();
        client.batch_execute(&format!("SET search_path TO coditect_{}, pg_catalog", self.workspace)).unwrap();
        client
    }

    pub(crate) fn open(&self, options: PostgresOptions) -> Result<Postgres, bus::BusError> {
        self.open_url(&self.url, options)
    }

    /// Through another host and port.
    pub(crate) fn open_at(&self, place: &str, query: &str) -> Result<Postgres, bus::BusError> {
        let url = self.url.replacen(&self.server(), place, 1);
        self.open_url(&format!("{url}?{query}"), PostgresOptions::default())
    }

    pub(crate) fn open_with_query(&self, query: &str) -> Result<Postgres, bus::BusError> {
        self.open_url(&format!("{}?{query}", self.url), PostgresOptions::default())
    }

    pub(crate) fn open_url(&self, url: &str, options: PostgresOptions) -> Result<Postgres, bus::BusError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        Postgres::open_with(url, &self.workspace, clock, Arc::new(SystemEntropy), options)
    }

    /// Ends connections of this bus; conditions may follow.
    pub(crate) fn kill(&self) -> String {
        format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'coditect_{}'",
            self.workspace
        )
    }

    /// Its host and port.
    pub(crate) fn server(&self) -> String {
        let place = self.url.rsplit_once('@').map_or(self.url.as_str(), |(_, place)| place);
        place.split('/').next().unwrap().to_owned()
    }

    pub(crate) fn set_clock(&self, ahead: Duration) {
        self.sql()
            .batch_execute(&format!(
                "CREATE OR REPLACE FUNCTION server_ns() RETURNS bigint LANGUAGE sql VOLATILE AS
                 $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint + {} $$",
                ahead.as_nanos()
            ))
            .unwrap();
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        if let Ok(mut client) = connect(&self.url) {
            let _ =
                client.batch_execute(&format!("DROP SCHEMA IF EXISTS coditect_{} CASCADE", self.workspace));
        }
    }
}

impl Fixture for Schema {
    fn open_with(&self, handle: Handle) -> Arc<dyn Backend> {
        open(&self.url, &self.workspace, self.dir.path(), handle)
    }

    fn pass(&self, time: Duration) {
        let mut ahead = self.ahead.lock().unwrap();
        *ahead += time;
        self.set_clock(*ahead);
    }

    /// In another second than it was made in: that is what its epochs are.
    fn remake(&self) {
        let mut client = self.sql();
        let sql = "SELECT (extract(epoch FROM clock_timestamp()))::bigint";
        let second = |client: &mut Client| client.query_one(sql, &[]).unwrap().get::<_, i64>(0);
        let then = second(&mut client);
        while second(&mut client) <= then + 1 {
            std::thread::yield_now();
        }
        client.batch_execute(&format!("DROP SCHEMA coditect_{} CASCADE", self.workspace)).unwrap();
        *self.ahead.lock().unwrap() = Duration::ZERO;
    }

    fn slip_in(&self, sender: RegistrationId, payload: &Value) {
        let sql = "WITH place AS (UPDATE bus_state SET newest = newest + 1 RETURNING newest)
             INSERT INTO inter_session_messages (id, sender_id, channel, payload, created_ms, ttl_seconds, agent,
                expires_ns, priority)
             SELECT newest, $1, 'task_broadcast', $2::text::json, 0, 600, 'dead', 9223372036854775807, 0 FROM place";
        self.sql().execute(sql, &[&sender.to_string(), &payload.to_string()]).unwrap();
    }

    fn address(&self) -> String {
        format!("postgres {} {} {}", self.url, self.workspace, self.dir.path().display())
    }
}
