//! Starting what is measured, and the environment.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to answer before the case is given up.
const READY_MOST: Duration = Duration::from_secs(30);
const ASK_EVERY: Duration = Duration::from_millis(1);

/// A program that is silent and has no input.
#[expect(clippy::disallowed_methods, reason = "this program's trade is to start others and measure them")]
pub(crate) fn command(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[expect(clippy::disallowed_methods, reason = "the user's cache folder is named by the environment")]
pub(crate) fn told(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Where programs of others are kept between benches: a folder of the user, never the tree.
pub(crate) fn cache(name: &str) -> Result<PathBuf, String> {
    let cache = told("XDG_CACHE_HOME").map(PathBuf::from);
    let home = told("HOME").map(|home| Path::new(&home).join(".cache"));
    let cache = cache.or(home).ok_or("neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(cache.join("coditect/peers").join(name))
}

/// Runs to the end; how long that took.
pub(crate) fn timed(mut command: Command) -> Result<Duration, String> {
    let begun = Instant::now();
    let status = command.status().map_err(|error| format!("{:?}: {error}", command.get_program()))?;
    let took = begun.elapsed();
    if status.success() { Ok(took) } else { Err(format!("{:?} ended with {status}", command.get_program())) }
}

/// A server that was started and answers; ended when dropped.
pub(crate) struct Served {
    child: Child,
    pub(crate) ready: Duration,
}

impl Served {
    /// Starts it and asks until `path` is answered over HTTP.
    pub(crate) fn start(mut command: Command, port: u16, path: &str) -> Result<Served, String> {
        let begun = Instant::now();
        let child = command.spawn().map_err(|error| format!("{:?}: {error}", command.get_program()))?;
        let mut served = Served { child, ready: Duration::ZERO };
        loop {
            if answers(port, path) {
                served.ready = begun.elapsed();
                return Ok(served);
            }
            if let Ok(Some(status)) = served.child.try_wait() {
                return Err(format!("{:?} ended with {status} before it was ready", command.get_program()));
            }
            if begun.elapsed() > READY_MOST {
                return Err(format!("{:?} was not ready in {READY_MOST:?}", command.get_program()));
            }
            std::thread::sleep(ASK_EVERY);
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, and waits.
    pub(crate) fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(5) {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.end();
    }
}

/// A port that was free a moment ago.
pub(crate) fn port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    listener.local_addr().map(|address| address.port()).map_err(|error| error.to_string())
}

/// Whether an HTTP server answers there, whatever it says.
fn answers(port: u16, path: &str) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n")?;
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        Ok::<bool, std::io::Error>(head.starts_with(b"HTTP/1.1 "))
    };
    ask().unwrap_or(false)
}
