//! Where a path of a hook is: its worktree, its name there, and whether that worktree takes part.

use crate::worktree::Worktree;
use model::WorkspaceDir;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// A file of a worktree that takes part.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pub(super) worktree: String,
    pub(super) path: String,
}

/// Which worktrees take part, as far as it was asked.
pub(super) struct Places<'a> {
    workspace: &'a WorkspaceDir,
    /// Inside a run of ours every worktree does.
    always: bool,
    /// By the worktree's top.
    known: BTreeMap<PathBuf, bool>,
}

impl<'a> Places<'a> {
    pub(super) fn new(workspace: &'a WorkspaceDir, always: bool) -> Self {
        Self { workspace, always, known: BTreeMap::new() }
    }

    /// The worktree around a folder; none when it takes no part.
    pub(super) fn around(&mut self, folder: &Path) -> Option<Worktree> {
        let worktree = Worktree::around(folder).ok()?;
        self.takes_part(&worktree).then_some(worktree)
    }

    fn takes_part(&mut self, worktree: &Worktree) -> bool {
        if let Some(known) = self.known.get(&worktree.top) {
            return *known;
        }
        let folder = self.workspace.bus();
        let is = |name: Option<&str>| name.is_some_and(|name| bus::is_managed(&folder, name));
        let found = self.always || is(worktree.top.to_str()) || is(worktree.repo().as_deref());
        self.known.insert(worktree.top.clone(), found);
        found
    }

    /// The file a path means, given from this folder; none when it is in no worktree that takes part. Links are
    /// followed: what is changed is what they lead to.
    pub(super) fn spot(&mut self, from: &Path, given: &str) -> Option<Spot> {
        let place = settled(&from.join(given))?;
        let around = place.ancestors().skip(1).find(|folder| folder.is_dir())?;
        let worktree = self.around(around)?;
        let path = place.strip_prefix(&worktree.top).ok()?.to_str()?.to_owned();
        // What git keeps for itself is nobody's to lock.
        let private = path.is_empty() || path == ".git" || path.starts_with(".git/");
        (!private).then(|| Some(Spot { worktree: worktree.name().ok()?, path }))?
    }
}

/// The path with every link on the way resolved, as far as it is there.
fn settled(path: &Path) -> Option<PathBuf> {
    if let Ok(found) = path.canonicalize() {
        return Some(found);
    }
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    let (there, real) =
        plain.ancestors().find_map(|above| Some((above.to_owned(), above.canonicalize().ok()?)))?;
    Some(real.join(plain.strip_prefix(&there).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::DataRoot;

    #[test]
    fn a_path_is_found_by_what_it_leads_to() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        let (repo, other) = (top.join("repo"), top.join("other"));
        for repo in [&repo, &other] {
            std::fs::create_dir_all(repo.join("src")).unwrap();
            std::fs::create_dir(repo.join(".git")).unwrap();
            std::fs::write(repo.join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
        }
        std::fs::write(repo.join("src/real.rs"), "x").unwrap();
        std::os::unix::fs::symlink(repo.join("src/real.rs"), repo.join("alias.rs")).unwrap();
        let workspace = DataRoot::new(top.join("data")).workspace("default");
        bus::manage(&workspace.bus(), repo.to_str().unwrap()).unwrap();
        let mut places = Places::new(&workspace, false);
        let name = repo.to_str().unwrap().to_owned();
        let mut spot =
            |from: &Path, given: &str| places.spot(from, given).map(|spot| (spot.worktree, spot.path));
        let found = |path: &str| Some((name.clone(), path.to_owned()));
        assert_eq!(spot(&repo, "src/new.rs"), found("src/new.rs"));
        assert_eq!(spot(&repo.join("src"), "../x/y/z.rs"), found("x/y/z.rs"));
        assert_eq!(spot(&repo, "alias.rs"), found("src/real.rs"));
        assert_eq!(spot(&other, repo.join("a").to_str().unwrap()), found("a"));
        assert_eq!(spot(&other, "a"), None, "takes no part");
        assert_eq!(spot(&repo, ".git/config"), None);
        assert_eq!(spot(&repo, "/etc/passwd"), None);
        assert!(Places::new(&workspace, true).spot(&other, "a").is_some(), "a run of ours");
    }
}
