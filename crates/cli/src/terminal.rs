//! The terminal a command was typed in: which processes stand above it, and who of them is on the bus.
//!
//! A session of a vendor and a terminal that joined are registered with their process; a command below it acts for it,
//! without being told.

use bus::Bus;
use model::{Presence, Vitality};
use std::path::Path;

/// How far up is looked.
const ANCESTORS_MAX: usize = 64;

/// The processes above this one, the nearest first.
pub(crate) fn ancestors() -> Vec<u32> {
    let mut found = Vec::new();
    let mut next = Some(std::os::unix::process::parent_id());
    while let Some(pid) = next.filter(|pid| *pid > 0 && found.len() < ANCESTORS_MAX) {
        found.push(pid);
        next = parent_of(pid);
    }
    found
}

fn parent_of(pid: u32) -> Option<u32> {
    number(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?, PARENT)
}

/// Where proc(5) has the parent and the leader of the session, counted from after the command's name.
const PARENT: usize = 1;
const SESSION: usize = 3;

fn number(stat: &str, field: usize) -> Option<u32> {
    // The command name is in parentheses and may hold anything, parentheses too.
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(field)?.parse().ok()
}

/// The process a terminal lives by: the leader of its session when it stands above us, else whoever started us.
pub(crate) fn leader() -> u32 {
    // Not asked by getsid: in a container the leader may be outside, is numbered 0 then, and rustix takes no such pid.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    leader_among(&ancestors(), &stat).unwrap_or_else(std::os::unix::process::parent_id)
}

fn leader_among(above: &[u32], stat: &str) -> Option<u32> {
    number(stat, SESSION).filter(|pid| above.contains(pid))
}

/// The device people type at; none when there is none.
pub(crate) fn device() -> Option<String> {
    let name = std::fs::read_link("/proc/self/fd/0").ok()?;
    let name = name.to_str()?;
    (name.starts_with("/dev/pts/") || name.starts_with("/dev/tty")).then(|| {
        Path::new(name)
            .strip_prefix("/dev")
            .map_or_else(|_| name.to_owned(), |rest| rest.display().to_string())
    })
}

/// The nearest process above us that is on the bus by itself.
pub(crate) fn joined(bus: &Bus, not_of: &[&str]) -> Result<Option<Presence>, bus::BusError> {
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
    fn our_parents_are_above_us() {
        let above = ancestors();
        assert_eq!(above[0], std::os::unix::process::parent_id());
        assert!(!above.contains(&std::process::id()));
        assert_eq!(parent_of(std::process::id()), Some(above[0]));
        assert!(above.contains(&leader()));
    }

    #[test]
    fn a_leader_outside_the_container_is_none_of_ours() {
        let stat = |session: u32| format!("77 (a) b) S 70 77 {session} 0 -1");
        assert_eq!(leader_among(&[70, 60], &stat(60)), Some(60));
        assert_eq!(leader_among(&[70, 60], &stat(0)), None);
        assert_eq!(leader_among(&[70, 60], &stat(77)), None);
        assert_eq!(leader_among(&[70, 60], ""), None);
    }
}
