//! What this process lends to the commands: its environment, its clock, its dice and its own path.

use crate::output::Complaint;
use crate::{free_daemon, moving, restore};
use bus::system::{SystemClock, SystemEntropy};
use cli::Host;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Version of the binary.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(crate) fn host() -> Result<Host, Complaint> {
    let executable = std::env::current_exe().map_err(|error| {
        Complaint::failed("executable_unknown", format!("this program cannot find its own file: {error}"))
            .hint("start it by its whole path")
    })?;
    Ok(Host {
        version: VERSION,
        executable,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        environment: environment(),
        daemon: free_daemon,
        demo: crate::demo::run,
        mcp: crate::mcp::run,
        restore: restore::run,
        move_data: moving::run,
    })
}

/// The environment as it is now, the one time it is read.
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
