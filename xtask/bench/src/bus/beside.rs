//! What the bus is measured beside: files of the older design, and servers that run for this bench alone.

use super::wire::{PEERS, Peer};
use crate::row::Row;
use crate::{Order, say, tell};
use servers::{Disk, Running, Server, Servers};

pub(crate) struct Beside {
    /// Ended when dropped.
    servers: Option<Servers>,
    peers: Vec<&'static Peer>,
}

impl Beside {
    /// Starts what is installed; a row says what is not.
    pub(crate) fn start(order: &Order) -> Result<Self, String> {
        let there = |server: &Server| order.peers && server.program().is_some();
        let wanted: Vec<Server> = Server::ALL.into_iter().filter(there).collect();
        for peer in PEERS {
            if let Some(server) = peer.server.filter(|server| !there(server)) {
                let why = if order.peers {
                    format!("install the package `{}`, or run with --install", server.name())
                } else {
                    "left out by --no-peers".to_owned()
                };
                tell(&Row::missing("bus", peer.name, &why));
            }
        }
        let mut servers = None;
        if !wanted.is_empty() {
            say("bus: starting servers to compare with");
            let own = std::env::current_exe().map_err(|error| error.to_string())?;
            servers = Some(Servers::start(&own, &wanted, &order.scratch, Disk::Synced)?);
        }
        let runs = |peer: &&Peer| peer.server.is_none_or(|server| wanted.contains(&server));
        Ok(Self { servers, peers: PEERS.iter().filter(runs).collect() })
    }

    /// Those that can be measured here.
    pub(crate) fn peers(&self) -> &[&'static Peer] {
        &self.peers
    }

    pub(crate) fn server(&self, peer: &Peer) -> Option<&Running> {
        let server = peer.server?;
        self.servers.as_ref()?.running().iter().find(|one| one.server == server)
    }
}
