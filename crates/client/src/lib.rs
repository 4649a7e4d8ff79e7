//! The typed way to talk to a running daemon.
//!
//! A client reads `daemon.json` of a data root, connects over the Unix socket (over TCP where there is
//! none), and lets the daemon prove itself on that connection before the token travels on it.
//!
//! Invariant: the token goes to nobody who has not shown that it knows it already.

mod calls;
mod client;
mod connection;
mod error;
mod path;
mod place;
mod stream;

pub use client::{Client, Download, Fresh, LentToken, Options};
pub use error::ClientError;
pub use place::Credential;
pub use stream::{EventStream, StreamItem};
