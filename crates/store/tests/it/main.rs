//! The store on real files: what it keeps, through whatever happens to it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod acknowledged;
mod board;
mod checkpoint;
mod commit;
mod condensed;
mod context;
mod disk_full;
mod dump;
mod fence;
mod fixtures;
mod imported;
mod index;
mod kill;
mod moving;
mod on_server;
mod query;
mod recovery;
mod schema;
mod server;
mod session;
mod sides;
mod task;
mod terms;
mod total;
mod vendor;
mod workspace;
mod worktree;
