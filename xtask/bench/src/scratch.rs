//! A folder that is gone when the bench is, and what the machine says about room and work.

use crate::Order;
use std::path::Path;
use tempfile::TempDir;

/// A folder under the order's, removed when dropped.
pub(crate) fn folder(order: &Order, name: &str) -> Result<TempDir, String> {
    std::fs::create_dir_all(&order.scratch)
        .map_err(|error| format!("{}: {error}", order.scratch.display()))?;
    let made = tempfile::Builder::new().prefix(name).tempdir_in(&order.scratch);
    made.map_err(|error| format!("{}: {error}", order.scratch.display()))
}

/// Bytes this user may still write there.
pub(crate) fn free(folder: &Path) -> Result<u64, String> {
    let stat = rustix::fs::statvfs(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Processor time a process has used so far, over all its threads, in nanoseconds.
pub(crate) fn worked(pid: u32) -> u64 {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return 0 };
    let each = threads.flatten().filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    each.sum()
}

/// Resident memory of a process, in bytes.
pub(crate) fn resident(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}
