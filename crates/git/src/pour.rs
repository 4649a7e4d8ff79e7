//! Many files into a tree at once: one git process takes all of them from a pipe and writes them, with the folders they are in,
//! into one file that is synced once. A file by itself is a new file for git, and a sync, each.
//!
//! Invariant: the tree is the one git would have made of copies of these files, or the file is given back to be copied.

use crate::conversion::Conversion;
use crate::repository::oid;
use crate::snapshot::presence;
use crate::{GitError, Oid, Repository, TIMEOUT};
use cap_std::fs::{Dir, MetadataExt, OpenOptions, OpenOptionsExt};
use model::RepoPath;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::sync::mpsc;
use std::time::Duration;

/// The ref that streams are about; none points anywhere by it.
pub(crate) const SURVEY: &str = "refs/coditect/survey";
/// Fewer files than this are copied: what they cost is not felt, and so few are not worth a pack.
pub(crate) const POURED_MIN: usize = 32;
/// Larger files are copied, so that none of them is in memory, in bytes.
const POURED_FILE_MAX: u64 = 4 * 1024 * 1024;

/// What a slow disk takes in at least, in bytes a second.
const POURED_A_SECOND: u64 = 4 * 1024 * 1024;

/// What came of it.
pub(crate) struct Poured {
    pub(crate) tree: Oid,
    /// Files that are not in the tree yet.
    pub(crate) left: BTreeSet<RepoPath>,
}

impl Repository {
    /// The parent's tree without what is `gone` and with these files of the work tree.
    pub(crate) fn pour(
        &self,
        parent: Option<&Oid>,
        files: BTreeMap<RepoPath, Conversion>,
        gone: &BTreeSet<RepoPath>,
    ) -> Result<Poured, GitError> {
        let dir = self.work_tree()?;
        let time = time_for(&dir, files.keys());
        let (head, gone, end) = (self.head_of_stream(parent), gone.clone(), self.end_of_stream());
        let (tell, told) = mpsc::channel();
        let feed = move |pipe: &mut dyn Write| {
            pipe.write_all(head.as_bytes())?;
            for path in &gone {
                pipe.write_all(format!("D {}\n", quoted(path)).as_bytes())?;
            }
            let poured = pour_all(&dir, &files, pipe);
            // Whatever became of the files, git comes to an end in good order.
            pipe.write_all(end.as_bytes())?;
            tell.send(poured).ok();
            Ok(())
        };
        // A small pack would be taken apart again, into a file and a sync for each object.
        let call = self.call("fast-import").setting("fastimport.unpackLimit=0");
        let call = call.args(["--quiet", "--done"]).timeout(time);
        let call = match self.aside {
            // The index of the file as well: without it nothing in the file is found.
            None => call.setting("core.fsync=committed,pack-metadata"),
            Some(_) => call,
        };
        let answer = call.run_fed(feed)?;
        let left = told.recv().map_err(|_| GitError::Unexpected { verb: "fast-import".to_owned() })??;
        let line = String::from_utf8_lossy(&answer.stdout).into_owned();
        let tree = match line.strip_prefix("040000 tree ").and_then(|rest| rest.split('\t').next()) {
            Some(hex) => oid("fast-import", hex.as_bytes())?,
            None if line.starts_with("missing ") => oid("fast-import", self.empty_tree().as_bytes())?,
            None => return Err(GitError::Unexpected { verb: "fast-import".to_owned() }),
        };
        Ok(Poured { tree, left })
    }

    /// A commit to hang the tree on. It is the same for the same tree, so that of what is looked at twice nothing is written twice.
    fn head_of_stream(&self, parent: Option<&Oid>) -> String {
        let from = parent.map_or(String::new(), |parent| format!("from {parent}\n"));
        format!("commit {SURVEY}\ncommitter Coditect <coditect@localhost.invalid> 0 +0000\ndata 0\n{from}")
    }

    /// Asks for the tree, and has no ref point at the commit.
    fn end_of_stream(&self) -> String {
        format!("ls \"\"\n\nreset {SURVEY}\nfrom {}\n\ndone\n", self.zero())
    }
}

/// How long git may take: what it is held to otherwise, and longer for many bytes, which it gets as they are read.
fn time_for<'a>(dir: &Dir, files: impl Iterator<Item = &'a RepoPath>) -> Duration {
    let size = |path: &RepoPath| dir.symlink_metadata(path.as_str()).map_or(0, |meta| meta.len());
    let bytes: u64 = files.map(|path| size(path).min(POURED_FILE_MAX)).sum();
    TIMEOUT + Duration::from_secs(bytes / POURED_A_SECOND)
}

/// The first fault ends it.
fn pour_all(
    dir: &Dir,
    files: &BTreeMap<RepoPath, Conversion>,
    pipe: &mut dyn Write,
) -> Result<BTreeSet<RepoPath>, GitError> {
    let mut left = BTreeSet::new();
    for (path, conversion) in files {
        let Some((mode, content)) = read(dir, path, *conversion)? else {
            left.insert(path.clone());
            continue;
        };
        let head = format!("M {mode} inline {}\ndata {}\n", quoted(path), content.len());
        let written = pipe.write_all(head.as_bytes()).and_then(|()| pipe.write_all(&content));
        written
            .and_then(|()| pipe.write_all(b"\n"))
            .map_err(|error| GitError::io(format!("store {path}"), error))?;
    }
    Ok(left)
}

/// A file or a link as git stores it; none when git itself must make something of it, or it is too large.
fn read(
    dir: &Dir,
    path: &RepoPath,
    conversion: Conversion,
) -> Result<Option<(&'static str, Vec<u8>)>, GitError> {
    let failed = |error| GitError::io(format!("read {path}"), error);
    if !presence(dir, path)? {
        return Err(failed(std::io::ErrorKind::NotFound.into()));
    }
    if dir.symlink_metadata(path.as_str()).map_err(failed)?.is_symlink() {
        let target = dir.read_link_contents(path.as_str()).map_err(failed)?;
        return Ok(Some(("120000", target.as_os_str().as_bytes().to_vec())));
    }
    // Without O_NONBLOCK a pipe put there after the look would hold us for ever.
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let opened = dir.open_with(path.as_str(), OpenOptions::new().read(true).custom_flags(flags));
    let file = opened.map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if !found.is_file() {
        return Err(GitError::NotAFile(path.clone()));
    }
    if found.len() > POURED_FILE_MAX {
        return Ok(None);
    }
    let mut content = Vec::new();
    file.into_std().take(POURED_FILE_MAX + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > POURED_FILE_MAX || !conversion.keeps(&content) {
        return Ok(None);
    }
    Ok(Some((if found.mode() & 0o100 == 0 { "100644" } else { "100755" }, content)))
}

/// A path as the stream names it: a [`RepoPath`] has neither a backslash nor the end of a line in it.
fn quoted(path: &RepoPath) -> String {
    format!("\"{}\"", path.as_str().replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_bytes_have_more_time() {
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(place.path(), cap_std::ambient_authority()).unwrap();
        let paths: Vec<RepoPath> = ["a", "b", "huge", "gone"].map(|name| name.parse().unwrap()).to_vec();
        assert_eq!(time_for(&dir, paths.iter()), TIMEOUT);
        for (name, bytes) in [("a", 1), ("b", POURED_A_SECOND), ("huge", 10 * POURED_FILE_MAX)] {
            std::fs::File::create(place.path().join(name)).unwrap().set_len(bytes).unwrap();
        }
        // The huge one is copied, and the stream only finds out that it is.
        let seconds = 1 + POURED_FILE_MAX / POURED_A_SECOND;
        assert_eq!(time_for(&dir, paths.iter()), TIMEOUT + Duration::from_secs(seconds));
    }
}
