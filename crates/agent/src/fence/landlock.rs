//! The fence by Landlock: rules of the kernel for a thread and all that it starts.
//!
//! Landlock only allows; what is hidden is therefore what nothing allows: every folder on the way to it is opened entry
//! by entry. So a file that is made later right beside a hidden one cannot be read either.

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
        let hidden: Vec<PathBuf> = self.hidden.iter().filter_map(|path| path.canonicalize().ok()).collect();
        let mut seen = Vec::new();
        open_around(Path::new("/"), &hidden, &mut seen);
        seen.extend(self.readable.iter().cloned());
        let writable = || self.writable.iter().chain([&self.tmp]);
        let read_too = seen.iter().chain(writable()).map(|path| (path, read));
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
}
