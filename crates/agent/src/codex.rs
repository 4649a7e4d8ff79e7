//! Codex: its app-server, driven.

mod approval;
pub(crate) mod connect;
mod driver;
pub(crate) mod hook;
mod item;
mod server;
mod thread;
pub(crate) mod transcript;
mod usage;

pub(crate) use driver::Codex;
