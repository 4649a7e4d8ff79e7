//! The sample: `examples/stint` as a git repository with one commit.

use super::scratch::Scratch;
use crate::output::Complaint;
use crate::process::command;
use cli::Host;
use git::{Git, GitError, LOG_MAX, LogEntry, Oid, Repository};
use std::path::{Path, PathBuf};
use std::process::Stdio;

include!(concat!(env!("OUT_DIR"), "/sample_files.rs"));

/// Who made the sample.
const AUTHOR: &str = "Stint";
const AUTHOR_EMAIL: &str = "stint@localhost.invalid";
const FIRST_MESSAGE: &str = "Stint, with tests that fail";

pub(crate) struct Sample {
    repository: Repository,
    path: PathBuf,
    /// The commit the agents start from.
    first: Oid,
}

impl Sample {
    pub(crate) fn make(host: &Host, scratch: &Scratch) -> Result<Self, Complaint> {
        let path = scratch.repo();
        write_files(&path)
            .map_err(|error| failed(format!("its files cannot be written to {}: {error}", path.display())))?;
        git(host, scratch, &["init", "--quiet", "--initial-branch=main"])?;
        git(host, scratch, &["add", "--all"])?;
        git(host, scratch, &["commit", "--quiet", "--message", FIRST_MESSAGE])?;
        let search_path = host.environment.get("PATH").cloned().unwrap_or_default();
        let open = || -> Result<(Repository, Option<Oid>), GitError> {
            let repository = Git::new(search_path, scratch.path().join("git")).open(&path)?;
            let head = repository.head()?;
            Ok((repository, head))
        };
        let (repository, head) = open().map_err(|error| failed(error.to_string()))?;
        let first = head.ok_or_else(|| failed("it has no commit".to_owned()))?;
        Ok(Self { repository, path, first })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What was committed after the first commit, newest first.
    pub(crate) fn commits(&self) -> Result<Vec<LogEntry>, Complaint> {
        let log = self.repository.log(LOG_MAX).map_err(|error| failed(error.to_string()))?;
        Ok(log.into_iter().take_while(|entry| entry.oid != self.first).collect())
    }
}

fn write_files(top: &Path) -> std::io::Result<()> {
    for (name, text) in FILES {
        let path = top.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, text)?;
    }
    Ok(())
}

/// Runs git with nobody's configuration, so that the first commit is the same everywhere.
fn git(host: &Host, scratch: &Scratch, args: &[&str]) -> Result<(), Complaint> {
    let mut git = command("git");
    git.current_dir(scratch.repo())
        .args(["-c", "commit.gpgSign=false", "-c", "core.hooksPath=/dev/null"])
        .args(args)
        .env_clear()
        .env("PATH", host.environment.get("PATH").map_or("", String::as_str))
        .env("HOME", scratch.path())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .envs([("GIT_AUTHOR_NAME", AUTHOR), ("GIT_COMMITTER_NAME", AUTHOR)])
        .envs([("GIT_AUTHOR_EMAIL", AUTHOR_EMAIL), ("GIT_COMMITTER_EMAIL", AUTHOR_EMAIL)])
        .stdin(Stdio::null());
    let answer = git.output().map_err(|error| failed(format!("git does not start: {error}")))?;
    if answer.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&answer.stderr);
    Err(failed(format!("git {}: {}", args.first().copied().unwrap_or_default(), said.trim())))
}

fn failed(reason: String) -> Complaint {
    Complaint::failed("sample_failed", format!("the sample repository cannot be made: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_in_the_binary() {
        let names: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        for name in ["package.json", "src/index.js", "test/duration.test.js"] {
            assert!(names.contains(&name), "{name} is not among {names:?}");
        }
        for agent in ["claude", "gemini", "kimi", "codex"] {
            assert!(PROMPT.contains(&format!("[[for {agent}]]")), "the prompt has nothing for {agent}");
        }
    }
}
