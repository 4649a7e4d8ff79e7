//! What a demo plays on: the models, the daemon and a client of it.
//!
//! Invariant: while the stage stands, a daemon that died is started again by whoever notices; after
//! [`Stage::strike`] no process of the stage is left.

use super::models::{KEY, KEY_VARIABLE, Models};
use super::scratch::Scratch;
use crate::output::Complaint;
use crate::process::command;
use cli::Host;
use client::{Client, ClientError, Options};
use protocol::ExitClass;
use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin};

/// How long a daemon may take until it is ready; a long journal is read in this time.
const READY_MAX: Duration = Duration::from_secs(60);
/// How long a daemon may take to stop.
const STOP_MAX: Duration = Duration::from_secs(30);
/// How long something is tried again while the daemon comes and goes.
const STEADY_MAX: Duration = Duration::from_secs(120);
/// Pause before something is tried again.
const NAP: Duration = Duration::from_millis(50);
/// Pause before a place is asked for again that another daemon holds.
const FOREIGN_NAP: Duration = Duration::from_millis(400);

pub(crate) struct Stage<'a> {
    scratch: &'a Scratch,
    executable: PathBuf,
    models: Option<Models>,
    /// None while another daemon of the same root does the work.
    daemon: Option<Daemon>,
    /// How often the daemon was started again.
    restarts: u32,
    client: Client,
}

/// A daemon that lives as long as its stdin is open.
struct Daemon {
    child: Child,
    /// Beside the child: a child that is waited for has its stdin closed.
    stdin: ChildStdin,
}

impl<'a> Stage<'a> {
    pub(crate) async fn set(host: &Host, scratch: &'a Scratch) -> Result<Self, Complaint> {
        let models = Models::start(host, scratch).await?;
        let root = scratch.data_root();
        let config = models.config().to_string();
        let written =
            std::fs::create_dir_all(root.path()).and_then(|()| std::fs::write(root.config(), config));
        written.map_err(|error| Complaint::failed("scratch_failed", error.to_string()))?;
        let client = Client::new(Options::user(root, Arc::clone(&host.entropy)));
        let executable = host.executable.clone();
        let mut stage = Self { scratch, executable, models: Some(models), daemon: None, restarts: 0, client };
        stage.daemon = stage.start_daemon().await?;
        Ok(stage)
    }

    pub(crate) fn scratch(&self) -> &'a Scratch {
        self.scratch
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// A daemon that is ready; none when another one has the place.
    async fn start_daemon(&self) -> Result<Option<Daemon>, Complaint> {
        let failed = |reason: String| {
            Complaint::failed("demo_daemon_failed", format!("the demo's daemon does not start: {reason}"))
                .hint(format!("see {}", self.scratch.data_root().daemon_log().display()))
        };
        let output = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.scratch.daemon_output())
            .map_err(|error| failed(error.to_string()))?;
        let mut order = command(&self.executable);
        order.arg("__daemon").arg(self.scratch.data_root().path()).env(KEY_VARIABLE, KEY);
        order.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(output);
        let mut order = tokio::process::Command::from(order);
        order.kill_on_drop(true);
        let mut child = order.spawn().map_err(|error| failed(error.to_string()))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed("its pipes are missing".to_owned()));
        };
        let mut line = String::new();
        let mut stdout = BufReader::new(stdout);
        let read = tokio::time::timeout(READY_MAX, stdout.read_line(&mut line)).await;
        match read {
            Ok(Ok(read)) if read > 0 => return Ok(Some(Daemon { child, stdin })),
            Ok(_) => {}
            Err(_) => return Err(failed(format!("it is not ready after {} s", READY_MAX.as_secs()))),
        }
        let status = child.wait().await.map_err(|error| failed(error.to_string()))?;
        if status.code() == Some(i32::from(ExitClass::Conflict.code())) {
            return Ok(None);
        }
        // Killed before it was ready: whoever does that wants to see it come back.
        if status.code().is_none() {
            return Ok(None);
        }
        Err(failed(last_words(&self.scratch.daemon_output())))
    }

    /// Resolves when the daemon is there again after it was gone; never while it lives. May be dropped and
    /// called again.
    pub(crate) async fn revived(&mut self) -> Result<(), Complaint> {
        match &mut self.daemon {
            Some(daemon) => {
                // An error would mean that it was waited for already.
                let _ = daemon.child.wait().await;
                self.daemon = None;
            }
            None => tokio::time::sleep(FOREIGN_NAP).await,
        }
        self.daemon = self.start_daemon().await?;
        if self.daemon.is_some() {
            self.restarts += 1;
        }
        Ok(())
    }

    pub(crate) fn restarts(&self) -> u32 {
        self.restarts
    }

    /// Asks until there is an answer, through deaths of the daemon. What is asked must bear being asked twice.
    pub(crate) async fn steadily<T>(
        &mut self,
        ask: impl AsyncFn(&Client) -> Result<T, ClientError>,
    ) -> Result<T, Complaint> {
        let client = self.client.clone();
        let trying = async {
            loop {
                let answer = tokio::select! {
                    answer = ask(&client) => answer,
                    revived = self.revived() => {
                        revived?;
                        continue;
                    }
                };
                match answer {
                    Ok(answer) => return Ok(answer),
                    Err(error) if is_passing(&error) => tokio::time::sleep(NAP).await,
                    Err(error) => return Err(complaint(&error)),
                }
            }
        };
        let late = || Complaint::new(ExitClass::TimedOut, "timed_out", "the demo's daemon does not answer");
        tokio::time::timeout(STEADY_MAX, trying).await.unwrap_or_else(|_| Err(late()))
    }

    /// Keeps the daemon alive for as long as it is polled, until it cannot be started any more.
    pub(crate) async fn hold(&mut self) {
        while self.revived().await.is_ok() {}
    }

    /// Ends everything: the daemon with its runs, then the models.
    pub(crate) async fn strike(mut self) {
        // Whoever is the daemon by now: it is the demo's, as the data root is.
        let asked = self.client.shut_down().await;
        if let Some(Daemon { mut child, stdin }) = self.daemon.take() {
            if asked.is_err() {
                drop(stdin);
            }
            if tokio::time::timeout(STOP_MAX, child.wait()).await.is_err() {
                let _ = child.kill().await;
            }
        }
        if let Some(models) = self.models.take() {
            models.stop().await;
        }
    }
}

/// Whether the daemon may answer in a moment.
pub(crate) fn is_passing(error: &ClientError) -> bool {
    matches!(error.exit_class(), ExitClass::Unreachable | ExitClass::TimedOut)
}

pub(crate) fn complaint(error: &ClientError) -> Complaint {
    let complaint = Complaint::new(error.exit_class(), "demo_refused", format!("{error} [{}]", error.code()));
    Complaint { hint: error.hint(), ..complaint }
}

fn last_words(output: &std::path::Path) -> String {
    let said = std::fs::read_to_string(output).unwrap_or_default();
    said.lines().last().unwrap_or("it said nothing").to_owned()
}
