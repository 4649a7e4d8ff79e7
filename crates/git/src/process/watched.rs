//! A git process whose progress is watched, and that can be broken off.

use super::{Answer, Call, end};
use crate::GitError;
use std::io::Read;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How often whoever watches is asked whether to go on.
const TICK: Duration = Duration::from_millis(100);
/// How much of the end of its complaints is kept, in bytes.
const TAIL_MAX: usize = 4 * 1024;
/// Bytes read at a time.
const PIECE: usize = 4 * 1024;

impl Call<'_> {
    /// Runs it. `watch` gets what it writes to standard error as it comes, and nothing every now and then; when it
    /// answers false the process is ended, with everything it started.
    pub(crate) fn run_watched(self, watch: &mut dyn FnMut(&[u8]) -> bool) -> Result<Answer, GitError> {
        let found = self.git.found()?;
        let mut child = self.spawn(&found.program)?;
        drop(child.stdin.take());
        let deadline = Instant::now() + self.limits.timeout;
        let (sender, heard) = mpsc::sync_channel::<Vec<u8>>(16);
        if let Some(mut pipe) = child.stdout.take() {
            std::thread::spawn(move || std::io::copy(&mut pipe, &mut std::io::sink()).ok());
        }
        if let Some(mut pipe) = child.stderr.take() {
            std::thread::spawn(move || {
                let mut piece = vec![0u8; PIECE];
                while let Ok(read @ 1..) = pipe.read(&mut piece) {
                    if sender.send(piece[..read].to_vec()).is_err() {
                        break;
                    }
                }
            });
        } else {
            drop(sender);
        }
        let mut tail: Vec<u8> = Vec::new();
        loop {
            let (bytes, over) = match heard.recv_timeout(TICK) {
                Ok(bytes) => (bytes, false),
                Err(RecvTimeoutError::Timeout) => (Vec::new(), false),
                Err(RecvTimeoutError::Disconnected) => (Vec::new(), true),
            };
            tail.extend_from_slice(&bytes);
            tail.drain(..tail.len().saturating_sub(TAIL_MAX));
            if !watch(&bytes) {
                end(&mut child);
                return Err(GitError::Canceled);
            }
            if Instant::now() >= deadline {
                return Err(self.timed_out(&mut child));
            }
            if over {
                break;
            }
        }
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() >= deadline => return Err(self.timed_out(&mut child)),
                Ok(None) if !watch(&[]) => {
                    end(&mut child);
                    return Err(GitError::Canceled);
                }
                Ok(None) => std::thread::sleep(super::REAP_INTERVAL),
                Err(error) => return Err(GitError::io("wait for git", error)),
            }
        };
        let code = status.code().unwrap_or(-1);
        if self.codes.contains(&code) {
            return Ok(Answer { code, stdout: Vec::new(), cut: false });
        }
        let stderr = String::from_utf8_lossy(&tail).trim().to_owned();
        Err(GitError::Failed { verb: self.verb.to_owned(), code, stderr })
    }
}
