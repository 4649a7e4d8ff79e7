//! The binary: what it is made of, and which part of it a command line starts.
//!
//! The same executable is the command line, the daemon, and the processes a run is made of. The parts
//! that other processes of ours start come first: a guard is one per run and has no time to lose.
//!
//! Invariant: whoever is started by a hidden subcommand ends when the process that started it does.

mod daemon;
mod demo;
mod host;
mod mcp;
mod model_server;
mod moving;
mod output;
mod process;
mod restore;

use cli::{DaemonRun, Host};
use model::{DEFAULT_WORKSPACE, DataRoot};
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let rest = || args.iter().skip(2).cloned();
    match args.get(1).and_then(|arg| arg.to_str()) {
        // Before anything that starts a thread or allocates much.
        Some("__guard") => agent::guard_main(rest()),
        Some("__drive") => agent::drive_main(rest(), Arc::new(bus::system::SystemEntropy)),
        Some("__scripted") => model_server::run(rest()),
        Some("__daemon") => tied_daemon(rest().collect()),
        // A vendor's program waits for every answer.
        Some("hook") if let Some(code) = hook(args.get(2..).unwrap_or_default()) => code,
        _ => match host::host() {
            Ok(host) => {
                // Inside a run a command holds nothing that the run does not; its mark has to stay readable for
                // whoever sweeps up after the run.
                if !host.environment.contains_key("CODITECT_RUN") {
                    process::close_to_others();
                }
                cli::run(args, host)
            }
            Err(error) => output::complain(&error),
        },
    }
}

/// `hook VENDOR`; none when it was not called as a vendor's program calls it.
fn hook(args: &[OsString]) -> Option<ExitCode> {
    cli::hook(args, &host::host().ok()?)
}

/// `__daemon DATA_ROOT [PORT]`: a daemon that ends with whoever started it, at the end of its stdin.
fn tied_daemon(args: Vec<OsString>) -> ExitCode {
    let Some(root) = args.first() else {
        return output::complain(&output::Complaint::usage(
            "a data root is needed; this command is not meant for people",
        ));
    };
    let port = args.get(1).and_then(|port| port.to_str()?.parse().ok());
    let order = DaemonRun { root: DataRoot::new(root), workspace: DEFAULT_WORKSPACE.to_owned(), port };
    match host::host() {
        Ok(host) => daemon::run(&host, order, daemon::Tie::Stdin),
        Err(error) => output::complain(&error),
    }
}

/// `coditect daemon run`.
fn free_daemon(host: &Host, order: DaemonRun) -> ExitCode {
    daemon::run(host, order, daemon::Tie::None)
}
