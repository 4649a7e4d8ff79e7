//! The bus of the product.

use super::{Receiver, Sender, Wire};
use crate::bus::node::Spec;
use bus::system::{SystemClock, SystemEntropy};
use bus::{Bus, Durability, Liveness, NewNotice, NewRegistration, Options, Replay, Subscription};
use model::{Channel, RegistrationId};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn open_bus(dir: &Path, safety_poll: Duration) -> Result<Bus, String> {
    let options = Options { safety_poll, ..Options::default() };
    Bus::open_with(dir, Arc::new(SystemClock), Arc::new(SystemEntropy), options)
        .map_err(|error| error.to_string())
}

pub(crate) fn register(bus: &Bus, name: &str) -> Result<RegistrationId, String> {
    let pid = std::process::id();
    let starttime = bus::system::process_start(pid).ok_or("no start time")?;
    let new = NewRegistration {
        id: None,
        agent: name.to_owned(),
        vendor: "bench".to_owned(),
        model: None,
        session: None,
        worktree: None,
        liveness: Liveness::Process { pid, starttime },
    };
    Ok(bus.register(new).map_err(|error| error.to_string())?.id)
}

struct Ours {
    bus: Bus,
    me: RegistrationId,
    nodes: Vec<RegistrationId>,
    durability: Durability,
}

pub(crate) fn open(spec: &Spec) -> Result<Wire, String> {
    let bus = open_bus(&spec.dir, Duration::from_millis(spec.tick_ms))?;
    let me = register(&bus, &format!("n{}", spec.index))?;
    let janitor = bus.keep_house().map_err(|error| error.to_string())?;
    let reading = bus.subscribe(me, &format!("n{}", spec.index), "main", &Replay::Now);
    // All have to be there before the first one sends.
    let nodes = loop {
        let all = bus.registrations().map_err(|error| error.to_string())?;
        let find = |n: usize| all.iter().find(|one| one.agent == format!("n{n}")).map(|one| one.id);
        if let Some(nodes) = (0..spec.count).map(find).collect::<Option<Vec<_>>>() {
            break nodes;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let durability = if spec.power { Durability::Power } else { Durability::Process };
    let receiver = Box::new(Reading(reading.map_err(|error| error.to_string())?));
    Ok(Wire { sender: Box::new(Ours { bus, me, nodes, durability }), receiver, janitor: Some(janitor) })
}

impl Sender for Ours {
    fn send(&mut self, to: Option<usize>, payload: serde_json::Value) -> Result<(), String> {
        let new = NewNotice {
            recipient: to.map(|to| self.nodes[to]),
            durability: self.durability,
            ..NewNotice::new(self.me, Channel::task_broadcast(), payload)
        };
        self.bus.publish(new).map(drop).map_err(|error| error.to_string())
    }
}

struct Reading(Subscription);

impl Receiver for Reading {
    fn receive(&mut self, limit: Duration) -> Result<Vec<serde_json::Value>, String> {
        let page = self.0.next(limit).map_err(|error| error.to_string())?;
        Ok(page.notices.into_iter().map(|notice| notice.payload).collect())
    }
}
