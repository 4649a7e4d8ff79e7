//! Runs as they are: real processes, real pipes, and a model that plays a script.

mod guard;
mod launching;
mod rogue;
mod scene;
