//! The history of the current branch.

use crate::commit::parse_signature;
use crate::tree::named;
use crate::{Author, GitError, Oid, Repository};
use model::{RepoPath, Timestamp};

/// Most entries one call gives.
pub const LOG_MAX: usize = 1_000;

/// One commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    pub oid: Oid,
    pub parents: Vec<Oid>,
    pub author: Author,
    /// Time of the commit.
    pub at: Timestamp,
    pub subject: String,
    pub co_authors: Vec<Author>,
    /// Files it changed against its parent, sorted; empty for merges.
    pub files: Vec<RepoPath>,
}

impl Repository {
    /// The newest `limit` commits (at most [`LOG_MAX`]) reachable from HEAD, newest first.
    pub fn log(&self, limit: usize) -> Result<Vec<LogEntry>, GitError> {
        let Some(head) = self.head()? else { return Ok(Vec::new()) };
        let limit = format!("--max-count={}", limit.min(LOG_MAX));
        let answer = self.call("rev-list").args([limit.as_str(), head.as_str()]).run()?;
        let listed = String::from_utf8_lossy(&answer.stdout);
        let oids: Vec<Oid> = listed.lines().filter_map(|line| line.parse().ok()).collect();
        let commits = self.read_commits(&oids)?;
        let mut changes = self.compare_commits(&oids)?;
        let entries = oids.into_iter().zip(commits).map(|(oid, commit)| {
            let message = String::from_utf8_lossy(&commit.message).into_owned();
            LogEntry {
                files: named(changes.remove(oid.as_str().as_bytes()).unwrap_or_default().keys()),
                author: parse_signature(&commit.author).0,
                at: parse_signature(&commit.committer).1,
                subject: message.trim_start().lines().next().unwrap_or_default().to_owned(),
                co_authors: co_authors(&message),
                parents: commit.parents,
                oid,
            }
        });
        Ok(entries.collect())
    }
}

/// The `Co-authored-by` trailers: those in the last paragraph.
fn co_authors(message: &str) -> Vec<Author> {
    let last = message.trim_end().rsplit("\n\n").next().unwrap_or_default();
    let trailers = last.lines().filter_map(|line| {
        let (key, who) = line.split_once(':')?;
        let (name, email) = who.trim().strip_suffix('>')?.split_once('<')?;
        key.eq_ignore_ascii_case("co-authored-by").then(|| Author::new(name, email))
    });
    trailers.collect()
}
