//! Landings that were cut off: the branch has moved, and the checkout it is out in does not show it yet.
//!
//! Invariant: from before the branch moves until index and files show it, a note of it lies beside the index. Whoever comes next
//! brings them up to it, or takes the branch back; without that, what landed would look as if somebody had removed it.

use crate::listed::listed;
use crate::site::place;
use crate::{GitError, Oid, Repository, discover};
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// What the note is called, in the work tree's own git folder.
const NOTE: &str = "coditect-landing";
/// Longest note read, in bytes: two ids.
const NOTE_MAX: u64 = 256;
/// Stands for no commit.
const UNBORN: &str = "-";

/// What became of a landing that was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HalfLanded {
    /// There is none, or it had come to its end.
    No,
    /// The checkout shows it now.
    Finished,
    /// The branch is where it was: something of the user's has come into its way since.
    TakenBack,
}

/// Work trees of the repository at `path` in which a landing was cut off. Reads files and runs nothing.
pub fn half_landed(path: &Path) -> Vec<PathBuf> {
    let Ok(found) = discover::discover(path) else { return Vec::new() };
    let noted = |git_dir: &Path| git_dir.join(NOTE).symlink_metadata().is_ok();
    let mut tops: Vec<PathBuf> = noted(&found.git_dir).then_some(found.top).into_iter().collect();
    let admins = fs::read_dir(found.common_dir.join("worktrees")).into_iter().flatten().flatten();
    tops.extend(admins.map(|entry| entry.path()).filter(|admin| noted(admin)).filter_map(|admin| {
        let one = listed(&admin)?;
        (!one.missing).then_some(one.path)
    }));
    tops
}

impl Repository {
    /// Says, durably, that the branch is about to move.
    pub(crate) fn note_landing(&self, old: Option<&Oid>, new: &Oid) -> Result<(), GitError> {
        let note = self.git_dir().join(NOTE);
        let text = format!("{} {new}\n", old.map_or(UNBORN, Oid::as_str));
        let written = place(&note, &text).and_then(|()| fs::File::open(&note)?.sync_all());
        written.map_err(|error| GitError::io(format!("write {}", note.display()), error))
    }

    /// Branch, index and files go together again.
    pub(crate) fn landing_is_over(&self) {
        // One that stays is looked at the next time, and found to be over.
        let _ = fs::remove_file(self.git_dir().join(NOTE));
    }

    fn noted_landing(&self) -> Result<Option<(Option<Oid>, Oid)>, GitError> {
        let note = self.git_dir().join(NOTE);
        let failed = |error| GitError::io(format!("read {}", note.display()), error);
        match note.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
            // Whoever works there could have put anything in its place.
            Ok(meta) if !meta.is_file() => return Ok(None),
            Ok(_) => {}
        }
        let mut text = Vec::new();
        fs::File::open(&note).and_then(|file| file.take(NOTE_MAX).read_to_end(&mut text)).map_err(failed)?;
        let text = String::from_utf8_lossy(&text);
        let Some((old, new)) = text.trim().split_once(' ') else { return Ok(None) };
        let old = if old == UNBORN { Some(None) } else { old.parse().ok().map(Some) };
        Ok(old.zip(new.parse().ok()))
    }

    /// Brings index and files to where a landing that was cut off had moved the branch. Where something of the user's is in the
    /// way now, the branch goes back instead. An index in which somebody has settled it by himself stays.
    pub fn finish_landing(&self) -> Result<HalfLanded, GitError> {
        let Some((old, new)) = self.noted_landing()? else {
            self.landing_is_over();
            return Ok(HalfLanded::No);
        };
        let base = self.tree_of(old.as_ref()).to_owned();
        let became = match self.head()?.as_ref() != Some(&new) || self.is_shown(&base, &new)? {
            true => HalfLanded::No,
            false => self.carry_on(&base, old.as_ref(), &new)?,
        };
        self.landing_is_over();
        Ok(became)
    }

    /// Whether the index has been brought up to it: git writes an index at once, so one file of it says so. Where the user has
    /// staged something else in every one of them it is left to him.
    fn is_shown(&self, base: &str, new: &Oid) -> Result<bool, GitError> {
        let (staged, lands) = (self.compare_index(base)?, self.compare_trees(base, new.as_str())?);
        let is_new =
            lands.iter().any(|(path, (_, after))| staged.get(path).is_some_and(|(_, index)| index == after));
        Ok(is_new || lands.keys().all(|path| staged.contains_key(path)))
    }

    fn carry_on(&self, base: &str, old: Option<&Oid>, new: &Oid) -> Result<HalfLanded, GitError> {
        self.call("update-index").args(["-q", "--refresh"]).codes(&[0, 1]).run()?;
        // The git of the one who was cut off may still be at it.
        match self.patiently(|| self.call("read-tree").args(["-m", "-u", base, new.as_str()])) {
            Ok(()) => Ok(HalfLanded::Finished),
            Err(GitError::Failed { stderr, .. }) if !stderr.contains("index.lock") => {
                let zero = self.zero();
                let back = old.map_or(zero.as_str(), Oid::as_str);
                let step = ["-m", "coditect: land taken back", "HEAD", back, new.as_str()];
                self.patiently(|| self.call("update-ref").args(step))?;
                Ok(HalfLanded::TakenBack)
            }
            Err(error) => Err(error),
        }
    }
}
