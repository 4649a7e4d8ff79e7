//! `bash`: a command in the worktree, in a process group of its own.
//!
//! Invariant: when the call is over, however it ended, the command's process group is dead. What has
//! left the group (setsid) lives at most as long as the run: its guard sees to that.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Stdio};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use super::super::output::{Capped, cut};
use super::{Outcome, Parsed, ToolError, Toolbox};
use crate::run::wire::Request;
use crate::spawn;
use model::{PERMISSION_SUMMARY_MAX, ParticipantStatus, PermissionAsk, ToolCategory};

/// Longest command, in bytes.
pub(super) const COMMAND_MAX: usize = 64 * 1024;
/// How long a command that ran out of time may take to clean up.
const MERCY: Duration = Duration::from_secs(1);
/// How long output is still read when the command is over and somebody else holds its pipe.
const DRAIN: Duration = Duration::from_millis(200);
/// Bytes read at a time.
const PIECE: usize = 16 * 1024;

#[derive(Deserialize)]
pub(super) struct Arguments {
    command: String,
    timeout_ms: Option<u64>,
}

pub(super) fn spec() -> (&'static str, Value) {
    (
        "Run a bash command in the repository's root, as tests and builds. Standard input is empty. Nothing \
         it starts in the background survives it. Output is cut in the middle when it is long.",
        json!({
            "type": "object",
            "properties": {
                "command": {"type": "string"},
                "timeout_ms": {"type": "integer", "minimum": 1, "description": "120000 when missing"}
            },
            "required": ["command"]
        }),
    )
}

pub(super) async fn run(toolbox: &Toolbox, arguments: Parsed<Arguments>) -> Result<Outcome, ToolError> {
    let Arguments { command, timeout_ms } = arguments?;
    if command.len() > COMMAND_MAX || command.contains('\0') {
        return Err(ToolError::Arguments(format!("a command has at most {COMMAND_MAX} bytes and no NUL")));
    }
    permitted(toolbox, &command, timeout_ms).await?;
    toolbox.status(ParticipantStatus::RunningTool, &format!("bash {command}")).await;
    let policy = &toolbox.bash;
    let timeout = Duration::from_millis(timeout_ms.unwrap_or(policy.timeout_ms).min(policy.max_timeout_ms));
    let failed = |error: io::Error| ToolError::Failed(format!("cannot run the command: {error}"));
    let (mut shell, output) = Shell::start(&command).map_err(failed)?;
    let ended = shell.watch(output, policy.output_cap, timeout).await.map_err(failed)?;
    Ok(ended.describe(timeout))
}

/// Asks the daemon, whose rules decide or who asks somebody. A no is an answer to the model.
async fn permitted(toolbox: &Toolbox, command: &str, timeout_ms: Option<u64>) -> Result<(), ToolError> {
    let mut arguments = json!({ "command": command });
    if let Some(timeout_ms) = timeout_ms {
        arguments["timeout_ms"] = timeout_ms.into();
    }
    let ask = PermissionAsk {
        tool: "bash".to_owned(),
        category: ToolCategory::Shell,
        summary: cut(&format!("bash: {command}"), PERMISSION_SUMMARY_MAX).to_owned(),
        arguments,
        paths: Vec::new(),
    };
    toolbox.permitted(Request::Permit { ask: Box::new(ask) }, "the command was not run").await
}

/// A command that runs. Dropped, its group is killed.
struct Shell {
    child: Child,
    group: Option<Pid>,
    /// Comes when a child of ours has ended.
    deaths: Signals,
}

struct Ended {
    output: String,
    code: Option<i32>,
    signal: Option<i32>,
    timed_out: bool,
}

impl Shell {
    /// Starts the command with both outputs in one pipe, so that their order is kept. It inherits the
    /// run's environment, which is the allow-list and nothing else.
    fn start(command: &str) -> io::Result<(Self, pipe::Receiver)> {
        let deaths = signal(SignalKind::child())?;
        let (reader, writer) = io::pipe()?;
        let child = spawn::command("bash")
            .args(["-c", command])
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .process_group(0)
            .spawn()?;
        let shell = Self { group: Some(Pid::from_child(&child)), child, deaths };
        Ok((shell, pipe::Receiver::from_owned_fd(reader.into())?))
    }

    /// Reads what the command says until it has ended, or its time has.
    async fn watch(&mut self, mut pipe: pipe::Receiver, cap: usize, timeout: Duration) -> io::Result<Ended> {
        let mut output = Capped::new(cap);
        let mut piece = vec![0u8; PIECE];
        let mut until = Instant::now() + timeout;
        let (mut open, mut over, mut timed_out, mut killed) = (true, false, false, false);
        while open || !over {
            tokio::select! {
                read = pipe.read(&mut piece), if open => match read? {
                    0 => open = false,
                    bytes => output.push(&piece[..bytes]),
                },
                _ = self.deaths.recv(), if !over => {
                    over = self.has_ended();
                    if !over {
                        continue;
                    }
                    // What is left of the group has no one to report to.
                    self.signal(Signal::KILL);
                    until = Instant::now() + DRAIN;
                }
                () = sleep_until(until) => {
                    if over {
                        break;
                    }
                    self.signal(if timed_out { Signal::KILL } else { Signal::TERM });
                    if killed {
                        break;
                    }
                    killed = timed_out;
                    timed_out = true;
                    until = Instant::now() + MERCY;
                }
            }
        }
        self.signal(Signal::KILL);
        self.group = None;
        let status = self.child.try_wait()?;
        Ok(Ended {
            output: output.finish(),
            code: status.and_then(|status| status.code()),
            signal: status.and_then(|status| status.signal()),
            timed_out,
        })
    }

    /// Whether the command has ended. It is not reaped here: as long as it is not, the number of its
    /// group cannot become somebody else's.
    fn has_ended(&self) -> bool {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        self.group.is_none_or(|pid| !matches!(waitid(WaitId::Pid(pid), look), Ok(None)))
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.try_wait();
    }
}

impl Ended {
    fn describe(self, timeout: Duration) -> Outcome {
        let mut output = self.output;
        let mut note = |text: String| {
            if !output.is_empty() && !output.ends_with('\n') {
                output.push('\n');
            }
            output.push_str(&text);
        };
        if self.timed_out {
            note(format!("[timed out after {} ms]", timeout.as_millis()));
        } else if let Some(signal) = self.signal {
            note(format!("[ended by signal {signal}]"));
        } else if self.code != Some(0) {
            note(format!("[exit code {}]", self.code.map_or("unknown".to_owned(), |code| code.to_string())));
        }
        if output.is_empty() {
            output.push_str("[no output]");
        }
        let exit_code = if self.timed_out { None } else { self.code };
        Outcome { output, is_error: exit_code != Some(0), exit_code }
    }
}
