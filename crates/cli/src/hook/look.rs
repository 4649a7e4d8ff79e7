//! What got through: files of others that changed while a call of ours ran.
//!
//! Before a call that may write, the files others hold are looked at, and again after it. A file that is different, is
//! still held, and is not as its holder's own last call left it was changed without its lock. While its holder is at
//! work nobody can say who it was: that is decided when the holder has come to rest.

use super::memory::{self, Mark, Memory, Seen, key, mark, split};
use bus::{Bus, BusError, Contents, NewNotice, Pattern, hash_of};
use model::{Channel, Lock, LockMode, ParticipantStatus, RegistrationId, Timestamp, WorkspaceDir};
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
    /// The holder has no hooks that could tell it.
    pub(super) unhooked: bool,
    /// Where what the holder had in it is; none when nothing of it is kept.
    pub(super) way_back: Option<String>,
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
    bus: &Bus,
    workspace: &WorkspaceDir,
    memory: &mut Memory,
    (before, by): (BTreeMap<String, Seen>, &str),
    locks: &[Lock],
) -> Result<Vec<Change>, BusError> {
    let contents = Contents::new(workspace.known());
    let fresh = before.into_iter().map(|(key, seen)| (key, Seen { by: by.to_owned(), ..seen }));
    let mut asked = std::mem::take(&mut memory.doubts);
    asked.extend(fresh);
    let mut found = Vec::new();
    for (key, seen) in asked {
        let (worktree, path) = split(&key);
        let Some(lock) = locks.iter().find(|lock| lock.token == seen.token) else { continue };
        let top = Path::new(worktree);
        let now = mark(&top.join(path));
        if now == seen.mark {
            continue;
        }
        let page = contents.page(top, path);
        // What its holder left in it, by what the daemon or its own hooks have kept.
        if page.as_ref().is_some_and(|page| page.explains(hash_of(&top.join(path)).as_deref())) {
            continue;
        }
        let page = page.filter(|page| page.token == lock.token);
        let holder = memory::of(workspace, seen.holder);
        let unhooked = holder.is_none();
        // What the daemon drives changes files under its locks, and the daemon keeps what came of it a moment later.
        if unhooked && lock.session.is_some() {
            if page.is_none() {
                continue;
            }
            if edits(bus, lock.holder)? {
                memory.doubts.insert(key, seen);
                continue;
            }
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
        // So that nobody else is blamed for it. Failing that, it is told twice at worst.
        let _ = contents.told(top, path);
        let way_back = page.as_ref().and_then(|page| match lock.session {
            Some(_) => page.way_back(lock),
            // The studio may not know this repository, or not run.
            None => page
                .held_by(lock)
                .map(|(hash, what)| format!("{what} is kept in {}", contents.content_file(hash).display())),
        });
        let (worktree, path, by) = (worktree.to_owned(), path.to_owned(), seen.by);
        found.push(Change { worktree, path, by, lock: lock.clone(), unhooked, way_back });
    }
    Ok(found)
}

/// Whether it changes a file right now.
fn edits(bus: &Bus, id: RegistrationId) -> Result<bool, BusError> {
    let editing = |one: &model::Presence| one.status == Some(ParticipantStatus::Editing);
    Ok(bus.sessions()?.iter().any(|one| one.registration.id == id && editing(one)))
}

/// Tells both sides, and whoever listens; the bus keeps it for the journal.
pub(super) fn announce(
    bus: &Bus,
    (me, agent): (RegistrationId, &str),
    change: &Change,
) -> Result<(), BusError> {
    let Change { worktree, path, by, lock, unhooked, way_back } = change;
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
    bus.publish(NewNotice::new(me, Channel::file_conflict(), payload))?;
    // Nothing reads it what concerns it; so it is said to itself.
    if *unhooked && lock.session.is_some() {
        let way_back = way_back.as_ref().map_or(String::new(), |way| format!("; {way}"));
        let text = format!(
            "{path} changed without its lock, which you hold, while a call of {agent} {} ran{way_back}",
            me.short()
        );
        let payload = json!({
            "type": "file_conflict", "agent": agent, "holder": lock.agent, "file": path, "text": text,
        });
        let mut notice = NewNotice::new(me, Channel::file_conflict(), payload);
        notice.recipient = Some(lock.holder);
        bus.publish(notice)?;
    }
    Ok(())
}

/// The same for the model whose call it was.
pub(super) fn told(now: Timestamp, change: &Change) -> String {
    let since = crate::render::span(std::time::Duration::from_millis(
        now.as_millis().saturating_sub(change.lock.acquired_at.as_millis()).max(0).unsigned_abs(),
    ));
    let (agent, short, path) = (&change.lock.agent, change.lock.holder.short(), &change.path);
    let kept = change.way_back.as_ref().map_or(String::new(), |way| format!(" ({way})"));
    format!(
        "`{path}` changed while your {} ran, and {agent} {short} has held it for {since}: both of you were told on \
         file_conflict. Leave the file as it is{kept}, settle it with `coditect msg send file_conflict \"…\" --to {short}`, and \
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
