//! Starting the daemon by itself: when a command needs one and none runs.
//!
//! Invariant: the daemon's own lock decides who is the daemon. Two commands that start one at the same moment both end
//! up talking to the one that got it.

use crate::commands::is_locked;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::program;
use client::{Client, ClientError};
use protocol::{API_REVISION, Version};
use std::ffi::OsStr;
use std::fs::{DirBuilder, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::process::Child;
use std::time::Duration;

/// Longest wait for a daemon to come up; a long journal is read in this time.
pub(crate) const START_MAX: Duration = Duration::from_secs(30);
/// How often it is looked for meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// What a daemon in the background writes to stdout and stderr: why it did not start, or the words of a panic. Each
/// start begins it anew; the log beside it is the daemon's own.
const OUTPUT: &str = "daemon.out";
/// What is shown of what a daemon that did not come up said.
const TAIL_LINES: usize = 20;
const TAIL_BYTES: u64 = 16 * 1024;

/// The daemon, started when none runs and that is allowed.
pub(crate) async fn reach(context: &Context, client: &Client) -> Result<Version, Failure> {
    match client.version().await {
        Ok(version) => agree(context, version),
        // An agent's command finds the daemon that started it, or none.
        Err(error) if is_absent(&error) && !context.global.no_autostart && !context.in_run() => {
            let version = start(context, client, None).await?;
            context.screen.say(&format!("started daemon {} (pid {})", version.version, version.pid));
            Ok(version)
        }
        Err(error) => Err(error.into()),
    }
}

/// Same revision or no talk; another version of the binary is worth a word.
pub(crate) fn agree(context: &Context, version: Version) -> Result<Version, Failure> {
    if version.api_revision != API_REVISION {
        let error = ClientError::Revision { daemon: version.api_revision, client: API_REVISION };
        return Err(error.into());
    }
    if version.version != context.host.version {
        context.screen.say(&format!(
            "note: the daemon is version {} and this is {}; `coditect daemon restart` brings them together",
            version.version, context.host.version
        ));
    }
    Ok(version)
}

/// Whether nobody answers, or somebody who is about to go.
pub(crate) fn is_absent(error: &ClientError) -> bool {
    match error {
        ClientError::NotRunning { .. } | ClientError::Unreachable { .. } => true,
        ClientError::Refused { detail, .. } => detail.code == protocol::DRAINING,
        _ => false,
    }
}

/// Waits for whoever holds the data root and does not answer: it is about to come up, or to go. The daemon, when it
/// came up; none when nobody holds the data root any more.
async fn settled(context: &Context, client: &Client) -> Result<Option<Version>, Failure> {
    let clock = &context.host.clock;
    let limit = context.patience().unwrap_or(START_MAX);
    let deadline = clock.uptime() + limit;
    while is_locked(context) {
        match client.version().await {
            Ok(version) => return Ok(Some(version)),
            Err(error) if !is_absent(&error) && !matches!(error, ClientError::TimedOut { .. }) => {
                return Err(error.into());
            }
            Err(_) if clock.uptime() >= deadline => {
                let words = "a daemon holds the data root and does not answer";
                return Err(Failure::new(Exit::Unreachable, "daemon_unreachable", words)
                    .hint("see `coditect daemon logs`; `coditect daemon stop` ends it in good order"));
            }
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
    Ok(None)
}

/// Starts a daemon in the background and waits until it answers. One that is stopping has to go first.
pub(crate) async fn start(context: &Context, client: &Client, port: Option<u16>) -> Result<Version, Failure> {
    let there = context.with_word("waiting for the daemon", settled(context, client)).await?;
    if let Some(version) = there {
        return agree(context, version);
    }
    let output_path = context.root.daemon_dir().join(OUTPUT);
    let output = open_output(context, &output_path)?;
    let mut args: Vec<&OsStr> = vec!["--data-root".as_ref(), context.root.path().as_os_str()];
    args.extend(["daemon", "run", "--detached"].map(OsStr::new));
    let port = port.map(|port| port.to_string());
    if let Some(port) = &port {
        args.extend([OsStr::new("--port"), OsStr::new(port)]);
    }
    let mut child = program::daemon(&context.host.executable, &args, context.root.path(), &output)
        .map_err(|error| Failure::file(&context.host.executable, &error))?;
    let came = context.with_word("starting the daemon", wait(context, client, &mut child)).await;
    match came {
        Ok(version) => agree(context, version),
        Err(reason) => {
            for line in tail(&output_path) {
                context.screen.say(&format!("  {line}"));
            }
            Err(Failure::new(Exit::Unreachable, "daemon_start_failed", reason).hint(format!(
                "see {} or run `coditect daemon run` to watch it start",
                context.root.daemon_log().display()
            )))
        }
    }
}

async fn wait(context: &Context, client: &Client, child: &mut Child) -> Result<Version, String> {
    let clock = &context.host.clock;
    let limit = context.patience().unwrap_or(START_MAX);
    let deadline = clock.uptime() + limit;
    let mut ended = None;
    loop {
        let error = match client.version().await {
            Ok(version) => {
                // Ours has lost against another. One that has not come to the lock yet would be the daemon as soon as
                // that one has gone, and nobody has asked for it then.
                if version.pid != child.id() {
                    drop(child.kill().and_then(|()| child.wait()));
                }
                return Ok(version);
            }
            Err(error) => error,
        };
        if ended.is_none()
            && let Ok(Some(status)) = child.try_wait()
        {
            ended = Some(status);
        }
        // One that ended may have lost the race against another, which holds the data root then.
        let lost = ended.is_some() && !is_locked(context);
        // Anything but absence will not pass by waiting.
        let absent = is_absent(&error);
        if lost || clock.uptime() >= deadline || !(absent || matches!(error, ClientError::TimedOut { .. })) {
            return Err(match ended {
                Some(status) => format!("the daemon did not start ({status})"),
                None if absent => format!("the daemon did not answer within {} s", limit.as_secs()),
                None => format!("the daemon started and cannot be used: {error}"),
            });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn open_output(context: &Context, path: &Path) -> Result<File, Failure> {
    let dir = context.root.daemon_dir();
    DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(|error| {
        Failure::file(&dir, &error).hint("give a folder you can write with --data-root DIR")
    })?;
    // Appending, so that two that start at once do not write over each other.
    let file = File::options().create(true).append(true).mode(0o600).open(path);
    let emptied = file.and_then(|file| file.set_len(0).map(|()| file));
    emptied.map_err(|error| Failure::file(path, &error))
}

/// The last lines of a file.
fn tail(path: &Path) -> Vec<String> {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(path)?;
        let end = file.metadata()?.len();
        file.seek(SeekFrom::Start(end.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].iter().map(|line| (*line).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(OUTPUT);
        assert!(tail(&path).is_empty());
        let lines: String = (0..50).map(|n| format!("line {n}\n")).collect();
        std::fs::write(&path, lines).unwrap();
        let shown = tail(&path);
        assert_eq!((shown.len(), shown.last().map(String::as_str)), (TAIL_LINES, Some("line 49")));
        std::fs::write(&path, "x".repeat(2 * TAIL_BYTES as usize)).unwrap();
        assert_eq!(tail(&path)[0].len(), TAIL_BYTES as usize);
    }
}
