//! Cloning: the one verb that reaches out.
//!
//! Git gets no configuration, no template, no credential helper and no other transport than the address's; it makes no
//! files but its own folder, and the work tree is made from that by the sealed git. Submodules are not followed.
//!
//! Invariant: the folder cloned into is made here, and whoever breaks off leaves it for the caller to delete as a whole.

use crate::process::Call;
use crate::url::Transport;
use crate::{CloneUrl, Git, GitError, Repository};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest a clone may take.
pub const CLONE_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// Most bytes a clone may bring.
pub const CLONE_BYTES_MAX: u64 = 32 * 1024 * 1024 * 1024;
/// Slower than so many bytes a second, for [`SLOW_SECONDS`], and it is given up.
const SLOW_BYTES: u32 = 500;
const SLOW_SECONDS: u32 = 60;
/// Bytes of a line of progress that are kept.
const LINE_MAX: usize = 400;

/// A clone to be made.
#[derive(Debug)]
pub struct CloneOrder<'a> {
    pub url: &'a CloneUrl,
    /// Not there yet; its parent is.
    pub to: &'a Path,
    /// Socket of the user's ssh agent.
    pub ssh_agent: Option<OsString>,
    pub bytes_max: u64,
    pub timeout: Duration,
}

/// How far a clone is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloneProgress {
    /// As git calls it: `Receiving objects`.
    pub phase: String,
    /// Of the phase; none before it is known.
    pub percent: Option<u8>,
    /// What is on disk.
    pub bytes: u64,
}

impl Git {
    /// Clones. `watch` is told how far it is, several times a second; when it answers false the clone is broken off.
    pub fn clone_repository(
        &self,
        order: &CloneOrder<'_>,
        watch: &mut dyn FnMut(&CloneProgress) -> bool,
    ) -> Result<Repository, GitError> {
        self.version()?;
        fs::create_dir(order.to).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => GitError::PathTaken(order.to.to_owned()),
            _ => GitError::io(format!("make {}", order.to.display()), error),
        })?;
        let mut heard = Heard { line: Vec::new(), last: None, dir: order.to, max: order.bytes_max };
        let mut too_large = false;
        let ran = self.clone_call(order).run_watched(&mut |bytes| {
            let progress = heard.hear(bytes);
            too_large = progress.bytes > order.bytes_max;
            !too_large && watch(&progress)
        });
        match ran {
            Ok(_) => {}
            Err(GitError::Canceled) if too_large => {
                return Err(GitError::CloneTooLarge { max: order.bytes_max });
            }
            Err(GitError::Failed { stderr, .. }) => {
                return Err(GitError::CloneFailed { reason: why(&stderr) });
            }
            Err(error) => return Err(error),
        }
        let repository = self.open(order.to)?;
        if repository.head()?.is_some() {
            repository.call("read-tree").args(["--reset", "-u", "HEAD"]).run()?;
        }
        Ok(repository)
    }

    fn clone_call<'a>(&'a self, order: &CloneOrder<'_>) -> Call<'a> {
        let transport = order.url.transport();
        let slow = [format!("http.lowSpeedLimit={SLOW_BYTES}"), format!("http.lowSpeedTime={SLOW_SECONDS}")];
        let mut call = self
            .call(None, "clone")
            .timeout(order.timeout)
            .environment("GIT_ALLOW_PROTOCOL", transport.allowed());
        if transport == Transport::Ssh {
            // It asks nobody: an unknown host or a key with a phrase and no agent is an error.
            call = call.environment("GIT_SSH_COMMAND", "ssh -oBatchMode=yes -oClearAllForwardings=yes");
            if let Some(agent) = &order.ssh_agent {
                call = call.environment("SSH_AUTH_SOCK", agent);
            }
        }
        for setting in slow.iter().map(String::as_str).chain([
            "transfer.fsckObjects=true",
            "transfer.bundleURI=false",
            "fetch.fsck.badTimezone=ignore",
            "fetch.fsck.missingSpaceBeforeDate=ignore",
            "fetch.fsck.zeroPaddedFilemode=ignore",
            "http.followRedirects=initial",
            "credential.helper=",
            "init.defaultBranch=main",
        ]) {
            call = call.setting(setting);
        }
        call.args([
            "--no-checkout",
            "--template=",
            "--no-recurse-submodules",
            "--no-local",
            "--no-hardlinks",
            "--progress",
        ])
        .arg("--")
        .arg(order.url.as_str())
        .arg(order.to)
    }
}

struct Heard<'a> {
    line: Vec<u8>,
    last: Option<CloneProgress>,
    dir: &'a Path,
    max: u64,
}

impl Heard<'_> {
    fn hear(&mut self, bytes: &[u8]) -> CloneProgress {
        for byte in bytes {
            match byte {
                b'\r' | b'\n' => {
                    self.last = read_line(&self.line).or(self.last.take());
                    self.line.clear();
                }
                byte if self.line.len() < LINE_MAX => self.line.push(*byte),
                _ => {}
            }
        }
        let bytes = on_disk(self.dir, self.max);
        match &self.last {
            Some(last) => CloneProgress { bytes, ..last.clone() },
            None => CloneProgress { phase: "Connecting".to_owned(), percent: None, bytes },
        }
    }
}

/// `Receiving objects:  45% (450/1000), 1.20 MiB | 1.00 MiB/s`, with `remote: ` before it or not.
fn read_line(line: &[u8]) -> Option<CloneProgress> {
    let text = String::from_utf8_lossy(line);
    let (phase, rest) = text.trim_start_matches("remote: ").split_once(':')?;
    let percent = rest.trim_start().split_once('%')?.0.parse().ok()?;
    let plain = phase.len() <= 40 && phase.chars().all(|c| c.is_ascii_alphabetic() || c == ' ');
    plain.then(|| CloneProgress { phase: phase.to_owned(), percent: Some(percent), bytes: 0 })
}

/// What the packs that are being received take; enough to see that there is too much.
fn on_disk(dir: &Path, enough: u64) -> u64 {
    let packs: PathBuf = dir.join(".git/objects/pack");
    let mut bytes = 0u64;
    for entry in fs::read_dir(packs).into_iter().flatten().flatten() {
        bytes = bytes.saturating_add(entry.metadata().map_or(0, |meta| meta.len()));
        if bytes > enough {
            break;
        }
    }
    bytes
}

/// The first thing git complained about; git does not repeat secrets, and there are none in the address.
fn why(stderr: &str) -> String {
    let mut said = stderr.split(['\n', '\r']).map(str::trim);
    let words = said.find(|line| line.starts_with("fatal:") || line.starts_with("error:"));
    words.unwrap_or("git did not say why").chars().take(LINE_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read_from_what_git_says() {
        for (line, expected) in [
            ("Receiving objects:  45% (450/1000), 1.20 MiB | 1.00 MiB/s", Some(("Receiving objects", 45))),
            ("remote: Counting objects: 100% (9/9), done.", Some(("Counting objects", 100))),
            ("Cloning into 'x'...", None),
            ("remote: \u{1b}[31mhello: 5% off", None),
            ("x: 900%", None),
            ("", None),
        ] {
            let read = read_line(line.as_bytes());
            assert_eq!(read.as_ref().map(|p| (p.phase.as_str(), p.percent.unwrap())), expected, "{line}");
        }
    }
}
