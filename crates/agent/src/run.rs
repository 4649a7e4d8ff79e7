//! The daemon's side of a run: starting it, talking to it, knowing when it is gone.

pub(crate) mod command;
pub(crate) mod handle;
pub(crate) mod launch;
pub(crate) mod lines;
mod supervise;
pub(crate) mod wire;
