//! The daemon's side of a run: starting it, talking to it, knowing when it is gone.

pub(crate) mod command;
pub(crate) mod handle;
pub(crate) mod launch;
pub(crate) mod lines;
pub(crate) mod queue;
mod supervise;
pub(crate) mod wire;
