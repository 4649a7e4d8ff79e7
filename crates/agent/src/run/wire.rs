//! What daemon and run say to each other: one JSON object a line, commands down the run's stdin,
//! events up its stdout.
//!
//! Invariant: a line has a limit in both directions, and no line, however broken, stops the reader.

use llm::{Endpoint, Thinking, Turn};
use model::{
    Block, Driver, Isolation, OutlineStep, PERMISSION_SUMMARY_MAX, ParticipantStatus, PermissionAsk,
    PlannedTask, Refusal, RepoPath, Role, TaskKind, ToolCategory, TurnOutcome, Usage,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

use super::handle::RunExitStatus;
use crate::native::output::cut;

/// Revision of this wire. A daemon goes on while its program on disk is replaced, and would start the other one's
/// guards: the guard's first line says the revision, and another one ends the run before it begins. Raise it with
/// every change of what is below.
pub const WIRE_REVISION: u32 = 4;

/// What the daemon hears of a run, in the order in which it happened. The last one is always
/// [`RunEvent::Exited`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum RunEvent {
    /// The driver has read its [`Start`] and begins.
    Ready,
    /// The vendor's own session is open: its id, and the version of the vendor's program.
    Opened { vendor_session: String, version: Option<String> },
    /// The vendor's session could not be forked: the agent is shown the transcript instead.
    Replayed { reason: String },
    /// What the participant does now. `WaitingLock` never comes from a run: the daemon knows better
    /// whether a lock request waits.
    Status { status: ParticipantStatus, detail: String },
    /// Text as it is written, collected for about 30 ms. It comes again, whole, in `Message`.
    Delta { kind: TextKind, text: String },
    /// A request goes to the model now. The figures are estimates.
    ModelCalled { prompt_tokens: u64, estimated_cost_micros: u64 },
    /// The model's answer is complete.
    ModelAnswered { usage: Usage, latency_ms: u64, retries: u32 },
    /// A whole message: the model's answer (`Role::Assistant`, with usage and latency) or the
    /// results of its tool calls (`Role::Tool`).
    Message { role: Role, blocks: Vec<Block>, usage: Option<Usage>, latency_ms: Option<u64> },
    /// The vendor's program wrote the file itself, under a lock the run holds. Said before the result of the tool call.
    Wrote { path: RepoPath, diff: Option<String> },
    /// What the agent intends to do; each replaces the one before.
    Outlined { steps: Vec<OutlineStep> },
    /// A line of the vendor's program, as it was; not those that carry text piece by piece.
    Record { line: String },
    /// Answer to [`RunCommand::Steer`]: whether the agent has taken up the words. Those it never took up are answered before the end.
    Steered { id: u64, taken: bool },
    /// The vendor takes no more calls: for so long, or until then, as it says itself. The turn fails over it.
    Limited {
        #[serde(default)]
        retry_after_ms: Option<u64>,
        #[serde(default)]
        until: Option<model::Timestamp>,
        reason: String,
    },
    /// Something only the daemon can do; answered by [`RunCommand::Reply`] with the same id.
    Request { id: u64, request: Request },
    /// The turn is over; the process waits for [`RunCommand::Leave`] and exits.
    Ended { outcome: TurnOutcome, iterations: u32, usage: Usage },
    /// A line the run's processes wrote to stderr, cut at 4 KiB.
    #[serde(skip)]
    Stderr(String),
    /// The beginning of a line that is not an event, or was longer than the limit.
    #[serde(skip)]
    Malformed(String),
    /// Every process of the run is dead.
    #[serde(skip)]
    Exited(RunExitStatus),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextKind {
    Text,
    Thinking,
}

/// What a run asks of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// An exclusive lock on the path, waited for. Answered `Locked`. Asking again for a path that is
    /// held already is fine and answers the same lock. `change` is the edit it is wanted for, as far as the driver knows it: who
    /// is asked about the edit is asked about exactly that.
    Lock {
        path: RepoPath,
        #[serde(default)]
        change: Option<Value>,
    },
    /// Write the file under the lock the run holds. `base` is the BLAKE3 (hex) of the content the
    /// edit was made from; none means that the file must not exist. Answered `Written`.
    Write { path: RepoPath, base: Option<String>, content: String },
    /// A question for the user. Answered `Answer`, perhaps hours later.
    Ask { question: String },
    /// The plan of a `TaskKind::Propose` turn. Answered `Accepted`.
    Propose { tasks: Vec<PlannedTask> },
    /// A notice for the other agents. Answered `Accepted`.
    Notice { channel: String, text: String },
    /// May the tool be called with exactly these arguments? Answered `Permitted`, perhaps hours later.
    Permit { ask: Box<PermissionAsk> },
    /// Does a rule forbid this call, which the vendor's program would let go ahead by itself? Nobody is asked. Answered
    /// `Permitted`, at once.
    Veto { ask: Box<PermissionAsk> },
}

/// Largest edit that is shown to whoever is asked about it, in bytes of JSON; a larger one is bound by its hash.
pub(crate) const CHANGE_SHOWN_MAX: usize = 64 * 1024;

impl Request {
    /// The lock of a file, for this edit of it.
    pub fn to_edit(path: RepoPath, change: Option<&Value>) -> Self {
        let bounded = |change: &Value| {
            let text = change.to_string();
            if text.len() <= CHANGE_SHOWN_MAX {
                return change.clone();
            }
            json!({"bytes": text.len(), "blake3": blake3::hash(text.as_bytes()).to_hex().to_string()})
        };
        Self::Lock { path, change: change.map(bounded) }
    }

    /// To read what is at these paths, which a driver does for its agent. Rules may forbid it, or want it asked about.
    pub(crate) fn to_read(tool: &str, summary: &str, arguments: Value, paths: Vec<RepoPath>) -> Self {
        let ask = PermissionAsk {
            tool: tool.to_owned(),
            category: ToolCategory::Read,
            summary: cut(summary, PERMISSION_SUMMARY_MAX).to_owned(),
            arguments,
            paths,
        };
        Self::Permit { ask: Box::new(ask) }
    }
}

/// Longest the daemon takes to answer a request: a person may be asked, and then a lock waited for.
pub const PATIENCE_MAX: Duration = Duration::from_secs(2_000_000);

/// The daemon's answer to a [`Request`] it carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    Locked {
        token: u64,
    },
    Written {
        hash: String,
        lines_added: u32,
        lines_removed: u32,
    },
    Answer {
        text: String,
    },
    /// `reason` is for the agent when it is not allowed.
    Permitted {
        allowed: bool,
        reason: String,
    },
    Accepted,
}

/// What the daemon tells a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum RunCommand {
    /// Always the first; sent by [`crate::launch`].
    Start(Box<Start>),
    Reply {
        id: u64,
        result: Result<Reply, Refusal>,
    },
    /// Words of the user for the turn that is under way; answered by [`RunEvent::Steered`].
    Steer {
        id: u64,
        text: String,
    },
    /// End the turn as `Canceled`, whatever it waits for.
    Cancel,
    /// The end of the turn was heard; exit. Until then the run lives, and what it locked is its own
    /// while the daemon keeps its work.
    Leave,
}

/// Everything a turn needs. It travels over the pipe only: nothing of it is in an argument list, in
/// an environment or on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The agent's name; the system prompt begins `You are <agent>,`.
    pub agent: String,
    /// Instructions that follow the opening line of the system prompt.
    pub system: String,
    /// The conversation so far, oldest first, as this agent is to see it.
    pub history: Vec<Turn>,
    pub prompt: String,
    /// Decides the tools: `Prompt` and `Work` have all but `propose_plan`, `Propose` reads and proposes,
    /// `Review` only reads.
    pub kind: TaskKind,
    pub driver: Driver,
    /// Which conversation of the vendor's own the turn belongs to. The native driver has none: it is given `history`.
    pub begin: Begin,
    /// The vendor's program; none for the native driver.
    pub program: Option<Program>,
    pub isolation: Isolation,
    /// The MCP server that is offered to the agent; none for the native driver, whose tools are our own.
    pub mcp: Option<McpServer>,
    pub endpoint: Endpoint,
    pub model: String,
    /// Model calls before the turn fails with `iteration_cap`.
    pub max_iterations: u32,
    /// Milliseconds from here until the turn fails with `deadline`. Time spent waiting for the user's
    /// answer does not count.
    pub deadline_ms: u64,
    /// Upper bound of one answer; the provider's default when none.
    pub max_tokens: Option<u32>,
    pub bash: BashPolicy,
    pub thinking: Thinking,
}

/// Where a vendor's conversation begins.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "begin", rename_all = "snake_case")]
pub enum Begin {
    #[default]
    New,
    /// The vendor's session goes on.
    Resume { vendor_session: String },
    /// A new one that knows what the vendor's session knows.
    Fork { vendor_session: String },
}

/// A vendor's program and how it is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Program and first arguments; a bare name is looked up in PATH.
    pub argv: Vec<String>,
    /// What its environment has beyond that of the run. May hold a key, as the vendor's own shell would.
    pub env: Vec<(String, String)>,
}

/// An MCP server of ours, started by the vendor's program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct McpServer {
    pub name: String,
    pub argv: Vec<String>,
    pub env: Vec<(String, String)>,
}

/// What the bash tool may use up. Its environment is that of the run, see [`crate::ENV_ALLOWED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BashPolicy {
    /// For commands that name none.
    pub timeout_ms: u64,
    /// The longest a command may ask for.
    pub max_timeout_ms: u64,
    /// Bytes of output the model gets to see.
    pub output_cap: usize,
}

impl Default for BashPolicy {
    fn default() -> Self {
        Self { timeout_ms: 120_000, max_timeout_ms: 600_000, output_cap: 32 * 1024 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_edit_is_bound_by_its_hash() {
        let lock = |bytes: usize, letter: &str| {
            let request = Request::to_edit("a".parse().unwrap(), Some(&json!(letter.repeat(bytes))));
            let Request::Lock { change: Some(change), .. } = request else { panic!("{request:?}") };
            change
        };
        // Two bytes are its quotes.
        let fits = CHANGE_SHOWN_MAX - 2;
        assert_eq!(lock(fits, "x"), json!("x".repeat(fits)));
        let (one, other) = (lock(fits + 1, "x"), lock(fits + 1, "y"));
        assert_eq!(one["bytes"], CHANGE_SHOWN_MAX + 1);
        assert_ne!(one["blake3"], other["blake3"]);
    }
}
