//! The binary as its users meet it: real processes, real signals, real data roots.

#[cfg(test)]
mod autostart;
#[cfg(test)]
mod broken_vendors;
#[cfg(test)]
mod callbacks;
#[cfg(test)]
mod checkpoints;
#[cfg(test)]
mod command;
#[cfg(test)]
mod conflicts;
#[cfg(test)]
mod connecting;
#[cfg(test)]
mod costing;
#[cfg(test)]
mod daemon;
#[cfg(test)]
mod damage;
mod database;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod driven;
#[cfg(test)]
mod driven_claude;
#[cfg(test)]
mod driven_codex;
#[cfg(test)]
mod driven_contest;
#[cfg(test)]
mod driven_context_files;
#[cfg(test)]
mod driven_gemini;
#[cfg(test)]
mod driven_kimi;
#[cfg(test)]
mod driven_plan;
#[cfg(test)]
mod dropping;
#[cfg(test)]
mod ending;
#[cfg(test)]
mod faces;
#[cfg(test)]
mod file_system;
#[cfg(test)]
mod guide;
#[cfg(test)]
mod hooked;
#[cfg(test)]
mod hooks;
#[cfg(test)]
mod house;
#[cfg(test)]
mod importing;
#[cfg(test)]
mod importing_vendors;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod killing;
#[cfg(test)]
mod machines;
#[cfg(test)]
mod mcp_bad_input;
#[cfg(test)]
mod mcp_client;
#[cfg(test)]
mod mcp_inspector;
#[cfg(test)]
mod mcp_lent;
#[cfg(test)]
mod mcp_model;
#[cfg(test)]
mod mcp_stdio;
#[cfg(test)]
mod mcp_vendors;
#[cfg(test)]
mod merging;
#[cfg(test)]
mod offline;
#[cfg(test)]
mod parity;
#[cfg(test)]
mod permitting;
#[cfg(test)]
mod privacy;
#[cfg(test)]
mod restore;
#[cfg(test)]
mod scenario;
#[cfg(test)]
mod shell;
#[cfg(test)]
mod stopping;
#[cfg(test)]
mod strays;
#[cfg(test)]
mod terminals;
#[cfg(test)]
mod vendor_programs;
