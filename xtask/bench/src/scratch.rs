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

/// How many wanted to run over the last minute: what else went on while something was measured.
pub(crate) fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
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

/// The same of a process and of all that descend from it.
pub(crate) fn worked_by_all(root: u32) -> u64 {
    family(root).into_iter().map(worked).sum()
}

/// Descendants of a process with this word among their arguments.
pub(crate) fn descendants(root: u32, word: &str) -> Vec<u32> {
    let has = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes())
    };
    family(root).into_iter().skip(1).filter(has).collect()
}

/// Resident and proportional memory of a process, in bytes.
pub(crate) fn sizes(pid: u32) -> Option<(u64, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let kib = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    Some((kib("Rss:")? * 1024, kib("Pss:")? * 1024))
}

/// A process, and all that descend from it.
fn family(root: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let parents: Vec<(u32, u32)> = processes
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            // The name before it may hold anything, a bracket too.
            Some((pid, stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?))
        })
        .collect();
    let mut family = vec![root];
    let mut at = 0;
    while let Some(parent) = family.get(at).copied() {
        family.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    family
}

/// Resident memory of a process, in bytes.
pub(crate) fn resident(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}
