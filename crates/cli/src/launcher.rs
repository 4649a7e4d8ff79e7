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
/// Larger logs are put aside as `daemon.log.1` at the next start, in bytes.
const LOG_MAX: u64 = 8 * 1024 * 1024;
/// What is shown of the log of a daemon that did not come up.
const TAIL_LINES: usize = 20;
const TAIL_BYTES: u64 = 16 * 1024;

/// The daemon, started when none runs and that is allowed.
pub(crate) async fn reach(context: &Context, client: &Client) -> Result<Version, Failure> {
    match client.version().await {
        Ok(version) => agree(context, version),
        Err(ClientError::NotRunning { .. } | ClientError::Unreachable { .. })
            if !context.global.no_autostart =>
        {
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

/// Starts a daemon in the background and waits until it answers.
pub(crate) async fn start(context: &Context, client: &Client, port: Option<u16>) -> Result<Version, Failure> {
    let log_path = context.root.daemon_log();
    let (log, from) = open_log(context, &log_path)?;
    let mut args: Vec<&OsStr> = vec!["--data-root".as_ref(), context.root.path().as_os_str()];
    args.extend(["daemon", "run", "--detached"].map(OsStr::new));
    let port = port.map(|port| port.to_string());
    if let Some(port) = &port {
        args.extend([OsStr::new("--port"), OsStr::new(port)]);
    }
    let mut child = program::daemon(&context.host.executable, &args, context.root.path(), &log)
        .map_err(|error| Failure::file(&context.host.executable, &error))?;
    let came = context.with_word("starting the daemon", wait(context, client, &mut child)).await;
    match came {
        Ok(version) => agree(context, version),
        Err(reason) => {
            for line in tail(&log_path, from) {
                context.screen.say(&format!("  {line}"));
            }
            Err(Failure::new(Exit::Unreachable, "daemon_start_failed", reason)
                .hint(format!("see {} or run `coditect daemon run` to watch it start", log_path.display())))
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
            Ok(version) => return Ok(version),
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
        let absent = matches!(error, ClientError::NotRunning { .. } | ClientError::Unreachable { .. });
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

/// The log to go on in, and where this start begins in it.
fn open_log(context: &Context, path: &Path) -> Result<(File, u64), Failure> {
    let dir = context.root.daemon_dir();
    DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(|error| {
        Failure::file(&dir, &error).hint("give a folder you can write with --data-root DIR")
    })?;
    if std::fs::metadata(path).is_ok_and(|meta| meta.len() > LOG_MAX) {
        std::fs::rename(path, path.with_extension("log.1")).map_err(|error| Failure::file(path, &error))?;
    }
    let file = File::options()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| Failure::file(path, &error))?;
    let from = file.metadata().map_err(|error| Failure::file(path, &error))?.len();
    Ok((file, from))
}

/// The last lines of the log after `from`.
fn tail(path: &Path, from: u64) -> Vec<String> {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(path)?;
        let end = file.metadata()?.len();
        file.seek(SeekFrom::Start(from.max(end.saturating_sub(TAIL_BYTES))))?;
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
    fn the_tail_is_of_this_start_only_and_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("daemon.log");
        std::fs::write(&path, "an older start\n").unwrap();
        let from = std::fs::metadata(&path).unwrap().len();
        assert!(tail(&path, from).is_empty());
        let lines: String = (0..50).map(|n| format!("line {n}\n")).collect();
        std::fs::write(&path, format!("an older start\n{lines}")).unwrap();
        let shown = tail(&path, from);
        assert_eq!((shown.len(), shown.last().map(String::as_str)), (TAIL_LINES, Some("line 49")));
        std::fs::write(&path, "x".repeat(2 * TAIL_BYTES as usize)).unwrap();
        assert_eq!(tail(&path, 0)[0].len(), TAIL_BYTES as usize);
    }
}
