//! The git room against the real git, in temporary directories.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod advance;
mod bundle;
mod clone;
mod exec_vectors;
mod half_landed;
mod history;
mod lay;
mod open;
mod pile;
mod point;
mod process;
mod radar;
mod replay;
mod site;
mod snapshot;
mod worktree;
mod world;
