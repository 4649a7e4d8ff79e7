//! What is measured and what it is measured against: a way to send, and a way to receive.
//!
//! A further transport is a further arm of [`open`] and a line in [`PEERS`]. Those with a server are spoken to in their own
//! protocol, with as little around it as can be, so that a figure is the server's and not a library's.

mod agent_mail;
mod nats;
mod ours;
mod postgres;
mod redis;
mod seed;
mod socket;

pub(crate) use ours::{open_bus, register};

use super::node::Spec;
use bus::Janitor;
use serde_json::Value;
use servers::Server;
use std::time::Duration;

/// Something to be compared with.
pub(crate) struct Peer {
    /// The name it has in a row.
    pub(crate) name: &'static str,
    /// Without one, it is files only.
    pub(crate) server: Option<Server>,
    /// What a reader of its figures has to know.
    pub(crate) note: &'static str,
}

const fn peer(name: &'static str, server: Option<Server>, note: &'static str) -> Peer {
    Peer { name, server, note }
}

pub(crate) const REDIS: &str = "redis_pubsub";
pub(crate) const POLL: &str = "poll_250ms";

pub(crate) const PEERS: &[Peer] = &[
    peer(REDIS, Some(Server::Redis), "keeps nothing"),
    peer("nats_core", Some(Server::Nats), "keeps nothing, acknowledges nothing"),
    peer("nats_jetstream", Some(Server::Nats), "acknowledges before it syncs"),
    peer("postgres_notify", Some(Server::Postgres), "payload in the notification, keeps nothing"),
    peer(
        "postgres_table",
        Some(Server::Postgres),
        "INSERT, NOTIFY, SELECT; synchronous_commit off; a serial is its cursor",
    ),
    peer("inotify_wal", None, "the older design: the file of the WAL is watched"),
    peer(POLL, None, "the older design's fallback"),
];

pub(crate) trait Sender: Send {
    /// To one of the nodes, or to all.
    fn send(&mut self, to: Option<usize>, payload: Value) -> Result<(), String>;
}

pub(crate) trait Receiver: Send {
    /// Payloads that came, waiting for them at most this long.
    fn receive(&mut self, limit: Duration) -> Result<Vec<Value>, String>;
}

pub(crate) struct Wire {
    pub(crate) sender: Box<dyn Sender>,
    pub(crate) receiver: Box<dyn Receiver>,
    /// Kept until the end.
    pub(crate) janitor: Option<Janitor>,
}

pub(crate) fn open(spec: &Spec) -> Result<Wire, String> {
    match spec.wire.as_str() {
        "ours" => ours::open(spec),
        super::mail::NAME => agent_mail::open(spec),
        REDIS => redis::open(spec),
        "nats_core" => nats::core(spec),
        "nats_jetstream" => nats::jetstream(spec),
        "postgres_notify" => postgres::notify(spec),
        "postgres_table" => postgres::table(spec),
        "inotify_wal" => seed::open(spec, seed::Wake::Inotify),
        POLL => seed::open(spec, seed::Wake::Poll),
        other => Err(format!("no transport `{other}`")),
    }
}

/// The channel of one of the nodes, or of all. Servers outlive a run, so its number is in every name.
fn channel(spec: &Spec, to: Option<usize>) -> String {
    to.map_or_else(|| format!("run{}_all", spec.run), |to| format!("run{}_n{to}", spec.run))
}

/// The channel this node listens on.
fn own_channel(spec: &Spec) -> String {
    channel(spec, (!spec.cast).then_some(spec.index))
}

/// A payload as it travelled; none when the node has sent it itself, for a server tells it to all.
fn payload(me: usize, text: &[u8]) -> Option<Value> {
    let value: Value = serde_json::from_slice(text).ok()?;
    (value["from"].as_u64() != Some(me as u64)).then_some(value)
}
