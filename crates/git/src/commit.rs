//! Commit objects, written and read as bytes, so that nothing but their content decides what they are.

use crate::repository::oid;
use crate::{Author, GitError, Oid, Repository};
use model::Timestamp;

/// A commit as stored.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    pub parents: Vec<Oid>,
    /// The rest of the author line after `author `, as bytes.
    pub author: Vec<u8>,
    pub committer: Vec<u8>,
    pub message: Vec<u8>,
}

impl Repository {
    pub(crate) fn write_commit(&self, tree: &Oid, commit: &Commit) -> Result<Oid, GitError> {
        let mut bytes = format!("tree {tree}\n").into_bytes();
        for parent in &commit.parents {
            bytes.extend_from_slice(format!("parent {parent}\n").as_bytes());
        }
        for (name, line) in [("author ", &commit.author), ("committer ", &commit.committer)] {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(line);
            bytes.push(b'\n');
        }
        bytes.push(b'\n');
        bytes.extend_from_slice(&commit.message);
        let call = self.call("hash-object").args(["-t", "commit", "-w", "--stdin"]).stdin(bytes);
        oid("hash-object", &call.run()?.stdout)
    }

    /// The first parent of a commit; none for the first commit of a history.
    pub fn parent(&self, commit: &Oid) -> Result<Option<Oid>, GitError> {
        let read = self.read_commits(std::slice::from_ref(commit))?;
        Ok(read.into_iter().next().and_then(|commit| commit.parents.into_iter().next()))
    }

    /// Reads commits in one go; in the order given.
    pub(crate) fn read_commits(&self, commits: &[Oid]) -> Result<Vec<Commit>, GitError> {
        let list: String = commits.iter().map(|commit| format!("{commit}\n")).collect();
        let answer = self.call("cat-file").arg("--batch").stdin(list).run()?;
        let mut rest = answer.stdout.as_slice();
        let mut read = Vec::with_capacity(commits.len());
        for commit in commits {
            let unexpected = || GitError::Unexpected { verb: "cat-file".to_owned() };
            let (head, body) = split_at_byte(rest, b'\n').ok_or_else(unexpected)?;
            let head = String::from_utf8_lossy(head);
            let Some((_, size)) = head.split_once(" commit ") else {
                return Err(GitError::NoObject(commit.clone()));
            };
            let size: usize = size.parse().map_err(|_| unexpected())?;
            let bytes = body.get(..size).ok_or_else(unexpected)?;
            read.push(parse(bytes).ok_or_else(unexpected)?);
            rest = body.get(size + 1..).ok_or_else(unexpected)?;
        }
        Ok(read)
    }
}

/// The rest of an author or committer line.
pub(crate) fn signature(author: &Author, at: Timestamp) -> Vec<u8> {
    format!("{author} {} +0000", at.as_millis().div_euclid(1000).max(0)).into_bytes()
}

/// Who and when, of an author or committer line.
pub(crate) fn parse_signature(line: &[u8]) -> (Author, Timestamp) {
    let text = String::from_utf8_lossy(line);
    let (who, when) = text.rsplit_once("> ").unwrap_or((&text, ""));
    let (name, email) = who.split_once('<').unwrap_or((who, ""));
    let seconds: i64 = when.split(' ').next().and_then(|s| s.parse().ok()).unwrap_or(0);
    (Author::new(name, email), Timestamp::from_millis(seconds.saturating_mul(1000)))
}

fn parse(bytes: &[u8]) -> Option<Commit> {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n")?;
    let (headers, message) = (bytes.get(..end)?, bytes.get(end + 2..)?.to_vec());
    let mut commit = Commit { parents: Vec::new(), author: Vec::new(), committer: Vec::new(), message };
    for line in headers.split(|byte| *byte == b'\n') {
        match split_at_byte(line, b' ') {
            Some((b"parent", hex)) => commit.parents.push(std::str::from_utf8(hex).ok()?.parse().ok()?),
            Some((b"author", line)) => commit.author = line.to_vec(),
            Some((b"committer", line)) => commit.committer = line.to_vec(),
            _ => {}
        }
    }
    Some(commit)
}

fn split_at_byte(bytes: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|b| *b == byte)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}
