//! What a worktree holds that would be lost with it.
//!
//! Invariant: whatever cannot be seen counts as something that would be lost.

use crate::{GitError, Oid, Repository};
use model::RepoPath;
use std::fs;
use std::io::Read;
use std::path::Path;

/// Longest list of stashes read, in bytes; of a longer one every branch counts as stashed on.
const STASHES_MAX: u64 = 4 * 1024 * 1024;
/// Files named of each kind; the others are counted.
const NAMED_MAX: usize = 5;

/// What git leaves in a worktree's own folder while something is under way in it.
const UNDER_WAY: [(&str, &str); 7] = [
    ("MERGE_HEAD", "a merge"),
    ("rebase-merge", "a rebase"),
    ("rebase-apply", "a rebase"),
    ("CHERRY_PICK_HEAD", "a cherry-pick"),
    ("REVERT_HEAD", "a revert"),
    ("BISECT_LOG", "a bisection"),
    ("index.lock", "another git"),
];

/// What is in a worktree and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// Where it stands; none on an unborn branch.
    pub head: Option<Oid>,
    pub branch: Option<String>,
    /// Changed, staged or untracked; ignored files do not count.
    pub dirty: Vec<RepoPath>,
    /// Such files with names we cannot name, folders with a repository of their own included.
    pub unnamable: usize,
    /// Commits that no other branch, tag or remote has.
    pub unlanded: usize,
    /// Stashes that were made on its branch.
    pub stashes: usize,
    /// Submodules that are filled.
    pub submodules: usize,
    /// Files whose changes git was told not to look at.
    pub hidden: usize,
    /// What is under way in it.
    pub under_way: Option<&'static str>,
    /// Why somebody locked it; not our own lock.
    pub locked: Option<String>,
}

impl Holding {
    /// Why it cannot go, in words; none when all it holds is elsewhere, too.
    pub fn reason(&self) -> Option<String> {
        let mut reasons = Vec::new();
        if let Some(locked) = &self.locked {
            let why = if locked.is_empty() { "no reason is given" } else { locked };
            reasons.push(format!("it is locked for git: {why}"));
        }
        if let Some(what) = self.under_way {
            reasons.push(format!("{what} is under way in it"));
        }
        if !self.dirty.is_empty() || self.unnamable > 0 {
            reasons.push(format!("not committed: {}", self.dirty_words()));
        }
        for (count, one, many) in [
            (self.unlanded, "commit not landed", "commits not landed"),
            (self.stashes, "stash of its branch", "stashes of its branch"),
            (self.submodules, "submodule with files", "submodules with files"),
            (self.hidden, "file whose changes git does not show", "files whose changes git does not show"),
        ] {
            if count > 0 {
                reasons.push(format!("{count} {}", if count == 1 { one } else { many }));
            }
        }
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }

    /// Some of the files that are not committed.
    pub fn dirty_words(&self) -> String {
        let (named, more) = self.dirty.split_at(self.dirty.len().min(NAMED_MAX));
        model::named(named, self.unnamable + more.len())
    }
}

impl Repository {
    /// What this worktree holds that is nowhere else in its repository.
    pub fn holding(&self) -> Result<Holding, GitError> {
        let head = self.head()?;
        let branch = self.branch()?;
        let status = self.status(&[])?;
        let unlanded = match &head {
            Some(head) => self.commits_only_here(head, branch.as_deref())?,
            None => 0,
        };
        let (submodules, hidden) = self.unseen()?;
        let ours = crate::site::LOCK_REASON.trim();
        let locked = fs::read_to_string(self.git_dir().join("locked")).ok();
        let locked = locked.map(|reason| reason.trim().to_owned()).filter(|reason| reason != ours);
        let under_way =
            UNDER_WAY.iter().find(|(name, _)| self.git_dir().join(name).symlink_metadata().is_ok());
        Ok(Holding {
            stashes: self.stashes_on(branch.as_deref()),
            head,
            branch,
            dirty: status.entries.into_iter().map(|entry| entry.path).collect(),
            unnamable: status.unnamable,
            unlanded,
            submodules,
            hidden,
            under_way: under_way.map(|(_, what)| *what),
            locked,
        })
    }

    /// Commits that can be reached from here and from no other branch, tag or remote. Branches that are lent do not
    /// count, and neither do refs of ours.
    fn commits_only_here(&self, head: &Oid, branch: Option<&str>) -> Result<usize, GitError> {
        let own = branch.map(|branch| format!("refs/heads/{branch}"));
        let elsewhere = self.reached_from(head)?.into_iter().any(|name| Some(&name) != own.as_ref());
        if elsewhere {
            return Ok(0);
        }
        let mut call = self.call("rev-list").args(["--count", head.as_str(), "--not"]);
        if let Some(branch) = branch {
            call = call.arg(format!("--exclude={branch}"));
        }
        let lent = format!("--exclude={}*", crate::LENT_PREFIX);
        let answer = call.args([lent.as_str(), "--branches", "--tags", "--remotes"]).run()?;
        let text = String::from_utf8_lossy(&answer.stdout);
        let count: usize =
            text.trim().parse().map_err(|_| GitError::Unexpected { verb: "rev-list".to_owned() })?;
        // Nothing else has its newest commit, so there is one at least.
        Ok(count.max(1))
    }

    /// Filled submodules, and files that are there though git was told not to look at them.
    fn unseen(&self) -> Result<(usize, usize), GitError> {
        let answer = self.call("ls-files").args(["-z", "-v", "--stage"]).run()?;
        let (mut submodules, mut hidden) = (0, 0);
        for entry in answer.stdout.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()) {
            // `H 100644 <oid> 0\t<path>`; a small letter is assume-unchanged, an S skip-worktree.
            let unexpected = || GitError::Unexpected { verb: "ls-files".to_owned() };
            let tab = entry.iter().position(|byte| *byte == b'\t').ok_or_else(unexpected)?;
            let (head, path) = (&entry[..tab], &entry[tab + 1..]);
            let there =
                || self.top().join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(path));
            let [tag, b' ', mode @ ..] = head else { return Err(unexpected()) };
            if mode.starts_with(b"160000")
                && fs::read_dir(there()).is_ok_and(|mut inside| inside.next().is_some())
            {
                submodules += 1;
            }
            if (tag.is_ascii_lowercase() || *tag == b'S') && there().symlink_metadata().is_ok() {
                hidden += 1;
            }
        }
        Ok((submodules, hidden))
    }

    /// Stashes belong to the repository and not to a worktree; those made on its branch are of work done in it.
    fn stashes_on(&self, branch: Option<&str>) -> usize {
        let (there, log) = (self.common_dir().join("refs/stash"), self.common_dir().join("logs/refs/stash"));
        let text = match read_log(&log) {
            Ok(Some(text)) => text,
            Ok(None) => return usize::from(there.symlink_metadata().is_ok()),
            Err(()) => return 1,
        };
        let on = format!("on {}:", branch.unwrap_or("(no branch)"));
        let made_here = |line: &&str| {
            let said = line.split_once('\t').map_or("", |(_, said)| said);
            said.strip_prefix("WIP ").unwrap_or(said).to_lowercase().starts_with(&on.to_lowercase())
        };
        text.lines().filter(made_here).count()
    }
}

/// The text of a log; none when there is none, an error when it cannot be read as a whole.
fn read_log(log: &Path) -> Result<Option<String>, ()> {
    let file = match fs::File::open(log) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(_) => return Err(()),
    };
    let mut bytes = Vec::new();
    file.take(STASHES_MAX + 1).read_to_end(&mut bytes).map_err(drop)?;
    if bytes.len() as u64 > STASHES_MAX {
        return Err(());
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}
