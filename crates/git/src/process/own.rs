//! Which processes are git processes of ours, so that nobody takes them for somebody who works where they stand.

use std::path::Path;

/// Set for each git process we start, and so for those it starts.
pub(super) const MARK: &str = "CODITECT_GIT";

/// Whether the process is a git process that we started, in this process or another of ours. One that is gone, or
/// whose environment may not be read, is none.
///
/// A child that has not become git yet has the environment of its parent; it is known by its command line, which is
/// still ours, or empty for the moment in which it is replaced.
pub fn is_own_git(id: u32) -> bool {
    let place = Path::new("/proc").join(id.to_string());
    let marked = || std::fs::read(place.join("environ")).is_ok_and(|environment| has_mark(&environment));
    let becoming = || {
        let line = std::fs::read(place.join("cmdline")).unwrap_or_default();
        line.is_empty() || std::fs::read("/proc/self/cmdline").is_ok_and(|ours| ours == line)
    };
    // What became git between the two looks has its mark by now.
    marked() || (is_child_of_ours(&place) && (becoming() || marked()))
}

fn has_mark(environment: &[u8]) -> bool {
    let mut entries = environment.split(|byte| *byte == 0);
    entries.any(|entry| entry.strip_prefix(MARK.as_bytes()).is_some_and(|rest| rest.starts_with(b"=")))
}

fn is_child_of_ours(place: &Path) -> bool {
    let status = std::fs::read_to_string(place.join("status")).unwrap_or_default();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    parent.and_then(|id| id.trim().parse().ok()) == Some(std::process::id())
}
