//! A NATS server with JetStream; each case has a workspace of its own on it.

use super::{Fixture, Handle, server};
use async_nats::jetstream::{self, Context};
use bus::system::{SystemClock, SystemEntropy};
use bus::{Backend, Nats};
use model::{Clock, Entropy, RegistrationId, Timestamp};
use serde_json::{Value, json};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// A case waits for it up to three times.
const BRIEF_SECONDS: u32 = 4;

pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) workspace: String,
}

/// The machine's clock, with a wall clock that is wrong by so much.
struct Shifted(i64);

impl Clock for Shifted {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(SystemClock.now().as_millis() + self.0)
    }

    fn uptime(&self) -> Duration {
        SystemClock.uptime()
    }
}

pub(crate) fn stage() -> Option<Box<dyn Fixture>> {
    Server::new().map(|server| Box::new(server) as Box<dyn Fixture>)
}

pub(crate) fn open_at(place: &str) -> Arc<dyn Backend> {
    let (url, workspace) = place.split_once(' ').unwrap();
    open(url, workspace, Handle::default())
}

fn open(url: &str, workspace: &str, handle: Handle) -> Arc<dyn Backend> {
    let clock = Arc::new(Shifted(handle.wall_shift_ms));
    Arc::new(Nats::open_with(url, workspace, clock, Arc::new(SystemEntropy), handle.safety_poll).unwrap())
}

impl Server {
    pub(crate) fn new() -> Option<Self> {
        let url = server("NATS", "CODITECT_TEST_NATS")?;
        let mut random = [0u8; 8];
        SystemEntropy.fill(&mut random);
        Some(Self { url, workspace: format!("case-{:016x}", u64::from_le_bytes(random)) })
    }

    /// What another client of the server does.
    pub(crate) fn beside<F: Future>(&self, work: impl FnOnce(Context) -> F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = async_nats::connect(&self.url).await.unwrap();
            work(jetstream::new(client)).await
        })
    }
}

impl Fixture for Server {
    fn open_with(&self, handle: Handle) -> Arc<dyn Backend> {
        open(&self.url, &self.workspace, handle)
    }

    fn pass(&self, time: Duration) {
        std::thread::sleep(time);
    }

    fn brief_seconds(&self) -> u32 {
        BRIEF_SECONDS
    }

    fn remake(&self) {
        self.beside(|context| async move {
            for stream in
                [format!("coditect_{}_notices", self.workspace), format!("KV_coditect_{}", self.workspace)]
            {
                let _ = context.delete_stream(stream).await;
            }
        });
    }

    fn slip_in(&self, sender: RegistrationId, payload: &Value) {
        let body = json!({ "letters": [{ "notice": {
            "id": 0, "sender": sender, "agent": "dead", "channel": "task_broadcast", "recipient": null,
            "payload": payload, "created_at": "2026-01-31T00:00:00.000Z", "ttl_seconds": 600,
        } }] });
        let subject = format!("coditect.{}.notices.{sender}.plain", self.workspace);
        self.beside(|context| async move {
            context.publish(subject, body.to_string().into()).await.unwrap().await.unwrap();
        });
    }

    fn address(&self) -> String {
        format!("nats {} {}", self.url, self.workspace)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.remake();
    }
}
