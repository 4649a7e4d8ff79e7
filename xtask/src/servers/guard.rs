//! The guard: starts servers, says where they are, and ends them when its standard input does.

use super::Disk;
use super::server::Server;
use rustix::process::{Pid, kill_process, test_kill_process};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// The word by which a program starts as a guard.
pub const GUARD: &str = "__servers";
/// How long a server may take until it does its work.
const READY_MOST: Duration = Duration::from_secs(60);
/// How long a server may take to end before it is killed.
const END_MOST: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// A free port may be somebody else's a moment later; then another is tried.
const TRIES: usize = 3;
/// Of a log, this many last lines are shown.
const LOG_LINES: usize = 15;
const FOLDER: &str = "servers-";

/// A server that runs, ended when dropped.
struct Started {
    server: Server,
    child: Child,
    url: String,
}

/// A folder that is gone when this is.
struct Scratch(PathBuf);

/// The body of the guard: `order` is what [`super::Servers::start`] wrote.
#[must_use]
pub fn guard(order: &str) -> ExitCode {
    match keep(order) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            say(&json!({ "error": why }));
            ExitCode::FAILURE
        }
    }
}

fn keep(order: &str) -> Result<(), String> {
    let order: Value = serde_json::from_str(order).map_err(|error| format!("the order: {error}"))?;
    let wanted = Path::new(order["scratch"].as_str().ok_or("the order names no folder")?);
    let disk = if order["synced"] == true { Disk::Synced } else { Disk::Careless };
    let scratch = Scratch::make(wanted)?;
    // Dropped before the folder, in reverse.
    let mut started = Vec::new();
    for name in order["servers"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let server = Server::named(name).ok_or_else(|| format!("no server `{name}`"))?;
        let one = start(server, &scratch.0, disk)?;
        say(&json!({ "server": name, "url": one.url, "pid": one.child.id() }));
        started.push(one);
    }
    // Nothing is ever written to us: the read returns when whoever started us is gone or has had enough.
    let _ = std::io::stdin().read(&mut [0u8]);
    Ok(())
}

fn start(server: Server, scratch: &Path, disk: Disk) -> Result<Started, String> {
    let program = server.program().ok_or("is not installed")?;
    let folder = scratch.join(server.name());
    std::fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let password = secret()?;
    let file = folder.join("password");
    std::fs::write(&file, &password).map_err(|error| format!("{}: {error}", file.display()))?;
    for (path, mode) in [(&file, 0o600), (&folder, 0o700)] {
        give(path, mode, server)?;
    }
    if let Some(mut prepare) = server.prepare(&program, &folder, &file) {
        let output = prepare.stdout(Stdio::piped()).stderr(Stdio::piped()).output();
        let output = output.map_err(|error| format!("cannot be prepared: {error}"))?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            return Err(format!("cannot be prepared: {}", words.trim()));
        }
    }
    let (mut failed, log) = (String::new(), folder.join("log"));
    for _ in 0..TRIES {
        let port = port()?;
        let mut command = server.start(&program, &folder, port, disk);
        let told = File::create(&log).and_then(|file| Ok((file.try_clone()?, file)));
        let (out, err) = told.map_err(|error| format!("{}: {error}", log.display()))?;
        let child = command.stdout(out).stderr(err).spawn();
        let child = child.map_err(|error| format!("{}: {error}", program.display()))?;
        let mut started = Started { server, child, url: server.url(port, &password) };
        match started.until_ready(&folder, port) {
            Ok(()) => return Ok(started),
            Err(why) => failed = format!("{why}\n{}", end_of(&log)),
        }
    }
    Err(failed)
}

impl Started {
    fn until_ready(&mut self, folder: &Path, port: u16) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            let answered = self.server.is_ready(folder, port);
            // Whoever answers might be another one with our port; ours has ended then.
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("ended with {status}"));
            }
            if answered {
                return Ok(());
            }
            if begun.elapsed() > READY_MOST {
                return Err(format!("was not ready in {READY_MOST:?}"));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // Not yet waited for, so the number is still its own.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill_process(Pid::from_child(&self.child), self.server.farewell());
        }
        let begun = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if begun.elapsed() > END_MOST {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Scratch {
    /// A folder named after this process, where every server can reach it.
    fn make(wanted: &Path) -> Result<Scratch, String> {
        let told = |error: std::io::Error| format!("{}: {error}", wanted.display());
        std::fs::create_dir_all(wanted).map_err(told)?;
        let wanted = wanted.canonicalize().map_err(told)?;
        // Who is root may have the tree where nobody else comes, and PostgreSQL is somebody else then.
        let reached = !rustix::process::geteuid().is_root() || wanted.ancestors().all(open_to_all);
        let place = if reached { wanted } else { std::env::temp_dir() };
        sweep(&place);
        let folder = place.join(format!("{FOLDER}{}", std::process::id()));
        std::fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let scratch = Scratch(folder);
        let mode = std::fs::Permissions::from_mode(0o711);
        std::fs::set_permissions(&scratch.0, mode).map_err(|error| error.to_string())?;
        Ok(scratch)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn open_to_all(folder: &Path) -> bool {
    folder.metadata().is_ok_and(|found| found.permissions().mode() & 0o001 != 0)
}

/// Removes what guards left that were killed.
fn sweep(place: &Path) {
    for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(FOLDER)?.parse().ok());
        let gone = pid.and_then(Pid::from_raw).is_some_and(|pid| {
            pid == rustix::process::getpid() || test_kill_process(pid) == Err(rustix::io::Errno::SRCH)
        });
        if gone {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn give(path: &Path, mode: u32, server: Server) -> Result<(), String> {
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(told)?;
    match server.person() {
        Some(person) => std::os::unix::fs::chown(path, Some(person.uid), Some(person.gid)).map_err(told),
        None => Ok(()),
    }
}

/// Whoever else is on this machine may reach the port, but not what is behind it.
fn secret() -> Result<String, String> {
    let mut bytes = [0u8; 16];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| format!("/dev/urandom: {error}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    listener.local_addr().map(|address| address.port()).map_err(|error| error.to_string())
}

fn end_of(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}

fn say(line: &Value) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_guard_left_is_swept_away_and_nothing_else() {
        let place = std::env::temp_dir().join(format!("xtask-sweep-{}", std::process::id()));
        let folder = |name: &str| place.join(name);
        // No process has the largest number there is.
        for name in ["servers-2147483647", "servers-1", "servers-x", "other-2147483647"] {
            std::fs::create_dir_all(folder(name)).unwrap();
        }
        sweep(&place);
        let left = |name: &str| folder(name).exists();
        assert!(!left("servers-2147483647"), "its guard is gone");
        assert!(left("servers-1"), "its guard lives");
        assert!(left("servers-x") && left("other-2147483647"), "not a guard's");
        std::fs::remove_dir_all(place).unwrap();
    }

    #[test]
    fn the_end_of_a_long_log_is_shown() {
        let log = std::env::temp_dir().join(format!("xtask-log-{}", std::process::id()));
        let lines: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        std::fs::write(&log, lines.join("\n")).unwrap();
        assert_eq!(
            end_of(&log).lines().collect::<Vec<_>>(),
            lines[100 - LOG_LINES..].iter().collect::<Vec<_>>()
        );
        std::fs::remove_file(log).unwrap();
    }
}
