//! Who calls: which registration a process acts for that was told nothing.
//!
//! A session of a vendor and a terminal that joined are registered with their process; what runs below it acts for it.

use crate::bus::Bus;
use crate::error::BusError;
use model::{Presence, Vitality};

/// Programs that only start others.
const SHELLS: [&str; 7] = ["sh", "bash", "dash", "zsh", "fish", "ksh", "env"];
/// How far up is looked.
const ANCESTORS_MAX: usize = 64;
/// Where proc(5) has the parent, counted from after the command's name.
const PARENT: usize = 1;

/// The processes above this one, the nearest first.
pub fn ancestors() -> Vec<u32> {
    let mut found = Vec::new();
    let mut next = Some(std::os::unix::process::parent_id());
    while let Some(pid) = next.filter(|pid| *pid > 0 && found.len() < ANCESTORS_MAX) {
        found.push(pid);
        next = parent_of(pid);
    }
    found
}

/// The process above that one; none when it is gone.
pub fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command name is in parentheses and may hold anything, parentheses too.
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(PARENT)?.parse().ok()
}

/// The process of the program that had us started: the nearest above that goes by this name, or else the nearest that does more
/// than run what others told it.
pub fn program_above(name: Option<&str>) -> Option<u32> {
    let above: Vec<u32> = ancestors().into_iter().filter(|pid| *pid > 1).collect();
    let named = name.and_then(|name| above.iter().find(|pid| goes_by(name, **pid)));
    named.or_else(|| above.iter().find(|pid| !only_runs(&words(**pid)))).copied()
}

/// By its name, its path, or the script an interpreter runs.
fn goes_by(name: &str, pid: u32) -> bool {
    let called = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let called = called.trim_end();
    if called.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-')) {
        return true;
    }
    let words = words(pid);
    // A shell's words may name anybody.
    let shell = words.first().is_some_and(|program| SHELLS.contains(&file_name(program)));
    !shell && words.iter().take(2).any(|word| word.split('/').any(|part| part.starts_with(name)))
}

/// A shell with a script or a command to run; one at a terminal is somebody.
fn only_runs(words: &[String]) -> bool {
    let Some((program, more)) = words.split_first() else { return false };
    SHELLS.contains(&file_name(program))
        && more.iter().any(|word| !word.starts_with('-') || word.ends_with('c'))
}

/// A login shell's own name begins with a dash.
fn file_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or_default().trim_start_matches('-')
}

/// The words of a process's command line; none when it is gone.
fn words(pid: u32) -> Vec<String> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = line.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    words.filter(|word| !word.is_empty()).map(std::borrow::Cow::into_owned).collect()
}

/// The nearest process above us that is on the bus by itself, and of none of these vendors.
pub fn nearest_above(bus: &Bus, not_of: &[&str]) -> Result<Option<Presence>, BusError> {
    let sessions = bus.sessions()?;
    let is_one = |one: &&Presence| {
        one.vitality != Vitality::Dead && !not_of.contains(&one.registration.vendor.as_str())
    };
    let all: Vec<&Presence> =
        sessions.iter().filter(|one| one.registration.pid.is_some()).filter(is_one).collect();
    if all.is_empty() {
        return Ok(None);
    }
    for pid in ancestors() {
        let mut here = all.iter().filter(|one| one.registration.pid == Some(pid));
        // Agents within a session share its process; a command is the session's unless it says otherwise.
        let found = here.clone().find(|one| one.sub_agent.is_none()).or_else(|| here.next());
        if let Some(found) = found {
            return Ok(Some((*found).clone()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shells_with_something_to_run_are_passed_over() {
        let only_runs =
            |line: &str| super::only_runs(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        for line in ["/bin/sh -c make", "bash -lc make", "bash -l script", "env A=1 make", "-zsh -c make"] {
            assert!(only_runs(line), "{line}");
        }
        for line in ["bash", "-bash", "bash -l", "zsh -i", "node cli.js", "claude -c"] {
            assert!(!only_runs(line), "{line}");
        }
        assert!(!super::only_runs(&words(u32::MAX)));
    }

    #[test]
    fn a_program_is_known_by_its_name_or_what_is_above_stands_for_it() {
        let own = std::env::current_exe().unwrap();
        let own = own.file_name().unwrap().to_str().unwrap();
        assert!(goes_by(own, std::process::id()));
        assert!(!goes_by("no-such-program", std::process::id()));
        let above = program_above(Some("no-such-program"));
        assert_eq!(above, program_above(None));
        assert!(above.is_none_or(|pid| ancestors().contains(&pid)));
    }

    #[test]
    fn our_parents_are_above_us() {
        let above = ancestors();
        assert_eq!(above[0], std::os::unix::process::parent_id());
        assert!(!above.contains(&std::process::id()));
        assert_eq!(parent_of(std::process::id()), Some(above[0]));
        assert_eq!(parent_of(u32::MAX), None);
    }
}
