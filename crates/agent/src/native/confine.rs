//! The worktree as a directory handle: the only way in which tools of this process touch files.
//!
//! Every component of a path is opened on its own, below the handle of the one before, and none may
//! be a symbolic link.
//!
//! Invariant: whatever is swapped for whatever while we look, what is opened lies in the worktree,
//! under the very name that was asked for and no alias of it — a lock on a name would otherwise not
//! be a lock on the file.

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions, OpenOptionsExt};
use model::{RepoPath, RepoPathError};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

pub(crate) struct Tree {
    root: Dir,
    path: PathBuf,
}

/// Why a path of the worktree was not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfineError {
    #[error(transparent)]
    Path(#[from] RepoPathError),
    #[error("`{0}` does not exist")]
    Missing(String),
    #[error("`{0}` is a symbolic link; use the path of what it points to, if that is in the repository")]
    Link(String),
    #[error("`{0}` is not a regular file")]
    NotFile(String),
    #[error("`{0}` is not a directory")]
    NotDirectory(String),
    #[error("`{path}` has {bytes} bytes; this tool works up to {max}")]
    TooLarge { path: String, bytes: u64, max: u64 },
    #[error("cannot open `{path}`: {error}")]
    Io { path: String, error: io::Error },
}

impl Tree {
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        Ok(Self { root: Dir::open_ambient_dir(root, ambient_authority())?, path: root.to_owned() })
    }

    /// The name under which the tree was opened. For walks that only collect names: what they find
    /// is opened through the handle.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A handle of its own on a directory; the root when no path is given.
    pub(crate) fn directory(&self, path: Option<&RepoPath>) -> Result<Dir, ConfineError> {
        let mut dir = self.root.try_clone().map_err(|error| io_error(".", error))?;
        let Some(path) = path else { return Ok(dir) };
        for (name, so_far) in components(path) {
            dir = step(&dir, name, so_far)?;
        }
        Ok(dir)
    }

    /// Opens a regular file for reading, and says how long it is.
    pub(crate) fn file(&self, path: &RepoPath) -> Result<(File, u64), ConfineError> {
        let (parent, name) = match path.as_str().rsplit_once('/') {
            Some((parent, name)) => {
                let parent: RepoPath = parent.parse()?;
                (self.directory(Some(&parent))?, name)
            }
            None => (self.directory(None)?, path.as_str()),
        };
        let shown = path.as_str();
        // A FIFO without a writer would hold us for ever; non-blocking it opens and is refused below.
        let file = open(&parent, name, OFlags::NONBLOCK, shown)?;
        let metadata = file.metadata().map_err(|error| io_error(shown, error))?;
        if !metadata.is_file() {
            return Err(ConfineError::NotFile(shown.to_owned()));
        }
        Ok((file, metadata.len()))
    }

    /// The whole content of a file of at most `max` bytes.
    pub(crate) fn read(&self, path: &RepoPath, max: u64) -> Result<Vec<u8>, ConfineError> {
        let (file, bytes) = self.file(path)?;
        let too_large = |bytes| ConfineError::TooLarge { path: path.to_string(), bytes, max };
        if bytes > max {
            return Err(too_large(bytes));
        }
        let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
        // It may grow while it is read.
        file.take(max + 1).read_to_end(&mut content).map_err(|error| io_error(path.as_str(), error))?;
        if content.len() as u64 > max {
            return Err(too_large(content.len() as u64));
        }
        Ok(content)
    }
}

/// The components of a path, each with the path up to it.
fn components(path: &RepoPath) -> impl Iterator<Item = (&str, &str)> {
    let whole = path.as_str();
    let mut end = 0;
    whole.split('/').map(move |name| {
        end += name.len();
        let so_far = &whole[..end];
        end += 1;
        (name, so_far)
    })
}

fn step(dir: &Dir, name: &str, shown: &str) -> Result<Dir, ConfineError> {
    let opened = open(dir, name, OFlags::DIRECTORY, shown)?;
    Ok(Dir::from_std_file(opened.into_std()))
}

fn open(dir: &Dir, name: &str, flags: OFlags, shown: &str) -> Result<File, ConfineError> {
    let flags = (flags | OFlags::NOFOLLOW).bits().cast_signed();
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags);
    dir.open_with(name, &options).map_err(|error| {
        let is_link = dir.symlink_metadata(name).is_ok_and(|metadata| metadata.is_symlink());
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOENT) => ConfineError::Missing(shown.to_owned()),
            Some(Errno::LOOP | Errno::NOTDIR) if is_link => ConfineError::Link(shown.to_owned()),
            Some(Errno::NOTDIR) => ConfineError::NotDirectory(shown.to_owned()),
            // A socket, or a device without a driver.
            Some(Errno::NXIO | Errno::NODEV) => ConfineError::NotFile(shown.to_owned()),
            _ => io_error(shown, error),
        }
    })
}

fn io_error(path: &str, error: io::Error) -> ConfineError {
    ConfineError::Io { path: path.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    /// A worktree beside a secret, with every way out planted in it.
    fn planted() -> (tempfile::TempDir, Tree) {
        let outside = tempfile::tempdir().unwrap();
        let root = outside.path().join("tree");
        fs::create_dir_all(root.join("src/deep")).unwrap();
        fs::create_dir_all(root.join(".git")).unwrap();
        fs::write(outside.path().join("secret"), "s").unwrap();
        fs::write(root.join(".git/config"), "g").unwrap();
        fs::write(root.join("src/deep/file"), "inside").unwrap();
        fs::write(root.join("plain"), "inside").unwrap();
        symlink("../secret", root.join("out")).unwrap();
        symlink(outside.path().join("secret"), root.join("out_absolute")).unwrap();
        symlink("..", root.join("up")).unwrap();
        symlink("src", root.join("alias")).unwrap();
        symlink("plain", root.join("alias_file")).unwrap();
        symlink(".git", root.join("git_alias")).unwrap();
        symlink("nowhere", root.join("dangling")).unwrap();
        symlink("circle", root.join("circle")).unwrap();
        let fifo = root.join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        drop(UnixListener::bind(root.join("socket")).unwrap());
        let tree = Tree::open(&root).unwrap();
        (outside, tree)
    }

    fn read(tree: &Tree, path: &str) -> Result<Vec<u8>, ConfineError> {
        tree.read(&path.parse::<RepoPath>()?, 100)
    }

    #[test]
    fn files_of_the_tree_are_read() {
        let (_outside, tree) = planted();
        assert_eq!(read(&tree, "plain").unwrap(), b"inside");
        assert_eq!(read(&tree, "./src/deep/file").unwrap(), b"inside");
    }

    #[test]
    fn no_path_leads_out() {
        let (_outside, tree) = planted();
        let long = "a".repeat(300);
        let longer = "a/".repeat(600);
        for (path, word) in [
            ("../secret", "leaves"),
            ("src/../../secret", "leaves"),
            ("/etc/passwd", "absolute"),
            ("", "empty"),
            ("src//deep/file", "leaves"),
            ("pla\0in", "character"),
            ("..\\secret", "character"),
            (".git/config", ".git"),
            (".GIT/config", ".git"),
            ("sub/.git/config", ".git"),
            ("out", "symbolic link"),
            ("out_absolute", "symbolic link"),
            ("up/secret", "symbolic link"),
            ("up/tree/plain", "symbolic link"),
            ("alias/deep/file", "symbolic link"),
            ("alias_file", "symbolic link"),
            ("git_alias/config", "symbolic link"),
            ("dangling", "symbolic link"),
            ("circle", "symbolic link"),
            ("circle/x", "symbolic link"),
            ("src", "not a regular file"),
            ("fifo", "not a regular file"),
            ("socket", "not a regular file"),
            ("plain/x", "not a directory"),
            ("missing", "does not exist"),
            ("missing/x", "does not exist"),
            (long.as_str(), "cannot open"),
            (longer.as_str(), "longer than"),
        ] {
            let error = read(&tree, path).unwrap_err().to_string();
            assert!(error.contains(word), "{path:?}: {error}");
        }
    }

    #[test]
    fn directories_are_opened_without_following_links() {
        let (_outside, tree) = planted();
        let names = |path: Option<&str>| -> Result<Vec<String>, ConfineError> {
            let path = path.map(str::parse::<RepoPath>).transpose()?;
            let dir = tree.directory(path.as_ref())?;
            let mut names: Vec<String> = dir
                .entries()
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            Ok(names)
        };
        assert_eq!(names(Some("src")).unwrap(), ["deep"]);
        assert!(names(None).unwrap().contains(&"plain".to_owned()));
        for path in ["up", "alias", "git_alias", ".git", "plain", "missing", "src/../.."] {
            assert!(names(Some(path)).is_err(), "{path}");
        }
    }

    #[test]
    fn a_tree_that_moves_stays_the_tree() {
        let (outside, tree) = planted();
        fs::rename(outside.path().join("tree"), outside.path().join("moved")).unwrap();
        symlink("/etc", outside.path().join("tree")).unwrap();
        assert_eq!(read(&tree, "plain").unwrap(), b"inside");
        assert!(read(&tree, "passwd").is_err());
    }

    #[test]
    fn the_limit_counts_what_is_read() {
        let (outside, tree) = planted();
        fs::write(outside.path().join("tree/at"), "x".repeat(100)).unwrap();
        fs::write(outside.path().join("tree/over"), "x".repeat(101)).unwrap();
        assert_eq!(read(&tree, "at").unwrap().len(), 100);
        assert!(matches!(read(&tree, "over"), Err(ConfineError::TooLarge { bytes: 101, max: 100, .. })));
    }
}
