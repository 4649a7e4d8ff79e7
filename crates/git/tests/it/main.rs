//! The git room against the real git, in temporary directories.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod advance;
mod clone;
mod exec_vectors;
mod history;
mod open;
mod pile;
mod process;
mod radar;
mod replay;
mod site;
mod snapshot;
mod worktree;
mod world;
