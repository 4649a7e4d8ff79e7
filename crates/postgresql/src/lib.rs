//! The way to a PostgreSQL server: what a URL says, TLS, and a client that blocks.
//!
//! The bus and the store each have a schema and statements of their own; how a server is found, believed and waited
//! for is the same for both. Invariant: no call waits without end, and no message shows a password.

mod address;
mod client;
mod tls;
mod trouble;

pub use address::{Address, holds_password};
pub use client::{CONNECT_WITHIN, Client, Failed, Gate, Step};
pub use trouble::{Trouble, told};

/// A server that leaves a question without an answer for so long has stopped. Longer than it lets a statement of ours run.
pub const ANSWER_WAIT_MAX: std::time::Duration = std::time::Duration::from_secs(12);
