//! Runs as they are: real processes, real pipes, and a model that plays a script.

mod acp;
#[cfg(test)]
mod claude;
#[cfg(test)]
mod claude_broken;
#[cfg(test)]
mod claude_recorded;
#[cfg(test)]
mod claude_trouble;
#[cfg(test)]
mod codex;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod daemon;
#[cfg(test)]
mod driven;
#[cfg(test)]
mod ends;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod fence;
#[cfg(test)]
mod guard;
#[cfg(test)]
mod guarded;
#[cfg(test)]
mod launching;
#[cfg(test)]
mod rogue;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod turns;
