//! `coditect daemon`: the process that does the work.

mod logs;

use super::{Outcome, init};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::host::DaemonRun;
use crate::launcher;
use crate::render::{Paint, Sheet, ago, money, tokens};
use clap::{Args, Subcommand};
use client::{Client, ClientError};
use model::DEFAULT_WORKSPACE;
use protocol::{Status, Version};
use rustix::fs::{FlockOperation, flock};
use serde_json::json;
use std::time::Duration;

/// Longest wait for a daemon to stop: its drain time and then some.
const STOP_MAX: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[derive(Debug, Subcommand)]
pub(crate) enum Daemon {
    /// Start the daemon in the background; nothing happens when it runs
    #[command(after_help = "Examples:\n  coditect daemon start\n  coditect daemon start --port 7433")]
    Start(Start),
    /// Stop the daemon in good order; what is under way is taken up again at the next start
    #[command(after_help = "Examples:\n  coditect daemon stop\n  coditect daemon stop --timeout 60")]
    Stop,
    /// Stop the daemon if it runs, and start this version of it
    #[command(after_help = "Examples:\n  coditect daemon restart\n  coditect daemon restart --port 7433")]
    Restart(Start),
    /// Show how the daemon does; exit code 6 when none runs
    #[command(after_help = "Examples:\n  coditect daemon status\n  coditect daemon status --json")]
    Status,
    /// Print the daemon's log
    #[command(after_help = "Examples:\n  coditect daemon logs -n 200\n  coditect daemon logs --follow")]
    Logs(logs::Logs),
    /// Serve in the foreground until stopped
    #[command(after_help = "Examples:\n  coditect daemon run\n  coditect daemon run --port 7433")]
    Run(Foreground),
}

#[derive(Debug, Args)]
pub(crate) struct Start {
    /// Port on 127.0.0.1; without it what config.json says, or any
    #[arg(long)]
    port: Option<u16>,
}

#[derive(Debug, Args)]
pub(crate) struct Foreground {
    /// Port on 127.0.0.1; without it what config.json says, or any
    #[arg(long)]
    port: Option<u16>,
    /// Leave the terminal's session, as a daemon started by another command does
    #[arg(long, hide = true)]
    detached: bool,
}

impl Daemon {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Start(start) => start.run(context),
            Self::Stop => {
                let stopped = context.block(stop(context))?;
                told(
                    context,
                    &json!({ "stopped": stopped.is_some(), "pid": stopped }),
                    match stopped {
                        Some(pid) => format!("stopped the daemon (pid {pid})"),
                        None => "no daemon was running".to_owned(),
                    },
                )
            }
            Self::Restart(start) => {
                context.block(stop(context))?;
                start.run(context)
            }
            Self::Status => status(context),
            Self::Logs(command) => command.run(context),
            Self::Run(command) => Ok(command.run(context)),
        }
    }
}

impl Start {
    fn run(self, context: &Context) -> Outcome {
        init::ensure(context)?;
        let (version, started) = context.block(async {
            let client = context.client();
            match client.version().await {
                Ok(version) => Ok((launcher::agree(context, version)?, false)),
                Err(error) if launcher::is_absent(&error) && !context.in_run() => {
                    Ok((launcher::start(context, &client, self.port).await?, true))
                }
                Err(error) => Err(error.into()),
            }
        })?;
        let words = if started { "started" } else { "is running already:" };
        let text = format!("daemon {words} {} (pid {})", version.version, version.pid);
        told(context, &json!({ "started": started, "daemon": version }), text)
    }
}

impl Foreground {
    fn run(self, context: &Context) -> Exit {
        if self.detached {
            // It fails only for the leader of a group, which nobody can signal by accident either.
            let _ = rustix::process::setsid();
        }
        let order = DaemonRun {
            root: context.root.clone(),
            workspace: DEFAULT_WORKSPACE.to_owned(),
            port: self.port,
        };
        Exit::Foreign((context.host.daemon)(&context.host, order))
    }
}

/// The document with `--json`, else a sentence on stderr: there is no data to print.
fn told(context: &Context, document: &serde_json::Value, sentence: String) -> Outcome {
    if context.screen.json {
        context.screen.document(document)?;
    } else {
        context.screen.say(&sentence);
    }
    Ok(Exit::Done)
}

/// Stops the daemon and waits until it has let go of the data root and ended. None when none ran.
pub(crate) async fn stop(context: &Context) -> Result<Option<u32>, Failure> {
    let limit = context.patience().unwrap_or(STOP_MAX);
    let holder = std::cell::Cell::new(None);
    let stopping = tokio::time::timeout(limit, stopped(context, &holder));
    context.with_word("stopping the daemon", stopping).await.unwrap_or_else(|_| {
        let who = holder.get().map_or_else(|| "its process".to_owned(), |pid| format!("process {pid}"));
        Err(Failure::timed_out("stopping", limit)
            .hint(format!("it still ends its work; {who} can be killed")))
    })
}

/// As [`stop`], for as long as it takes. Whom it waits for is put into `holder`.
async fn stopped(context: &Context, holder: &std::cell::Cell<Option<u32>>) -> Result<Option<u32>, Failure> {
    let client = context.client();
    while is_locked(context) {
        holder.set(lock_holder(context).or(holder.get()));
        match client.shut_down().await {
            Ok(stopping) => {
                holder.set(Some(stopping.pid));
                break;
            }
            // It comes up, or it stops already and answers no more.
            Err(error) if launcher::is_absent(&error) => tokio::time::sleep(LOOK_EVERY).await,
            Err(error) => return Err(error.into()),
        }
    }
    let alive = holder.get().and_then(bus::system::process_start);
    // It lets go of the data root a moment before it ends.
    while is_locked(context)
        || (alive.is_some() && holder.get().and_then(bus::system::process_start) == alive)
    {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(holder.get())
}

/// What the daemon wrote into its lock when it took it.
fn lock_holder(context: &Context) -> Option<u32> {
    let text = std::fs::read_to_string(context.root.daemon_lock()).ok()?;
    let holder: serde_json::Value = serde_json::from_str(&text).ok()?;
    holder["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok())
}

/// Whether a daemon holds the data root: the one sign that cannot be stale.
pub(crate) fn is_locked(context: &Context) -> bool {
    std::fs::File::open(context.root.daemon_lock())
        .is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockShared).is_err())
}

fn status(context: &Context) -> Outcome {
    let found = context.block(async {
        let client = context.client();
        match look(&client).await {
            Ok(found) => Ok(Some(found)),
            Err(ClientError::NotRunning { .. } | ClientError::Unreachable { .. }) if !is_locked(context) => {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    })?;
    let root = context.root.path();
    let Some((version, status)) = found else {
        let document = json!({ "running": false, "data_root": root });
        context.screen.show_sheet(&document, || {
            Sheet::new()
                .painted("daemon", "not running", Paint::Warm)
                .row("data root", root.display().to_string())
        })?;
        context.screen.say("start it with `coditect up`");
        return Ok(Exit::Unreachable);
    };
    let document = json!({ "running": true, "data_root": root, "daemon": version, "status": status });
    context.screen.show_sheet(&document, || sheet(context, &version, &status))?;
    Ok(Exit::Done)
}

async fn look(client: &Client) -> Result<(Version, Status), ClientError> {
    Ok((client.version().await?, client.status().await?))
}

fn sheet(context: &Context, version: &Version, status: &Status) -> Sheet {
    let state = if status.draining { "stopping" } else { "running" };
    let used = status.usage.input_tokens + status.usage.output_tokens;
    let waiting = if status.needs_input > 0 { Paint::Warm } else { Paint::Plain };
    Sheet::new()
        .painted("daemon", format!("{state}, version {} (pid {})", version.version, version.pid), Paint::Good)
        .row("since", ago(context.now(), status.started_at))
        .row("data root", context.root.path().display().to_string())
        .row("sessions", status.sessions.to_string())
        .row("running turns", status.running_turns.to_string())
        .painted("waiting for you", status.needs_input.to_string(), waiting)
        .row("locks", status.locks.to_string())
        .row("used", format!("{} tokens, {}", tokens(used), money(status.usage.cost_micros)))
        .row("newest event", status.cursor.to_string())
        .row("watchers", format!("{} ({} cut for not reading)", status.watchers, status.slow_watchers_cut))
        .row("dropped", status.dropped.to_string())
}
