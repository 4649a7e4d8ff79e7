//! The process table as the kernel shows it in `/proc`.
//!
//! Invariant: a signal reaches the process that was seen, or nobody. A pid alone may have been given
//! away since; pid and start time together name one process for ever.

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::HashMap;
use std::fs;

/// One line of the process table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    pub pid: i32,
    pub parent: i32,
    /// Clock ticks after boot.
    pub started: u64,
    /// False for zombies: they hold nothing and only wait to be reaped.
    pub alive: bool,
}

impl Process {
    pub(crate) fn of(pid: i32) -> Option<Self> {
        Self::parse(pid, &fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Reads `/proc/<pid>/stat`. The name in parentheses may hold spaces and parentheses itself, so
    /// the fields are counted from the last closing one.
    fn parse(pid: i32, stat: &[u8]) -> Option<Self> {
        let name_end = stat.iter().rposition(|byte| *byte == b')')?;
        let rest = std::str::from_utf8(stat.get(name_end + 1..)?).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let dead = matches!(*fields.first()?, "Z" | "X" | "x");
        // A leader that ended before its threads is shown as a zombie and is none.
        let threads: u32 = fields.get(17)?.parse().ok()?;
        Some(Self {
            pid,
            parent: fields.get(1)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
            alive: !dead || threads > 1,
        })
    }

    /// Sends a signal, and says whether the process was still there to get it.
    pub(crate) fn signal(&self, signal: Signal) -> bool {
        let Some(pid) = Pid::from_raw(self.pid) else { return false };
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
        // The handle pins whoever has the number now; only then is it safe to ask who that is.
        Self::of(self.pid).is_some_and(|now| now.started == self.started)
            && pidfd_send_signal(&handle, signal).is_ok()
    }

    /// What the process is to a run, when it carries the run's mark: `CODITECT_RUN` in its environment,
    /// or, for our own guard and driver whose environment other processes cannot read, the run in its
    /// arguments.
    pub(crate) fn part_in(&self, run: &str) -> Option<Part> {
        let file = |name: &str| fs::read(format!("/proc/{}/{name}", self.pid)).unwrap_or_default();
        let arguments = file("cmdline");
        let mut arguments = arguments.split(|byte| *byte == 0).skip(1);
        let command = arguments.next();
        let ours = arguments.next() == Some(b"--run") && arguments.next() == Some(run.as_bytes());
        if ours && command == Some(b"__guard") {
            return Some(Part::Guard);
        }
        let mark = format!("CODITECT_RUN={run}");
        let marked = || file("environ").split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes());
        ((ours && command == Some(b"__drive")) || marked()).then_some(Part::Guarded)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Guard,
    Guarded,
}

/// Every process that can be seen. Not one moment's picture: a process that changes its parent
/// while the table is read may be missing a link.
pub(crate) fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(Process::of)
        .collect()
}

/// Living processes below the given one, at any depth.
pub(crate) fn descendants(root: i32) -> Vec<Process> {
    let mut children: HashMap<i32, Vec<Process>> = HashMap::new();
    for process in all() {
        children.entry(process.parent).or_default().push(process);
    }
    let mut found = Vec::new();
    let mut open = vec![root];
    while let Some(parent) = open.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            open.push(child.pid);
            found.push(child);
        }
    }
    found.retain(|process| process.alive);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(name: &str, state: &str, threads: u32) -> Vec<u8> {
        let middle = (0..13).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        // state ppid pgrp … (17) threads itrealvalue (19) starttime
        format!("42 ({name}) {state} 7 {middle} 20 0 {threads} 0 98765 1 2 3\n").into_bytes()
    }

    #[test]
    fn a_hostile_name_does_not_shift_the_fields() {
        for name in ["sleep", "a b", "x) Z 1 (y", "))))"] {
            let parsed = Process::parse(42, &stat(name, "S", 1)).unwrap();
            assert_eq!(parsed, Process { pid: 42, parent: 7, started: 98765, alive: true }, "{name}");
        }
    }

    #[test]
    fn a_zombie_is_dead_unless_threads_of_it_live() {
        assert!(!Process::parse(42, &stat("z", "Z", 1)).unwrap().alive);
        assert!(Process::parse(42, &stat("z", "Z", 3)).unwrap().alive);
        assert!(Process::parse(42, b"42 (cut off").is_none());
        assert!(Process::parse(42, b"42 (cut off) S 1").is_none());
    }

    #[test]
    fn this_process_is_in_the_table_and_under_its_parent() {
        let me = Process::of(std::process::id().cast_signed()).unwrap();
        assert!(me.alive);
        assert!(descendants(me.parent).contains(&me));
        let other = Process { started: me.started + 1, ..me };
        assert!(!other.signal(Signal::KILL), "a reused pid must not be hit");
    }
}
