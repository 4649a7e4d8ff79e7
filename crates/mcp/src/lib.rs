//! The coordination of agents as MCP tools: locks, notices, offered work, shared context, who is there, and with a
//! daemon also sessions.
//!
//! One [`Server`] has the tools, whatever it is asked over: [`stdio`] for a vendor's own program, whose child it is, and
//! [`Http`] in the daemon. Locks, notices and context go to the bus of this machine directly, so that they work with no
//! daemon; sessions and the studio's tasks go to the daemon through its own client, under its own rules.
//!
//! Invariant: a tool that was found answers. What goes wrong in it is an error the model can read, with a stable code and
//! the next step; only what is no request at all is an error of the protocol.
//!
//! To add a tool: a function in the noun's file under `tools/`, a line in that file's list, and its row in
//! `docs/guide/mcp.md`, which a test holds against the list.

mod answer;
mod call;
mod caller;
mod failure;
mod http;
mod instructions;
mod probe;
mod schema;
mod server;
pub mod stdio;
mod taken;
mod tools;

pub use caller::{Origin, Seat};
pub use client::Credential;
pub use http::Http;
pub use instructions::INSTRUCTIONS;
pub use server::{CALLS_MAX, Place, Server, WAIT_MAX};
pub use stdio::FRAME_MAX;
pub use tools::{TEXT_MAX, Tool, Uses, Whose, tools};
