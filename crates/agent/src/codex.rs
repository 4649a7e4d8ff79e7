//! Codex: its app-server, driven.

mod approval;
mod driver;
mod item;
mod server;
mod thread;
mod usage;

pub(crate) use driver::Codex;
