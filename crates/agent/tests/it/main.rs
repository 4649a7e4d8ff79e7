//! Runs as they are: real processes, real pipes, and a model that plays a script.

#[cfg(test)]
mod guard;
#[cfg(test)]
mod launching;
#[cfg(test)]
mod rogue;
#[cfg(test)]
mod scene;
