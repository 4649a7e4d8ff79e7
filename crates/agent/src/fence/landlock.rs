//! The fence by Landlock: rules of the kernel for a thread and all that it starts.
//!
//! Landlock only allows; what is hidden is therefore what nothing allows: every folder on the way to it is opened entry
//! by entry, be it from the root or from a place that is named as readable or writable. So a file that is made later right
//! beside a hidden one cannot be read either. What lies below a writable folder can be written over, though hidden: who may
//! make files in a folder may write below it.

use super::{DEVICES, Fence, FenceError, Fenced};
use landlock::{
    ABI, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope,
};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;

/// The oldest rules that hold a file's length as well as its content.
const NEEDED: ABI = ABI::V3;
/// Entries of folders on the way to hidden places, at most.
const ENTRIES_MAX: usize = 20_000;

impl Fence {
    /// Starts the command from a thread of its own that has taken on the rules, and lives until the result is dropped:
    /// the child may ask to die with it.
    pub(super) fn restricted(&self, mut command: Command) -> Result<Fenced, FenceError> {
        let rules = self.rules().map_err(|error| FenceError::Landlock(error.to_string()))?;
        let (sender, started) = mpsc::channel();
        let (parent, over) = mpsc::channel::<()>();
        let start = move || {
            let child = restrict(rules).and_then(|()| command.spawn().map_err(FenceError::Spawn));
            if sender.send(child).is_ok() {
                let _ = over.recv();
            }
        };
        std::thread::Builder::new().name("fence".to_owned()).spawn(start).map_err(FenceError::Spawn)?;
        let gone = |_| FenceError::Landlock("the thread that asked for it is gone".to_owned());
        let child = started.recv().map_err(gone)??;
        Ok(Fenced { child, _parent: Some(parent) })
    }

    fn rules(&self) -> Result<RulesetCreated, Box<dyn std::error::Error + Send + Sync>> {
        let write = AccessFs::from_write(NEEDED);
        let read: BitFlags<AccessFs> = AccessFs::ReadFile.into();
        let mut rules = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(write | read)?
            // A kernel that cannot do this is good enough: those inside could then end processes of the user.
            .set_compatibility(CompatLevel::BestEffort)
            .scope(Scope::Signal)?
            .create()?;
        let seen = self.seen();
        let writable = || self.writable.iter().chain([&self.tmp]);
        let read_too = seen.iter().map(|path| (path, read));
        let devices: Vec<PathBuf> = DEVICES.iter().map(PathBuf::from).chain(["/dev/pts".into()]).collect();
        let device = devices.iter().map(|path| (path, AccessFs::WriteFile.into()));
        for (path, access) in read_too.chain(writable().map(|path| (path, write))).chain(device) {
            // Gone since, or never there: then there is nothing to allow.
            let Ok(place) = PathFd::new(path) else { continue };
            let access = if path.is_dir() { access } else { access & AccessFs::from_file(NEEDED) };
            rules = rules.add_rule(PathBeneath::new(place, access))?;
        }
        Ok(rules)
    }

    /// What may be read. The last word on a path has the named place that is nearest above it, and of one that is named
    /// both ways, that it is seen.
    fn seen(&self) -> Vec<PathBuf> {
        let there = |path: &PathBuf| path.canonicalize().ok();
        let hidden: Vec<PathBuf> = self.hidden.iter().filter_map(there).collect();
        let mut seen = Vec::new();
        open_around(Path::new("/"), &hidden, &mut seen);
        let named = self.readable.iter().chain(&self.writable).chain([&self.tmp]);
        for place in named.filter_map(there) {
            let below: Vec<PathBuf> = hidden.iter().filter(|path| **path != place).cloned().collect();
            open_around(&place, &below, &mut seen);
        }
        seen
    }
}

fn restrict(rules: RulesetCreated) -> Result<(), FenceError> {
    let failed = |reason: String| FenceError::Landlock(reason);
    let status = rules.restrict_self().map_err(|error| failed(error.to_string()))?;
    match status.ruleset {
        RulesetStatus::NotEnforced => Err(failed("it is not there".to_owned())),
        _ => Ok(()),
    }
}

/// Everything below a folder except the hidden places. Links are left out: where they lead is a place of its own.
fn open_around(folder: &Path, hidden: &[PathBuf], seen: &mut Vec<PathBuf>) {
    if hidden.iter().any(|place| place == folder) {
        return;
    }
    if !hidden.iter().any(|place| place.starts_with(folder)) {
        return seen.push(folder.to_owned());
    }
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if seen.len() >= ENTRIES_MAX {
            return;
        }
        match entry.file_type() {
            Ok(kind) if !kind.is_symlink() => open_around(&entry.path(), hidden, seen),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_seen_but_what_is_hidden() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for file in ["a/x", "a/secret/key", "b/y", "c"] {
            std::fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            std::fs::write(root.join(file), "").unwrap();
        }
        std::os::unix::fs::symlink(root.join("a/secret"), root.join("way")).unwrap();
        let mut seen = Vec::new();
        open_around(&root, &[root.join("a/secret"), root.join("c")], &mut seen);
        seen.sort();
        assert_eq!(seen, [root.join("a/x"), root.join("b")]);
    }

    #[test]
    fn what_is_hidden_below_a_seen_place_is_not_seen_and_the_other_way_round() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for file in ["repo/a", "repo/data/token", "repo/data/runs/1/own", "work/b", "work/.key"] {
            std::fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            std::fs::write(root.join(file), "").unwrap();
        }
        let fence = Fence {
            mechanism: crate::fence::Mechanism::Landlock,
            writable: vec![root.join("work")],
            readable: vec![root.join("repo"), root.join("repo/data/runs/1")],
            hidden: vec![root.join("repo/data"), root.join("work/.key")],
            frozen: Vec::new(),
            tmp: root.join("none"),
        };
        let seen = fence.seen();
        let is_seen = |file: &str| seen.iter().any(|place| root.join(file).starts_with(place));
        assert!(is_seen("repo/a") && is_seen("repo/data/runs/1/own") && is_seen("work/b"), "{seen:?}");
        assert!(!is_seen("repo/data/token") && !is_seen("work/.key"), "{seen:?}");
    }
}
