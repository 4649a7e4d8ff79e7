//! The engine with everything real: store, bus, git, processes, and a model that plays a script.

#[cfg(test)]
mod answering;
#[cfg(test)]
mod archiving;
#[cfg(test)]
mod budgeting;
#[cfg(test)]
mod checkpoints;
#[cfg(test)]
mod cloning;
#[cfg(test)]
mod condensing;
mod coordinating;
#[cfg(test)]
mod coordinating_apart;
#[cfg(test)]
mod driven;
#[cfg(test)]
mod ending;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod merging;
#[cfg(test)]
mod permitting;
#[cfg(test)]
mod prompting;
#[cfg(test)]
mod restarting;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod settling;
#[cfg(test)]
mod tasks;
#[cfg(test)]
mod typing;
#[cfg(test)]
mod worktrees;
