//! Hunks: which lines of the older side a change replaces.

use crate::{DIFF_PATHS_MAX, GitError, Oid, Repository};
use model::RepoPath;
use std::collections::BTreeMap;

/// Most text of differences that is read for hunks in one go, in bytes; files behind it count as changed whole.
const TEXT_MAX: usize = 16 * 1024 * 1024;

/// What a path was changed from and to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    /// None: it was not there.
    pub before: Option<Oid>,
    /// None: it is gone.
    pub after: Option<Oid>,
}

/// Lines of the older side that are replaced. A pure addition has no lines: it is between `start - 1` and `start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hunk {
    /// The first line, from 1.
    pub start: u32,
    pub lines: u32,
}

/// All hunks of a file; a change that cannot be told by lines is of the whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hunks {
    Whole,
    Lines(Vec<Hunk>),
}

impl Hunk {
    /// Whether both are about the same lines, or about lines side by side, which no merge takes apart.
    fn meets(self, other: Self) -> bool {
        let end = |hunk: Self| hunk.start.saturating_add(hunk.lines);
        self.start <= end(other) && other.start <= end(self)
    }
}

impl Hunks {
    /// Whether two changes of the same file are about the same lines.
    pub fn meet(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Lines(some), Self::Lines(others)) => {
                some.iter().any(|one| others.iter().any(|other| one.meets(*other)))
            }
            _ => true,
        }
    }
}

impl Repository {
    /// Paths that differ between two commits, none standing for nothing.
    pub fn touched(&self, from: Option<&Oid>, to: &Oid) -> Result<BTreeMap<RepoPath, Touched>, GitError> {
        let differences = self.compare_trees(self.tree_of(from), to.as_str())?;
        let there = |side: &crate::tree::Side| (!side.is_nothing()).then(|| side.oid.clone());
        let touched = differences.iter().filter_map(|(path, (before, after))| {
            let path = std::str::from_utf8(path).ok()?.parse().ok()?;
            Some((path, Touched { before: there(before), after: there(after) }))
        });
        Ok(touched.collect())
    }

    /// The hunks of these paths between two commits; a path that is not in the answer is as it was.
    pub fn hunks(
        &self,
        from: Option<&Oid>,
        to: &Oid,
        paths: &[RepoPath],
    ) -> Result<BTreeMap<RepoPath, Hunks>, GitError> {
        let mut found = BTreeMap::new();
        for some in paths.chunks(DIFF_PATHS_MAX) {
            let call = self.call("diff-tree").setting("core.quotePath=false");
            let call = call.args(["-r", "-p", "-U0", "--no-ext-diff", "--no-textconv", "--no-renames"]);
            let call = call.args(["--no-color", "--ignore-submodules=all", "--src-prefix=a/"]);
            let call = call.args(["--dst-prefix=b/", self.tree_of(from), to.as_str(), "--"]);
            let answer = call.args(some.iter().map(RepoPath::as_str)).cut_at(TEXT_MAX).run()?;
            let mut read = parse(&answer.stdout);
            if answer.cut {
                // The last of them may be cut, and what comes behind it was not read.
                let known: Vec<RepoPath> = read.keys().rev().skip(1).cloned().collect();
                read.retain(|path, _| known.contains(path));
                read.extend(
                    some.iter().filter(|path| !known.contains(path)).map(|path| (path.clone(), Hunks::Whole)),
                );
            }
            found.extend(read);
        }
        Ok(found)
    }
}

/// Reads unified differences without context. Lines of content begin with `+`, `-` or `\`, so no file can pose as a header.
fn parse(text: &[u8]) -> BTreeMap<RepoPath, Hunks> {
    let mut files: BTreeMap<RepoPath, Hunks> = BTreeMap::new();
    let mut open: Option<(RepoPath, Vec<Hunk>)> = None;
    for line in text.split(|byte| *byte == b'\n') {
        if let Some(names) = line.strip_prefix(b"diff --git ") {
            close(&mut files, open.take());
            open = named(names).map(|path| (path, Vec::new()));
        } else if let (Some(range), Some((_, hunks))) = (line.strip_prefix(b"@@ -"), &mut open) {
            hunks.extend(hunk(range));
        }
    }
    close(&mut files, open);
    files
}

/// A file that comes twice changed its type; one without a hunk is binary, or only its mode changed.
fn close(files: &mut BTreeMap<RepoPath, Hunks>, open: Option<(RepoPath, Vec<Hunk>)>) {
    let Some((path, hunks)) = open else { return };
    let whole = hunks.is_empty() || files.contains_key(&path);
    files.insert(path, if whole { Hunks::Whole } else { Hunks::Lines(hunks) });
}

/// The name in `a/NAME b/NAME`. One with quotes is quoted, and such a file counts as changed whole by whoever asked.
fn named(names: &[u8]) -> Option<RepoPath> {
    let name = names.get(2..2 + names.len().checked_sub(5)? / 2)?;
    let expected = [b"a/", name, b" b/", name].concat();
    (expected == names).then(|| std::str::from_utf8(name).ok()?.parse().ok())?
}

/// `12,3 +14 @@ …` as its older side.
fn hunk(range: &[u8]) -> Option<Hunk> {
    let range = std::str::from_utf8(range.split(|byte| *byte == b' ').next()?).ok()?;
    let (start, lines) = range.split_once(',').unwrap_or((range, "1"));
    let (start, lines): (u32, u32) = (start.parse().ok()?, lines.parse().ok()?);
    // Git names the line before an addition.
    Some(Hunk { start: if lines == 0 { start + 1 } else { start }, lines })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(given: &[(u32, u32)]) -> Hunks {
        Hunks::Lines(given.iter().map(|(start, lines)| Hunk { start: *start, lines: *lines }).collect())
    }

    #[test]
    fn lines_of_the_older_side_are_read_and_content_is_not_taken_for_a_header() {
        let text = b"diff --git a/x y b/x y\nindex 1..2 100644\n--- a/x y\n+++ b/x y\n@@ -3 +3,2 @@ fn\n-diff --git a/q b/q\n\
            +@@ -9 +9 @@\n+x\n@@ -7,0 +9,4 @@\n+a\ndiff --git a/bin b/bin\nBinary files a/bin and b/bin differ\n";
        let found = parse(text);
        assert_eq!(found[&"x y".parse().unwrap()], lines(&[(3, 1), (8, 0)]));
        assert_eq!(found[&"bin".parse().unwrap()], Hunks::Whole);
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn lines_side_by_side_meet_and_lines_apart_do_not() {
        assert!(lines(&[(3, 2)]).meet(&lines(&[(4, 1)])));
        assert!(lines(&[(3, 2)]).meet(&lines(&[(5, 1)])), "side by side");
        assert!(!lines(&[(3, 2)]).meet(&lines(&[(6, 1)])));
        assert!(lines(&[(3, 0)]).meet(&lines(&[(3, 0)])), "two additions at one place");
        assert!(!lines(&[(3, 0)]).meet(&lines(&[(5, 1)])));
        assert!(Hunks::Whole.meet(&lines(&[(1, 1)])));
    }
}
