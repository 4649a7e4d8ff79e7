//! Runs: the operating-system processes behind participants, and what happens inside them.
//!
//! This is the only place that starts agents. A run is two processes: a guard (`guard`) that owns
//! every descendant and proves by a file lock that some are alive, and below it the driver (`driver`),
//! which speaks one vendor's protocol: with the vendor's own program, or, natively, with the vendor's
//! HTTP API (`native`). Daemon and run talk NDJSON over the run's stdin and stdout (`run::wire`).
//!
//! Invariant: when a run's pipe from the daemon closes, every process the run ever started dies,
//! and its liveness file stays locked until the last of them has.

mod acp;
mod claude;
mod codex;
mod driver;
mod fence;
mod guard;
mod native;
mod processes;
mod run;
mod spawn;

pub use driver::drive_main;
pub use fence::{Fence, FenceError, FenceReport, Mechanism, probe};
pub use guard::guard_main;
pub use run::command::{CommandLimits, CommandOutput, CommandSpec, run_command};
pub use run::handle::{RunControl, RunExitStatus, RunHandle, SendError};
pub use run::launch::{ENV_ALLOWED, Launch, LaunchError, RunLimits, launch, sweep};
pub use run::lines::LineTooLong;
pub use run::wire::{
    BashPolicy, Begin, McpServer, Program, Reply, Request, RunCommand, RunEvent, Start, TextKind,
};
