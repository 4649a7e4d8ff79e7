//! Runs: the operating-system processes behind participants, and what happens inside them.
//!
//! This is the only place that starts agents. A run is two processes: a guard (`guard`) that owns
//! every descendant and proves by a file lock that some are alive, and below it the driver — today
//! the native loop (`native`), which streams from a model and carries out its tool calls. Daemon
//! and run talk NDJSON over the run's stdin and stdout (`run::wire`).
//!
//! Invariant: when a run's pipe from the daemon closes, every process the run ever started dies,
//! and its liveness file stays locked until the last of them has.

mod claude;
mod codex;
mod gemini;
mod guard;
mod kimi;
mod native;
mod processes;
mod run;
mod spawn;
pub mod transcript;

pub use guard::guard_main;
pub use native::native_main;
pub use run::command::{CommandLimits, CommandOutput, CommandSpec, run_command};
pub use run::handle::{RunControl, RunExitStatus, RunHandle, SendError};
pub use run::launch::{ENV_ALLOWED, Launch, LaunchError, RunLimits, launch, sweep};
pub use run::lines::LineTooLong;
pub use run::wire::{
    BashPolicy, Begin, McpServer, Program, Reply, Request, RunCommand, RunEvent, Start, TextKind,
};
