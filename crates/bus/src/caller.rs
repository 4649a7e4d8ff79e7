//! Who calls: which registration a process acts for that was told nothing.
//!
//! A session of a vendor and a terminal that joined are registered with their process; what runs below it acts for it.

use crate::bus::Bus;
use crate::error::BusError;
use model::{Presence, Vitality};

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
    fn our_parents_are_above_us() {
        let above = ancestors();
        assert_eq!(above[0], std::os::unix::process::parent_id());
        assert!(!above.contains(&std::process::id()));
        assert_eq!(parent_of(std::process::id()), Some(above[0]));
        assert_eq!(parent_of(u32::MAX), None);
    }
}
