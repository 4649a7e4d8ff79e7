//! `coditect mcp`: the server of tools as the child of a vendor's program.
//!
//! Invariant: nothing is opened before a tool is called, so that it costs a session that never calls one next to nothing.

use crate::output::{Complaint, complain};
use cli::{Host, McpRun};
use mcp::{Place, Server, stdio};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// How long calls that still wait may hold up the exit once stdin has ended.
const LAST_WAIT: Duration = Duration::from_millis(200);

pub(crate) fn run(host: &Host, order: McpRun) -> ExitCode {
    let place = Place {
        workspace: order.root.workspace(&order.workspace),
        root: order.root,
        clock: Arc::clone(&host.clock),
        entropy: Arc::clone(&host.entropy),
        cwd: order.cwd,
        environment: Arc::new(host.environment.clone()),
        version: host.version,
    };
    // What comes in and goes out is little; calls that wait have threads of their own.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&Complaint::failed("runtime", format!("no event loop: {error}"))),
    };
    let ended = runtime.block_on(stdio::serve(Server::of_parent(place), std::io::stdin(), std::io::stdout()));
    runtime.shutdown_timeout(LAST_WAIT);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&Complaint::failed("mcp", format!("the tools cannot be served: {error}"))),
    }
}
