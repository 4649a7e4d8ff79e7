//! A workspace in PostgreSQL: the journal as a table, the databases' tables beside it, one transaction over all of them.
//!
//! A workspace is two schemas. `studio_<name>` is the truth: the journal, its blobs, its epochs and who may write.
//! `studio_<name>$rows` follows from it and can be made again. Invariant: whatever commits has looked, inside its
//! transaction, whether this daemon is still the owner; so of two that think they are, one is refused.

mod acquire;
mod beside;
mod connection;
mod dialect;
mod digest;
mod dump;
mod lease;
mod moving;
mod place;
#[cfg(test)]
mod plans;
mod reading;
mod schema;
mod shelf;
pub(crate) mod value;
mod writer;

pub(crate) use acquire::{Claim, acquire, release};
pub(crate) use beside::{Beside, bring_up};
pub(crate) use connection::Connection;
pub(crate) use digest::Digests;
pub(crate) use dump::dump;
pub(crate) use lease::Lease;
pub(crate) use moving::Arrival;
pub(crate) use place::Place;
pub use place::{PostgresqlOptions, WORKSPACE_MAX};
pub(crate) use reading::Readers;
pub(crate) use schema::{is_there, open_door};
pub(crate) use shelf::Table;
pub(crate) use writer::Writer;

#[cfg(test)]
pub(crate) use schema::HAND_WRITTEN;
