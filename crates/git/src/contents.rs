//! Files of a tree as a checkout would write them, one after the other, without a folder to check them out into.
//!
//! Invariant: no more than [`READ_AT_ONCE`] bytes of them are in memory, and one file; what git must make something of, and what
//! is large, lies in a folder of ours while it is looked at.

use crate::compare::{Standing, standing};
use crate::conversion::Conversion;
use crate::repository::oid;
use crate::snapshot::zero_separated;
use crate::{GitError, Oid, Repository};
use model::RepoPath;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Bytes that are asked of git at once.
const READ_AT_ONCE: u64 = 8 * 1024 * 1024;
/// Larger files are written into a folder, in bytes.
const READ_FILE_MAX: u64 = 4 * 1024 * 1024;

/// A file of a tree. Of a link the bytes are its target.
#[derive(Debug)]
pub enum Content<'a> {
    Bytes(Standing, &'a [u8]),
    /// It lies here, as the checkout would leave it.
    At(&'a Path),
}

/// What a tree has at a path.
struct Entry {
    path: RepoPath,
    standing: Standing,
    blob: Oid,
}

impl Repository {
    /// Hands over what a tree has at these paths. Those that it does not have, and submodules, are left out.
    pub fn contents<E: From<GitError>>(
        &self,
        tree: &Oid,
        paths: &[RepoPath],
        mut take: impl FnMut(&RepoPath, Content<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if paths.is_empty() {
            return Ok(());
        }
        let workshop = self.workshop()?;
        let (index, files) = (workshop.path().join("index"), workshop.path().join("files"));
        std::fs::create_dir(&files).map_err(|error| GitError::io("make a directory for files", error))?;
        let entries = self.entries(tree, paths, &index)?;
        // By the attributes of that tree, as a checkout of it would have them.
        let asked = || self.call("check-attr").index(&index).work_tree(&files);
        let conversions = self.conversions(asked, entries.iter().map(|entry| &entry.path))?;
        let gives = |entry: &Entry| conversions.get(&entry.path).copied().is_some_and(Conversion::gives);
        let sizes = self.sizes(&entries)?;
        let (mut at_once, mut bytes, mut unpacked) = (Vec::new(), 0, Vec::new());
        for entry in &entries {
            let size = sizes.get(&entry.blob).copied().unwrap_or(u64::MAX);
            // Where the repository has no links, a checkout makes plain files of them.
            let plain = if entry.standing == Standing::Link { self.is_faithful() } else { gives(entry) };
            if size > READ_FILE_MAX || !plain {
                unpacked.push(entry.path.clone());
                continue;
            }
            if bytes + size > READ_AT_ONCE {
                self.hand_over(&at_once, &mut take)?;
                (bytes, at_once) = (0, Vec::new());
            }
            bytes += size;
            at_once.push(entry);
        }
        self.hand_over(&at_once, &mut take)?;
        if !unpacked.is_empty() {
            let call = self.call("checkout-index").args(["--force", "-z", "--stdin"]);
            call.stdin(zero_separated(&unpacked)).index(&index).work_tree(&files).run()?;
            for path in &unpacked {
                take(path, Content::At(&files.join(path.as_str())))?;
            }
        }
        Ok(())
    }

    /// What of these the tree has, with an index of it.
    fn entries(&self, tree: &Oid, paths: &[RepoPath], index: &Path) -> Result<Vec<Entry>, GitError> {
        if let Err(error) = self.call("read-tree").arg(tree.as_str()).index(index).run() {
            return Err(self.or_no_object(error, tree));
        }
        let listed = self.call("ls-files").args(["-z", "--cached", "--stage"]).index(index).run()?.stdout;
        let wanted: BTreeSet<&str> = paths.iter().map(RepoPath::as_str).collect();
        let mut entries = Vec::new();
        for line in listed.split(|byte| *byte == 0) {
            let Some((head, path)) = std::str::from_utf8(line).ok().and_then(|line| line.split_once('\t'))
            else {
                continue;
            };
            let mut words = head.split(' ');
            let (Some(mode), Some(hex)) = (words.next(), words.next()) else { continue };
            let (true, Ok(path)) = (wanted.contains(path), path.parse()) else { continue };
            match standing(mode) {
                None | Some(Standing::Submodule) => {}
                Some(standing) => {
                    entries.push(Entry { path, standing, blob: oid("ls-files", hex.as_bytes())? })
                }
            }
        }
        Ok(entries)
    }

    fn sizes(&self, entries: &[Entry]) -> Result<BTreeMap<Oid, u64>, GitError> {
        let list: String = entries.iter().map(|entry| format!("{}\n", entry.blob)).collect();
        let call = self.call("cat-file").arg("--batch-check=%(objectname) %(objectsize)").stdin(list);
        let text = String::from_utf8_lossy(&call.run()?.stdout).into_owned();
        let mut sizes = BTreeMap::new();
        for (entry, line) in entries.iter().zip(text.lines()) {
            let size = line.split_once(' ').and_then(|(_, size)| size.parse().ok());
            sizes.insert(entry.blob.clone(), size.ok_or_else(|| GitError::NoObject(entry.blob.clone()))?);
        }
        Ok(sizes)
    }

    fn hand_over<E: From<GitError>>(
        &self,
        entries: &[&Entry],
        take: &mut impl FnMut(&RepoPath, Content<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if entries.is_empty() {
            return Ok(());
        }
        let unexpected = || GitError::Unexpected { verb: "cat-file".to_owned() };
        let list: String = entries.iter().map(|entry| format!("{}\n", entry.blob)).collect();
        let answer = self.call("cat-file").arg("--batch=%(objectsize)").stdin(list).run()?.stdout;
        let mut rest = answer.as_slice();
        for entry in entries {
            let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(unexpected)?;
            let size = std::str::from_utf8(&rest[..end]).ok().and_then(|size| size.parse::<usize>().ok());
            let from = end + 1;
            let to = from + size.ok_or_else(|| GitError::NoObject(entry.blob.clone()))?;
            let bytes = rest.get(from..to).ok_or_else(unexpected)?;
            take(&entry.path, Content::Bytes(entry.standing, bytes))?;
            rest = rest.get(to + 1..).ok_or_else(unexpected)?;
        }
        Ok(())
    }
}
