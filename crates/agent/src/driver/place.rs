//! Where a run works, and which files of that place a vendor's program may edit.
//!
//! Invariant: a path that is given out is the file's own name in the worktree, with every symbolic link followed, so that a lock on
//! it is a lock on the file.

use model::{Entropy, RepoPath, TaskKind};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Our own folder in a repository: configuration that only people change.
const OURS: &str = ".coditect";

#[derive(Clone)]
pub(crate) struct Place {
    /// The worktree's root: absolute, without symbolic links.
    root: PathBuf,
    entropy: Arc<dyn Entropy>,
}

impl Place {
    /// The worktree we were started in.
    pub(crate) fn here(entropy: Arc<dyn Entropy>) -> io::Result<Self> {
        Self::at(Path::new("."), entropy)
    }

    pub(crate) fn at(root: &Path, entropy: Arc<dyn Entropy>) -> io::Result<Self> {
        Ok(Self { root: root.canonicalize()?, entropy })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn entropy(&self) -> Arc<dyn Entropy> {
        Arc::clone(&self.entropy)
    }

    /// The file as the repository names it, or a sentence for the agent that says why it may not edit it. Relative paths begin
    /// at the root.
    pub(crate) fn editable(&self, given: &str) -> Result<RepoPath, String> {
        let real = self.within(given, "edit only files in it")?;
        let within = real.strip_prefix(&self.root).unwrap_or(&real);
        let within = within.to_str().ok_or_else(|| format!("`{given}` is not a name in UTF-8"))?;
        let path: RepoPath = within.parse().map_err(|error: model::RepoPathError| error.to_string())?;
        if path.as_str().split('/').next().is_some_and(|first| first.eq_ignore_ascii_case(OURS)) {
            return Err(format!("`{path}` is coditect's own configuration; ask the user to change it"));
        }
        Ok(path)
    }

    /// Where a file of the worktree lies that is to be read, and what the repository calls it, if it is one of its files; or a
    /// sentence for the agent that says why it is not read.
    pub(crate) fn readable(&self, given: &str) -> Result<(PathBuf, Option<RepoPath>), String> {
        let real = self.within(given, "only files in it are read for you")?;
        let within = real.strip_prefix(&self.root).ok().and_then(Path::to_str);
        let path = within.and_then(|within| within.parse().ok());
        Ok((real, path))
    }

    fn within(&self, given: &str, what_then: &str) -> Result<PathBuf, String> {
        resolve(&self.root.join(given))
            .filter(|real| real.starts_with(&self.root))
            .ok_or_else(|| format!("`{given}` is outside the worktree {}; {what_then}", self.root.display()))
    }

    /// As [`Place::editable`], sorted and each once.
    pub(crate) fn all_editable<'a>(
        &self,
        given: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<RepoPath>, String> {
        let mut paths = given.into_iter().map(|path| self.editable(path)).collect::<Result<Vec<_>, _>>()?;
        paths.sort();
        paths.dedup();
        Ok(paths)
    }
}

/// Whether anything may be edited in a turn of this kind; why not is for the agent.
pub(crate) fn edits_are_wanted(kind: TaskKind) -> Result<(), String> {
    let meanwhile = match kind {
        TaskKind::Prompt | TaskKind::Work => return Ok(()),
        TaskKind::Propose => "a plan is made",
        TaskKind::Review => "work is reviewed",
        TaskKind::Ask => "a question is answered",
    };
    Err(format!("nothing is to be changed while {meanwhile}; say in words what should be changed"))
}

/// The path with the links of all that exists of it followed. None when a link leads nowhere or `..` follows something that
/// does not exist.
fn resolve(path: &Path) -> Option<PathBuf> {
    let mut missing = Vec::new();
    let mut present = path;
    loop {
        match present.canonicalize() {
            Ok(mut real) => {
                real.extend(missing.iter().rev());
                return Some(real);
            }
            // A link that leads nowhere would be written through.
            Err(_) if present.symlink_metadata().is_ok() => return None,
            Err(_) => {
                let Some(Component::Normal(name)) = present.components().next_back() else { return None };
                missing.push(name);
                present = present.parent()?;
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    pub(crate) struct Dice;

    impl Entropy for Dice {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(7);
        }
    }

    #[test]
    fn edits_are_wanted_where_the_turn_may_edit() {
        for kind in TaskKind::ALL {
            let said = edits_are_wanted(kind);
            assert_eq!(said.is_ok(), kind.may_edit(), "{kind:?}");
            assert!(said.err().is_none_or(|why| why.contains("say in words")), "{kind:?}");
        }
    }

    #[test]
    fn only_files_of_the_worktree_under_their_own_names_may_be_edited() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("work");
        fs::create_dir_all(root.join("src")).unwrap();
        fs::create_dir_all(root.join(".git")).unwrap();
        fs::write(root.join("src/a.rs"), "").unwrap();
        fs::write(dir.path().join("secret"), "").unwrap();
        symlink("src", root.join("alias")).unwrap();
        symlink("src/a.rs", root.join("link.rs")).unwrap();
        symlink("../secret", root.join("out")).unwrap();
        symlink("..", root.join("up")).unwrap();
        symlink("nowhere", root.join("broken")).unwrap();
        symlink(".git", root.join("meta")).unwrap();
        let place = Place::at(&root, Arc::new(Dice)).unwrap();
        let absolute = place.root().join("src/a.rs");
        for (given, path) in [
            ("src/a.rs", "src/a.rs"),
            ("./src/../src/a.rs", "src/a.rs"),
            (absolute.to_str().unwrap(), "src/a.rs"),
            ("alias/a.rs", "src/a.rs"),
            ("alias/new/b.rs", "src/new/b.rs"),
            ("link.rs", "src/a.rs"),
            ("new.rs", "new.rs"),
        ] {
            assert_eq!(place.editable(given).unwrap().as_str(), path, "{given}");
        }
        for (given, word) in [
            ("../secret", "outside"),
            ("out", "outside"),
            ("up/secret", "outside"),
            ("up/new", "outside"),
            ("/etc/passwd", "outside"),
            ("nothing/../../../x", "outside"),
            ("broken", "outside"),
            (".git/config", ".git"),
            ("meta/config", ".git"),
            (".coditect/config.json", "configuration"),
            (".Coditect/x", "configuration"),
            ("", "empty"),
        ] {
            let error = place.editable(given).unwrap_err();
            assert!(error.contains(word), "{given}: {error}");
        }
        for outside in ["../secret", "out", "up/secret", "/etc/passwd", "broken"] {
            assert!(place.readable(outside).unwrap_err().contains("outside"), "{outside}");
        }
        for (given, path) in
            [("alias/a.rs", Some("src/a.rs")), (".coditect/x", Some(".coditect/x")), ("meta/config", None)]
        {
            let (real, named) = place.readable(given).unwrap();
            assert!(real.starts_with(place.root()), "{given}");
            assert_eq!(named.as_ref().map(RepoPath::as_str), path, "{given}");
        }
        let paths = place.all_editable(["z", "src/a.rs", "alias/a.rs"]).unwrap();
        assert_eq!(paths.iter().map(RepoPath::as_str).collect::<Vec<_>>(), ["src/a.rs", "z"]);
        assert!(place.all_editable(["z", "../x"]).is_err());
    }
}
