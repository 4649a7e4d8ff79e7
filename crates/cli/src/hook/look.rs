//! What got through: files of others that changed while a call of ours ran.
//!
//! Before a call that may write, the files others hold are looked at, and again after it. A file that is different, is
//! still held, and is not as its holder's own last call left it was changed without its lock. While its holder is at
//! work nobody can say who it was: that is decided when the holder has come to rest.

use super::memory::{self, Mark, Memory, Seen, key, mark, split};
use bus::{Bus, BusError, NewNotice, Pattern};
use model::{Channel, Lock, LockMode, RegistrationId, Timestamp, WorkspaceDir};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// Most files one look covers.
pub(super) const LOOK_FILES_MAX: usize = 1000;
/// Most folders a look walks through for the globs that are held.
const LOOK_FOLDERS_MAX: usize = 200;
/// What no look goes into.
const PASSED_OVER: [&str; 4] = [".git", "node_modules", "target", ".venv"];

/// A file somebody else holds, which changed without its lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) worktree: String,
    pub(super) path: String,
    pub(super) by: String,
    pub(super) lock: Lock,
}

/// Locks of others that exclude writing.
pub(super) fn of_others(locks: &[Lock], me: RegistrationId) -> impl Iterator<Item = &Lock> {
    locks.iter().filter(move |lock| lock.holder != me && lock.mode != LockMode::Advisory)
}

/// How the files are that these locks cover.
pub(super) fn look<'a>(locks: impl Iterator<Item = &'a Lock>) -> BTreeMap<String, Seen> {
    let mut seen = BTreeMap::new();
    for lock in locks {
        let top = Path::new(&lock.worktree);
        for path in covered(top, &lock.path, LOOK_FILES_MAX.saturating_sub(seen.len())) {
            let mark = mark(&top.join(&path));
            let now = Seen { mark, holder: lock.holder, token: lock.token, by: String::new() };
            seen.insert(key(&lock.worktree, &path), now);
        }
    }
    seen
}

/// Files a lock covers, from the top: itself, or what its glob matches now.
fn covered(top: &Path, held: &str, most: usize) -> Vec<String> {
    let Ok(pattern) = Pattern::parse(held) else { return Vec::new() };
    if most == 0 {
        return Vec::new();
    }
    if !pattern.is_glob() && !held.ends_with('/') {
        return vec![held.to_owned()];
    }
    let begin = match held.find(['*', '?', '[', '{']) {
        Some(at) => held[..at].rsplit_once('/').map_or("", |(folder, _)| folder),
        None => held.trim_end_matches('/'),
    };
    let (mut open, mut found, mut folders) = (vec![begin.to_owned()], Vec::new(), 0);
    while let Some(folder) = open.pop() {
        folders += 1;
        let Ok(entries) = std::fs::read_dir(top.join(&folder)) else { continue };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => {
                    let room = folders + open.len() < LOOK_FOLDERS_MAX;
                    open.extend(Some(path).filter(|_| room && !PASSED_OVER.contains(&name.as_str())));
                }
                Ok(_) if pattern.matches(&path) => found.push(path),
                _ => {}
            }
            if found.len() >= most {
                return found;
            }
        }
    }
    found
}

/// How the files are that it holds itself.
pub(super) fn own<'a>(locks: impl Iterator<Item = &'a Lock>) -> BTreeMap<String, Mark> {
    look(locks).into_iter().map(|(key, seen)| (key, seen.mark)).collect()
}

/// What changed since `before` without its lock. What cannot be said yet goes to the memory's doubts, and earlier
/// doubts are looked at again.
pub(super) fn changes(
    workspace: &WorkspaceDir,
    memory: &mut Memory,
    before: BTreeMap<String, Seen>,
    by: &str,
    locks: &[Lock],
) -> Vec<Change> {
    let fresh = before.into_iter().map(|(key, seen)| (key, Seen { by: by.to_owned(), ..seen }));
    let mut asked = std::mem::take(&mut memory.doubts);
    asked.extend(fresh);
    let mut found = Vec::new();
    for (key, seen) in asked {
        let (worktree, path) = split(&key);
        let Some(lock) = locks.iter().find(|lock| lock.token == seen.token) else { continue };
        let now = mark(&Path::new(worktree).join(path));
        if now == seen.mark {
            continue;
        }
        let holder = memory::of(workspace, seen.holder);
        // What the daemon drives it also writes, under the lock.
        if holder.is_none() && lock.session.is_some() {
            continue;
        }
        let holder = holder.unwrap_or_default();
        if holder.own.get(&key) == Some(&now) {
            continue;
        }
        if !holder.under_way.is_empty() {
            memory.doubts.insert(key, seen);
            continue;
        }
        // The other calls of this session that run now have seen it as it was before; once is enough.
        for other in &mut memory.under_way {
            if let Some(known) = other.seen.get_mut(&key) {
                known.mark = now;
            }
        }
        let (worktree, path, by) = (worktree.to_owned(), path.to_owned(), seen.by);
        found.push(Change { worktree, path, by, lock: lock.clone() });
    }
    found
}

/// Tells both sides, and whoever listens; the bus keeps it for the journal.
pub(super) fn announce(
    bus: &Bus,
    (me, agent): (RegistrationId, &str),
    change: &Change,
) -> Result<(), BusError> {
    let Change { worktree, path, by, lock } = change;
    let payload = json!({
        "event": "changed_without_lock",
        "file": path,
        "held": lock.path,
        "worktree": worktree,
        "mode": lock.mode.as_str(),
        "sessions": [me, lock.holder],
        "agents": [agent, lock.agent],
        "by": by,
    });
    bus.publish(NewNotice::new(me, Channel::file_conflict(), payload)).map(drop)
}

/// The same for the model whose call it was.
pub(super) fn told(now: Timestamp, change: &Change) -> String {
    let since = crate::render::span(std::time::Duration::from_millis(
        now.as_millis().saturating_sub(change.lock.acquired_at.as_millis()).max(0).unsigned_abs(),
    ));
    let (agent, short, path) = (&change.lock.agent, change.lock.holder.short(), &change.path);
    format!(
        "`{path}` changed while your {} ran, and {agent} {short} has held it for {since}: both of you were told on \
         file_conflict. Leave the file as it is, settle it with `coditect msg send file_conflict \"…\" --to {short}`, and \
         take the lock before you change it: `coditect lock acquire {path} --wait`",
        change.by
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_covers_what_a_lock_covers_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["src/deep", "node_modules/x", "docs"] {
            std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        for file in ["src/a.rs", "src/deep/b.rs", "src/c.md", "node_modules/x/a.rs", "docs/d.rs"] {
            std::fs::write(dir.path().join(file), "").unwrap();
        }
        let found = |held: &str| {
            let mut found = covered(dir.path(), held, LOOK_FILES_MAX);
            found.sort();
            found
        };
        assert_eq!(found("src/a.rs"), ["src/a.rs"]);
        assert_eq!(found("not/there.rs"), ["not/there.rs"], "it may appear");
        assert_eq!(found("src/**/*.rs"), ["src/a.rs", "src/deep/b.rs"]);
        assert_eq!(found("**/*.rs"), ["docs/d.rs", "src/a.rs", "src/deep/b.rs"]);
        assert_eq!(covered(dir.path(), "src/**", 2).len(), 2, "bounded");
    }
}
