//! Servers that tests and benches need, started for them alone: PostgreSQL, NATS and Redis.
//!
//! Invariant: a server listens on 127.0.0.1 only, on a port nobody had, writes only to a scratch folder, and ends with
//! whoever asked for it, however that one ends. A guard sees to it: a process of its own group that starts the servers,
//! reads its standard input, and ends them and removes the folder when that closes. A server of the machine's own, as a
//! package may have started, is left alone.

mod guard;
mod server;

pub use guard::{GUARD, guard};
pub use server::Server;

use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the guard may take to end its servers before it is ended itself.
const END_MOST: Duration = Duration::from_secs(30);

/// What is promised of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// As the server has it by default: for measuring.
    Synced,
    /// Nothing has to survive the machine: for tests.
    Careless,
}

/// A server that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    pub server: Server,
    /// Where clients find it, with the password if it has one.
    pub url: String,
    /// Its first process.
    pub pid: u32,
}

/// Servers that run until this is dropped, or its process ends.
pub struct Servers {
    guard: Child,
    running: Vec<Running>,
}

impl Servers {
    /// Starts the servers, with `program` as the guard: a program whose `main` hands `[GUARD, ..]` to [`guard`].
    ///
    /// # Errors
    /// One that is not installed or does not start, with the end of its log. None is left running then.
    pub fn start(program: &Path, wanted: &[Server], scratch: &Path, disk: Disk) -> Result<Servers, String> {
        let names: Vec<&str> = wanted.iter().map(|server| server.name()).collect();
        let order = json!({ "scratch": scratch, "servers": names, "synced": disk == Disk::Synced });
        let mut command = command(program);
        // In a group of its own, so that an interrupt from the terminal ends its servers through us, in order.
        command
            .args([GUARD, &order.to_string()])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut guard = command.spawn().map_err(|error| format!("the servers' guard: {error}"))?;
        let output = guard.stdout.take();
        let mut servers = Servers { guard, running: Vec::new() };
        let mut lines = BufReader::new(output.ok_or("the servers' guard has no output")?).lines();
        for server in wanted {
            let line = lines.next().ok_or("the servers' guard ended")?.map_err(|error| error.to_string())?;
            let said: Value = serde_json::from_str(&line).map_err(|error| format!("{line}: {error}"))?;
            if let Some(why) = said["error"].as_str() {
                return Err(format!("{}: {why}", server.name()));
            }
            let (Some(url), Some(pid)) = (said["url"].as_str(), said["pid"].as_u64()) else {
                return Err(format!("{}: the guard said {line}", server.name()));
            };
            let pid = u32::try_from(pid).map_err(|error| error.to_string())?;
            servers.running.push(Running { server: *server, url: url.to_owned(), pid });
        }
        Ok(servers)
    }

    #[must_use]
    pub fn running(&self) -> &[Running] {
        &self.running
    }

    /// What tests are told of them: names and values for the environment.
    pub fn variables(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.running.iter().map(|one| (one.server.variable(), one.url.as_str()))
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        // The guard reads the end of its input, and ends what it started.
        drop(self.guard.stdin.take());
        let begun = Instant::now();
        while begun.elapsed() < END_MOST {
            if !matches!(self.guard.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.guard.kill();
        let _ = self.guard.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "this library's trade is to start servers for tests")]
fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
    command
}

#[expect(clippy::disallowed_methods, reason = "programs are looked for where this machine's user has them")]
fn search_path() -> Vec<std::path::PathBuf> {
    std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}
