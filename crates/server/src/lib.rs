//! The HTTP and WebSocket face of the engine.
//!
//! `Server::bind` listens on 127.0.0.1 and on a Unix socket; `gate.rs` decides who comes in; each file
//! under `routes/` is one operation; `ws/` streams events; `ui.rs` serves the page. What goes over the wire is
//! `protocol`'s, what may be done is the engine's: this crate adds no rule of its own.
//!
//! To add a route: describe it in `protocol`, add `routes/<noun>/<verb>.rs`, bind it in the noun's
//! `mod.rs`. A server whose routes and operations differ does not start.

mod announce;
mod app;
mod bucket;
mod connection;
mod correlate;
mod extract;
mod failure;
mod gate;
mod listen;
mod mcp;
mod options;
mod pour;
mod router;
mod routes;
mod server;
mod show;
mod token_file;
mod ui;
mod ws;

pub use announce::{announce, withdraw};
pub use options::{Bounds, Port, ServerError, ServerOptions};
pub use server::{Running, Server};
