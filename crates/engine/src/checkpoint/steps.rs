//! The steps of a restore: each of them takes one file away, or puts one in its place, by a single rename.
//!
//! Invariant: a file is touched only while it is what it was when the way back was kept; every folder on the way to it is
//! opened as a folder and never through a link, so nothing outside the worktree is reached.

use crate::writer;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt, OpenOptions, OpenOptionsExt};
use git::{Content, Standing};
use model::{Entropy, KeptFile, Refusal, RepoPath};
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Bytes read at a time.
const PIECE: usize = 64 * 1024;

/// One file that is to change. What it is and is to be is a word of its kind and its content; none: nothing is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Step {
    pub(super) path: RepoPath,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

/// A worktree in which steps are done.
pub(super) struct Ground {
    root: Dir,
}

/// What became of a step.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Done {
    Yes,
    /// It was so already.
    Already,
    No(String),
}

impl Ground {
    pub(super) fn open(worktree: &Path) -> Result<Self, Refusal> {
        let root = Dir::open_ambient_dir(worktree, ambient_authority());
        Ok(Self { root: root.map_err(|_| super::point::folder_gone(&worktree.display().to_string()))? })
    }

    /// What is at a path, in a word. A folder is nothing: it is in nobody's way while no file is in it.
    pub(super) fn print(&self, path: &RepoPath) -> Result<Option<String>, Refusal> {
        let Some((dir, name)) = self.folder(path, false)? else { return Ok(None) };
        print_in(&dir, name)
    }

    /// Writes the file that is to come under a name of its own at the top of the worktree, from which it is renamed later. Gives
    /// the name, and what the file is in a word.
    pub(super) fn stage(
        &self,
        content: &Content<'_>,
        entropy: &dyn Entropy,
    ) -> Result<(String, String), Refusal> {
        let name = writer::unfinished_name(entropy);
        let staged = self.stage_as(content, &name).and_then(|()| word_of(content));
        if staged.is_err() {
            // It may not have come to be.
            let _ = self.root.remove_file(&name);
        }
        staged.map(|word| (name, word))
    }

    fn stage_as(&self, content: &Content<'_>, name: &str) -> Result<(), Refusal> {
        let (mode, bytes) = match content {
            Content::At(from) => return self.stage_copy(from, name),
            Content::Bytes(Standing::Link, target) => {
                return self.root.symlink_contents(OsStr::from_bytes(target), name).map_err(writer::io);
            }
            Content::Bytes(Standing::Executable, bytes) => (0o777, bytes),
            Content::Bytes(_, bytes) => (0o666, bytes),
        };
        // What the user's umask leaves of it, as of a file that git checks out.
        let mut options = OpenOptions::new();
        let opened = self.root.open_with(name, options.write(true).create_new(true).mode(mode));
        opened.map_err(writer::io)?.write_all(bytes).map_err(writer::io)
    }

    fn stage_copy(&self, from: &Path, name: &str) -> Result<(), Refusal> {
        let meta = from.symlink_metadata().map_err(writer::io)?;
        let mut source = std::fs::File::open(from).map_err(writer::io)?;
        let mut options = OpenOptions::new();
        let opened = self.root.open_with(name, options.write(true).create_new(true).mode(0o600));
        let mut file = opened.map_err(writer::io)?.into_std();
        std::io::copy(&mut source, &mut file).map_err(writer::io)?;
        let mode = std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o777;
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        file.set_permissions(permissions).map_err(writer::io)
    }

    pub(super) fn unstage(&self, name: &str) {
        if let Err(error) = self.root.remove_file(name)
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(%error, "an unfinished file of a restore stays behind");
        }
    }

    /// Everything written here outlives a power cut from now on.
    pub(super) fn sync(&self) -> Result<(), Refusal> {
        // The handle itself is a place and no open file.
        let top = self.root.open(".").map_err(writer::io)?;
        rustix::fs::syncfs(&top).map_err(|error| writer::io(error.into()))
    }

    /// Does a step. `staged` is the file that is to come.
    pub(super) fn carry_out(&self, step: &Step, staged: Option<&str>) -> Result<Done, Refusal> {
        let now = self.print(&step.path)?;
        if now == step.after {
            return Ok(Done::Already);
        }
        if now != step.before {
            return Ok(Done::No("it was changed meanwhile".to_owned()));
        }
        match staged {
            None => self.remove(&step.path)?,
            Some(staged) => {
                let Some((dir, name)) = self.folder(&step.path, true)? else {
                    return Ok(Done::No("a file is in the way of its folder".to_owned()));
                };
                // A folder of that name goes when nothing is in it.
                if dir.symlink_metadata(name).is_ok_and(|meta| meta.is_dir()) && dir.remove_dir(name).is_err()
                {
                    return Ok(Done::No("a folder with other files is in its place".to_owned()));
                }
                if let Err(error) = self.root.rename(staged, &dir, name) {
                    return Ok(Done::No(error.to_string()));
                }
            }
        }
        Ok(Done::Yes)
    }

    fn remove(&self, path: &RepoPath) -> Result<(), Refusal> {
        let Some((dir, name)) = self.folder(path, false)? else { return Ok(()) };
        dir.remove_file(name).map_err(writer::io)?;
        // Folders that are empty now go, as git has none of them.
        let mut rest = path.as_str();
        while let Some((parent, _)) = rest.rsplit_once('/') {
            let Ok(above) = parent.parse::<RepoPath>() else { break };
            match self.folder(&above, false)? {
                Some((dir, name)) if dir.remove_dir(name).is_ok() => rest = parent,
                _ => break,
            }
        }
        Ok(())
    }

    /// The folder a path is in, opened part by part; none where a part is not there, or is no folder.
    fn folder<'p>(&self, path: &'p RepoPath, make: bool) -> Result<Option<(Dir, &'p str)>, Refusal> {
        let mut dir = self.root.try_clone().map_err(writer::io)?;
        let mut rest = path.as_str();
        while let Some((name, below)) = rest.split_once('/') {
            match dir.symlink_metadata(name) {
                Err(error) if error.kind() == ErrorKind::NotFound && !make => return Ok(None),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(writer::io(error)),
                Ok(meta) if !meta.is_dir() => return Ok(None),
                Ok(_) => {}
            }
            dir = writer::step(&dir, name, path)?;
            rest = below;
        }
        Ok(Some((dir, rest)))
    }
}

/// What a file of a tree will be, in the same word.
pub(super) fn word_of(content: &Content<'_>) -> Result<String, Refusal> {
    let (kind, bytes) = match content {
        Content::Bytes(Standing::Link, target) => ('l', target),
        Content::Bytes(Standing::Executable, bytes) => ('x', bytes),
        Content::Bytes(_, bytes) => ('f', bytes),
        Content::At(file) => {
            let (folder, name) = (file.parent().unwrap_or(file), file.file_name().unwrap_or_default());
            let dir = Dir::open_ambient_dir(folder, ambient_authority()).map_err(writer::io)?;
            let word = print_in(&dir, Path::new(name))?;
            return word.ok_or_else(|| Refusal::internal("what git wrote is not there"));
        }
    };
    Ok(format!("{kind}{}", writer::hash(bytes)))
}

fn print_in(dir: &Dir, name: impl AsRef<Path>) -> Result<Option<String>, Refusal> {
    let name = name.as_ref();
    let meta = match dir.symlink_metadata(name) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(writer::io(error)),
        Ok(meta) => meta,
    };
    if meta.is_dir() {
        return Ok(None);
    }
    if meta.is_symlink() {
        let target = dir.read_link_contents(name).map_err(writer::io)?;
        return Ok(Some(format!("l{}", writer::hash(target.as_os_str().as_encoded_bytes()))));
    }
    if !meta.is_file() {
        return Ok(Some("s".to_owned()));
    }
    // Without O_NONBLOCK a pipe put there after the look would hold us for ever.
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let opened = dir.open_with(name, OpenOptions::new().read(true).custom_flags(flags));
    let mut file = opened.map_err(writer::io)?;
    let (mut hasher, mut piece) = (blake3::Hasher::new(), vec![0u8; PIECE]);
    loop {
        match file.read(&mut piece).map_err(writer::io)? {
            0 => break,
            read => hasher.update(&piece[..read]),
        };
    }
    let kind = if meta.mode() & 0o100 == 0 { 'f' } else { 'x' };
    Ok(Some(format!("{kind}{}", hasher.finalize().to_hex())))
}

/// The content of a file, as the bus and the look at strays know it; none of what is no file.
pub(super) fn content_of(print: Option<&String>) -> Option<&str> {
    print.and_then(|print| print.strip_prefix(['f', 'x']))
}

pub(super) fn kept(path: &RepoPath, reason: impl Into<String>) -> KeptFile {
    KeptFile { path: path.to_string(), reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use testkit::SeededEntropy;

    fn path(text: &str) -> RepoPath {
        text.parse().unwrap()
    }

    fn step(ground: &Ground, at: &str, from: Option<&Path>) -> (Step, Option<String>) {
        let staged = from.map(|from| ground.stage(&Content::At(from), &SeededEntropy::default()).unwrap());
        let (staged, after) = staged.unzip();
        (Step { path: path(at), before: ground.print(&path(at)).unwrap(), after }, staged)
    }

    #[test]
    fn a_file_takes_the_place_of_an_empty_folder_and_not_of_a_full_one() {
        let (dir, beside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let from = beside.path().join("new");
        std::fs::write(&from, "new").unwrap();
        std::fs::create_dir_all(dir.path().join("full")).unwrap();
        std::fs::create_dir_all(dir.path().join("empty")).unwrap();
        std::fs::write(dir.path().join("full/mine"), "mine").unwrap();
        let ground = Ground::open(dir.path()).unwrap();
        let (one, staged) = step(&ground, "empty", Some(&from));
        assert_eq!(ground.carry_out(&one, staged.as_deref()).unwrap(), Done::Yes);
        assert_eq!(ground.carry_out(&one, staged.as_deref()).unwrap(), Done::Already);
        let (other, staged) = step(&ground, "full", Some(&from));
        assert!(matches!(ground.carry_out(&other, staged.as_deref()).unwrap(), Done::No(_)));
        ground.unstage(&staged.unwrap());
        assert_eq!(std::fs::read_to_string(dir.path().join("full/mine")).unwrap(), "mine");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_is_staged_is_what_was_said_of_it() {
        let (dir, beside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (ground, from) = (Ground::open(dir.path()).unwrap(), beside.path().join("run"));
        std::fs::write(&from, "run").unwrap();
        std::fs::set_permissions(&from, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let entropy = SeededEntropy::default();
        let mut words = Vec::new();
        for content in [
            Content::At(&from),
            Content::Bytes(Standing::Executable, b"run"),
            Content::Bytes(Standing::File, b"run"),
            Content::Bytes(Standing::Link, b"../run"),
        ] {
            let (name, word) = ground.stage(&content, &entropy).unwrap();
            assert_eq!(ground.print(&path(&name)).unwrap().as_ref(), Some(&word), "{content:?}");
            words.push(word);
        }
        assert_eq!(words[0], words[1]);
        assert!(words[1] != words[2] && words[2] != words[3]);
    }

    #[test]
    fn no_link_leads_outside() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(outside.path().join("theirs"), "theirs").unwrap();
        symlink(outside.path(), dir.path().join("way")).unwrap();
        let ground = Ground::open(dir.path()).unwrap();
        assert_eq!(ground.print(&path("way/theirs")).unwrap(), None);
        let from = outside.path().join("theirs");
        let (step, staged) = step(&ground, "way/new", Some(&from));
        assert!(matches!(ground.carry_out(&step, staged.as_deref()).unwrap(), Done::No(_)));
        let removal = Step { path: path("way/theirs"), before: None, after: None };
        assert_eq!(ground.carry_out(&removal, None).unwrap(), Done::Already);
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_was_changed_meanwhile_stays_and_what_is_removed_takes_its_empty_folders_along() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
        std::fs::write(dir.path().join("a/b/c"), "one").unwrap();
        let ground = Ground::open(dir.path()).unwrap();
        let (removal, _) = step(&ground, "a/b/c", None);
        std::fs::write(dir.path().join("a/b/c"), "two").unwrap();
        assert!(matches!(ground.carry_out(&removal, None).unwrap(), Done::No(_)));
        let (removal, _) = step(&ground, "a/b/c", None);
        assert_eq!(ground.carry_out(&removal, None).unwrap(), Done::Yes);
        assert!(!dir.path().join("a").exists());
    }
}
