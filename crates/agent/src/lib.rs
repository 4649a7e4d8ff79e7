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
mod cli;
mod codex;
mod connect;
mod driver;
mod fence;
mod gemini;
mod guard;
mod hook;
mod kimi;
mod looking;
mod native;
mod processes;
mod programs;
mod run;
mod spawn;
pub mod transcript;

pub use claude::OWN_CHOICE;
pub use cli::{Cli, UnknownCli};
pub use connect::{CONFIG_MAX, ConnectError, FilePlan, Programs, SERVER, Scope, Surroundings, plan};
pub use driver::context_cache::ContextFiles;
pub use driver::drive_main;
pub use fence::{Fence, FenceError, FenceReport, Mechanism, probe};
pub use guard::guard_main;
pub use hook::{
    Answer, HOOK_INPUT_MAX, HookError, HookEvent, Moment, Rendered, ToolUse, VENDOR_ID_MAX, looks_like_a_tool,
};
pub use looking::only_looks;
pub use programs::{
    Installed, Login, ProbeError, Trust, codex_trust, driven_by, find, installed, kimi_doctor, login, oldest,
    update_hint, usual,
};
pub use run::command::{CommandLimits, CommandOutput, CommandSpec, run_command};
pub use run::handle::{RunControl, RunExitStatus, RunHandle, SendError};
pub use run::launch::{ENV_ALLOWED, Launch, LaunchError, RunLimits, launch, sweep};
pub use run::lines::LineTooLong;
pub use run::queue::Outlet;
pub use run::wire::{
    BashPolicy, Begin, McpServer, PATIENCE_MAX, Program, Reply, Request, RunCommand, RunEvent, Start,
    TextKind, WIRE_REVISION,
};
