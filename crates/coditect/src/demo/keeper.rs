//! The keeper of the demo's daemon: starts it, and starts it again when it died.
//!
//! It is a task of its own, so that nobody who waits for something else gives up a daemon that is just coming up.
//!
//! Invariant: the daemon is alive or being started for as long as the keeper is; it ends with it.

use crate::output::Complaint;
use crate::process::command;
use model::DataRoot;
use protocol::ExitClass;
use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

/// How long a daemon may take until it is ready; a long journal is read in this time.
const READY_MAX: Duration = Duration::from_secs(60);
/// How long a daemon may take to stop.
const STOP_MAX: Duration = Duration::from_secs(30);
/// Pause before a place is asked for again that another daemon holds.
const FOREIGN_NAP: Duration = Duration::from_millis(400);

/// Where the daemon works, and what it is made of.
pub(crate) struct Place {
    pub(crate) executable: PathBuf,
    pub(crate) root: DataRoot,
    /// What it says on stderr.
    pub(crate) output: PathBuf,
}

pub(crate) struct Keeper {
    task: JoinSet<()>,
    news: watch::Receiver<News>,
    stop: oneshot::Sender<()>,
}

#[derive(Debug, Default, Clone)]
struct News {
    restarts: u32,
    failure: Option<Complaint>,
}

/// A daemon that lives as long as its stdin is open.
struct Daemon {
    child: Child,
    /// Beside the child: a child that is waited for has its stdin closed.
    stdin: ChildStdin,
}

impl Keeper {
    /// Returns when the daemon is ready.
    pub(crate) async fn begin(place: Place) -> Result<Self, Complaint> {
        let daemon = place.start().await?;
        let (news, heard) = watch::channel(News::default());
        let (stop, stopped) = oneshot::channel();
        let mut task = JoinSet::new();
        task.spawn(keep(place, daemon, news, stopped));
        Ok(Self { task, news: heard, stop })
    }

    /// The next restart; may be dropped and called again.
    pub(crate) async fn restarted(&mut self) -> Result<u32, Complaint> {
        let changed = self.news.changed().await;
        let news = self.news.borrow_and_update().clone();
        match news.failure {
            Some(failure) => Err(failure),
            None if changed.is_err() => {
                Err(Complaint::failed("demo_failed", "nobody keeps the demo's daemon any more"))
            }
            None => Ok(news.restarts),
        }
    }

    /// Resolves when the daemon cannot be started any more.
    pub(crate) async fn failed(&self) -> Complaint {
        let mut news = self.news.clone();
        match news.wait_for(|news| news.failure.is_some()).await.map(|news| news.failure.clone()) {
            Ok(Some(failure)) => failure,
            _ => Complaint::failed("demo_failed", "nobody keeps the demo's daemon any more"),
        }
    }

    /// Stops the daemon in good order.
    pub(crate) async fn end(mut self) {
        // A keeper that has failed hears nothing any more.
        let _ = self.stop.send(());
        while self.task.join_next().await.is_some() {}
    }
}

/// None stands for a daemon that somebody else started in this place, or one that was killed before it was ready.
async fn keep(
    place: Place,
    mut daemon: Option<Daemon>,
    news: watch::Sender<News>,
    mut stop: oneshot::Receiver<()>,
) {
    loop {
        tokio::select! {
            biased;
            _ = &mut stop => return end(daemon).await,
            () = gone(&mut daemon) => {}
        }
        match place.start().await {
            Ok(started) => {
                daemon = started;
                if daemon.is_some() {
                    news.send_modify(|news| news.restarts += 1);
                }
            }
            Err(failure) => {
                news.send_modify(|news| news.failure = Some(failure));
                return;
            }
        }
    }
}

async fn gone(daemon: &mut Option<Daemon>) {
    match daemon {
        // An error would mean that it was waited for already.
        Some(daemon) => drop(daemon.child.wait().await),
        None => tokio::time::sleep(FOREIGN_NAP).await,
    }
}

async fn end(daemon: Option<Daemon>) {
    let Some(Daemon { mut child, stdin }) = daemon else { return };
    drop(stdin);
    if tokio::time::timeout(STOP_MAX, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}

impl Place {
    /// A daemon that is ready.
    async fn start(&self) -> Result<Option<Daemon>, Complaint> {
        let failed = |reason: String| {
            Complaint::failed("demo_daemon_failed", format!("the demo's daemon does not start: {reason}"))
                .hint(format!("see {}", self.root.daemon_log().display()))
        };
        let mut child = self.spawn().map_err(|error| failed(error.to_string()))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed("its pipes are missing".to_owned()));
        };
        let mut line = String::new();
        let mut stdout = BufReader::new(stdout);
        match tokio::time::timeout(READY_MAX, stdout.read_line(&mut line)).await {
            Ok(Ok(read)) if read > 0 => return Ok(Some(Daemon { child, stdin })),
            Ok(_) => {}
            Err(_) => return Err(failed(format!("it is not ready after {} s", READY_MAX.as_secs()))),
        }
        let status = child.wait().await.map_err(|error| failed(error.to_string()))?;
        match status.code() {
            // Whoever killed it wants to see it come back.
            None => Ok(None),
            Some(code) if code == i32::from(ExitClass::Conflict.code()) => Ok(None),
            Some(_) => Err(failed(self.last_words())),
        }
    }

    fn spawn(&self) -> std::io::Result<Child> {
        let output = OpenOptions::new().create(true).append(true).open(&self.output)?;
        let mut order = command(&self.executable);
        order.arg("__daemon").arg(self.root.path());
        order.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(output);
        let mut order = tokio::process::Command::from(order);
        order.kill_on_drop(true).spawn()
    }

    fn last_words(&self) -> String {
        let said = std::fs::read_to_string(&self.output).unwrap_or_default();
        said.lines().rev().find(|line| line.starts_with("error:")).unwrap_or("it said nothing").to_owned()
    }
}
