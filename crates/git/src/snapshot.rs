//! Snapshots: commits of chosen paths, made beside the user's HEAD and index.
//!
//! Invariant: git never reads the work tree here. The files are copied through a directory handle that
//! cannot be led outside, into a directory of ours, and git works on the copies with an index of ours.

use crate::commit::{Commit, signature};
use crate::conversion::Conversion;
use crate::pour::{POURED_MIN, Poured};
use crate::repository::oid;
use crate::tree::named;
use crate::{Author, GitError, Oid, Repository};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt, OpenOptions, OpenOptionsExt};
use model::{RepoPath, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Most paths in one snapshot.
pub const PATHS_MAX: usize = 2_000;
/// Largest file a snapshot takes, in bytes.
pub const FILE_MAX: u64 = 64 * 1024 * 1024;
/// Longest commit message without its co-authors, in bytes; longer ones are cut at a character.
pub const MESSAGE_MAX: usize = 64 * 1024;

/// What to commit.
#[derive(Debug)]
pub struct Snapshot<'a> {
    pub parent: Option<&'a Oid>,
    /// Their content is taken from the work tree; a file that is not there is a removal.
    pub paths: &'a [RepoPath],
    pub message: &'a str,
    /// Author and committer.
    pub author: &'a Author,
    pub co_authors: &'a [Author],
    pub at: Timestamp,
}

/// What was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// None when the paths are as in the parent, so that there is nothing to commit.
    pub commit: Option<Oid>,
    /// Paths that differ from the parent, sorted.
    pub changed: Vec<RepoPath>,
    /// Untracked paths the repository ignores; left out, as `git add` would.
    pub ignored: Vec<RepoPath>,
    /// Files with a content filter (such as LFS), which is never run here; left out, because the
    /// user's git would store something else.
    pub filtered: Vec<RepoPath>,
}

/// A tree with the work tree's content at some paths.
#[derive(Debug)]
pub(crate) struct Material {
    pub tree: Oid,
    pub(crate) ignored: Vec<RepoPath>,
    pub filtered: Vec<RepoPath>,
}

impl Repository {
    /// Makes a commit of the given paths on top of `parent`. Touches neither HEAD, nor a branch, nor
    /// the user's index, nor a file of the work tree.
    pub fn snapshot(&self, snapshot: &Snapshot<'_>) -> Result<Taken, GitError> {
        let Material { tree, ignored, filtered } = self.material(snapshot.parent, snapshot.paths)?;
        let differences = self.compare_trees(self.tree_of(snapshot.parent), tree.as_str())?;
        let changed = named(differences.keys());
        if differences.is_empty() {
            return Ok(Taken { commit: None, changed, ignored, filtered });
        }
        let line = signature(snapshot.author, snapshot.at);
        let commit = Commit {
            parents: snapshot.parent.into_iter().cloned().collect(),
            author: line.clone(),
            committer: line,
            message: message(snapshot).into_bytes(),
        };
        let commit = Some(self.write_commit(&tree, &commit)?);
        Ok(Taken { commit, changed, ignored, filtered })
    }

    /// The parent's tree with the work tree's content at these paths.
    pub(crate) fn material(&self, parent: Option<&Oid>, paths: &[RepoPath]) -> Result<Material, GitError> {
        if paths.len() > PATHS_MAX {
            return Err(GitError::TooMany { what: "paths", given: paths.len(), max: PATHS_MAX });
        }
        let (there, gone) = self.split_by_presence(paths)?;
        self.gather(parent, &there, &gone)
    }

    /// The same of files that are in the work tree, and of paths that are none there.
    fn gather(
        &self,
        parent: Option<&Oid>,
        there: &BTreeSet<RepoPath>,
        gone: &BTreeSet<RepoPath>,
    ) -> Result<Material, GitError> {
        let workshop = self.workshop()?;
        let index = workshop.path().join("index");
        self.lay_out_index(self.tree_of(parent), &index).map_err(|error| match parent {
            Some(parent) => self.or_no_object(error, parent),
            None => error,
        })?;
        let ignored = self.ignored(there, &index)?;
        let asked = || self.call("check-attr").index(&index);
        let filtered = filtered(&self.conversions(asked, there)?);
        let wanted = there.iter().filter(|path| !ignored.contains(*path) && !filtered.contains(*path));
        let tree = self.with_copies(wanted, gone, (workshop.path(), &index))?;
        Ok(Material {
            tree,
            ignored: ignored.into_iter().collect(),
            filtered: filtered.into_iter().collect(),
        })
    }

    /// The same of any number of files and paths that git has listed as changed, new or gone: none of them is ignored.
    pub(crate) fn gather_listed(
        &self,
        parent: Option<&Oid>,
        there: &BTreeSet<RepoPath>,
        gone: &BTreeSet<RepoPath>,
    ) -> Result<Material, GitError> {
        let conversions = self.conversions(|| self.call("check-attr"), there)?;
        let filtered = filtered(&conversions);
        let wanted: BTreeMap<RepoPath, Conversion> =
            conversions.into_iter().filter(|(_, one)| !one.filtered).collect();
        let nothing = wanted.is_empty() && gone.is_empty();
        let tree = if nothing {
            parent
                .map_or_else(|| oid("empty", self.empty_tree().as_bytes()), |parent| self.tree_at(parent))?
        } else if wanted.len() >= POURED_MIN && self.is_faithful() {
            let Poured { tree, left } = self.pour(parent, wanted, gone)?;
            if left.is_empty() { tree } else { self.laid_on(tree.as_str(), &left, &BTreeSet::new())? }
        } else {
            self.laid_on(self.tree_of(parent), &wanted.into_keys().collect(), gone)?
        };
        Ok(Material { tree, ignored: Vec::new(), filtered: filtered.into_iter().collect() })
    }

    /// A tree with copies of these files and without what is gone.
    fn laid_on(
        &self,
        tree: &str,
        there: &BTreeSet<RepoPath>,
        gone: &BTreeSet<RepoPath>,
    ) -> Result<Oid, GitError> {
        let workshop = self.workshop()?;
        let index = workshop.path().join("index");
        self.lay_out_index(tree, &index)?;
        self.with_copies(there, gone, (workshop.path(), &index))
    }

    fn lay_out_index(&self, tree: &str, index: &Path) -> Result<(), GitError> {
        self.call("read-tree").arg(tree).index(index).run().map(drop)
    }

    /// The index's tree with copies of these files and without what is gone.
    fn with_copies<'a>(
        &self,
        there: impl IntoIterator<Item = &'a RepoPath>,
        gone: &BTreeSet<RepoPath>,
        (workshop, index): (&Path, &Path),
    ) -> Result<Oid, GitError> {
        let copies = workshop.join("files");
        std::fs::create_dir(&copies).map_err(|e| GitError::io("make the snapshot's directory", e))?;
        let source = self.work_tree()?;
        let mut names = Vec::new();
        for path in there {
            copy(&source, path, &copies.join(path.as_str()))?;
            names.extend_from_slice(path.as_str().as_bytes());
            names.push(0);
        }
        if !gone.is_empty() {
            // Without a look at the work tree, where a folder or a link may have taken the name.
            let call = self.call("update-index").args(["--force-remove", "-z", "--stdin"]);
            call.stdin(zero_separated(gone)).index(index).work_tree(&copies).run()?;
        }
        let call = self.call("update-index").args(["--add", "--replace", "-z", "--stdin"]);
        call.stdin(names).index(index).work_tree(&copies).run()?;
        self.write_tree(index)
    }

    pub(crate) fn work_tree(&self) -> Result<Dir, GitError> {
        Dir::open_ambient_dir(self.top(), ambient_authority())
            .map_err(|_| GitError::Missing(self.top().to_owned()))
    }

    /// Files and links that are in the work tree, and paths that are not.
    fn split_by_presence(
        &self,
        paths: &[RepoPath],
    ) -> Result<(BTreeSet<RepoPath>, BTreeSet<RepoPath>), GitError> {
        let dir = self.work_tree()?;
        let (mut there, mut gone) = (BTreeSet::new(), BTreeSet::new());
        for path in paths {
            if presence(&dir, path)? {
                there.insert(path.clone())
            } else {
                gone.insert(path.clone())
            };
        }
        Ok((there, gone))
    }

    /// Of untracked paths, those the repository's ignore files name.
    fn ignored(&self, paths: &BTreeSet<RepoPath>, index: &Path) -> Result<BTreeSet<RepoPath>, GitError> {
        // The verb takes patterns; with `./` before it a name that begins with `:` is still a name.
        let names: String = paths.iter().map(|path| format!("./{path}\0")).collect();
        let call = self.call("check-ignore").args(["-z", "--stdin"]).not_literal().stdin(names);
        let answer = call.index(index).codes(&[0, 1]).run()?;
        Ok(split_zero(&answer.stdout).filter_map(|path| path.parse().ok()).collect())
    }

    /// Paths whose attributes name a content filter, by the user's own index.
    pub fn with_filter(&self, paths: &[RepoPath]) -> Result<BTreeSet<RepoPath>, GitError> {
        Ok(filtered(&self.conversions(|| self.call("check-attr"), paths)?))
    }
}

fn filtered(conversions: &BTreeMap<RepoPath, Conversion>) -> BTreeSet<RepoPath> {
    conversions.iter().filter(|(_, one)| one.filtered).map(|(path, _)| path.clone()).collect()
}

/// True for a file or a link, false for nothing; refuses everything else, and what lies behind a
/// link, because git would see the link there and not the file.
pub(crate) fn presence(dir: &Dir, path: &RepoPath) -> Result<bool, GitError> {
    let full = Path::new(path.as_str());
    let mut prefix = PathBuf::new();
    for part in full.components() {
        prefix.push(part);
        let found = match dir.symlink_metadata(&prefix) {
            Ok(found) => found,
            Err(error) if is_absence(&error) => return Ok(false),
            Err(error) => return Err(GitError::io(format!("look at {path}"), error)),
        };
        if prefix == full {
            let fits = found.is_file() || found.is_symlink();
            return if fits { Ok(true) } else { Err(GitError::NotAFile(path.clone())) };
        }
        if found.is_symlink() {
            return Err(GitError::BeyondSymlink(path.clone()));
        }
    }
    Ok(false)
}

fn is_absence(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

/// Copies a file or a link out of the work tree.
fn copy(source: &Dir, path: &RepoPath, to: &Path) -> Result<(), GitError> {
    let failed = |error| GitError::io(format!("copy {path}"), error);
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    if source.symlink_metadata(path.as_str()).map_err(failed)?.is_symlink() {
        let target = source.read_link_contents(path.as_str()).map_err(failed)?;
        return symlink(target, to).map_err(failed);
    }
    // Without O_NONBLOCK a pipe put there after the look would hold us for ever.
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file =
        source.open_with(path.as_str(), OpenOptions::new().read(true).custom_flags(flags)).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if !found.is_file() {
        return Err(GitError::NotAFile(path.clone()));
    }
    let mut copy = std::fs::File::create_new(to).map_err(failed)?;
    let bytes = std::io::copy(&mut file.into_std().take(FILE_MAX + 1), &mut copy).map_err(failed)?;
    if bytes > FILE_MAX {
        return Err(GitError::FileTooLarge { path: path.clone(), bytes: found.len(), max: FILE_MAX });
    }
    let mode = if found.mode() & 0o100 == 0 { 0o644 } else { 0o755 };
    copy.set_permissions(std::fs::Permissions::from_mode(mode)).map_err(failed)
}

/// The message with a `Co-authored-by` trailer per co-author that is not the author.
fn message(snapshot: &Snapshot<'_>) -> String {
    let end = snapshot.message.floor_char_boundary(MESSAGE_MAX);
    let mut message = snapshot.message[..end].replace('\0', "").trim().to_owned();
    let mut named = vec![snapshot.author];
    for co_author in snapshot.co_authors {
        if !named.contains(&co_author) {
            message.push_str(if named.len() == 1 { "\n\n" } else { "\n" });
            message.push_str(&format!("Co-authored-by: {co_author}"));
            named.push(co_author);
        }
    }
    message.push('\n');
    message
}

pub(crate) fn zero_separated<'a>(paths: impl IntoIterator<Item = &'a RepoPath>) -> Vec<u8> {
    paths.into_iter().flat_map(|path| path.as_str().bytes().chain([0])).collect()
}

fn split_zero(bytes: &[u8]) -> impl Iterator<Item = String> + '_ {
    let tokens = bytes.split(|byte| *byte == 0).filter(|token| !token.is_empty());
    tokens.map(|token| String::from_utf8_lossy(token).into_owned())
}
