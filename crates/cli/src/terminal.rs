//! The terminal a command was typed in: which processes stand above it, and who of them is on the bus.
//!
//! A session of a vendor and a terminal that joined are registered with their process; a command below it acts for it,
//! without being told.

use std::path::Path;

pub(crate) use bus::{ancestors, nearest_above as joined};

/// Where proc(5) has the leader of the session, counted from after the command's name.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_leader_is_above_us() {
        assert!(ancestors().contains(&leader()));
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
