//! What a vendor's program tells its hooks, in words of ours, and what it understands as an answer.
//!
//! Only reading and rendering: who may change what is decided by whoever asks, with the bus. Invariant: input of any
//! shape becomes an event or an error, never a panic, and what is not understood is never taken for harmless.

pub(crate) mod raw;

use crate::{Cli, claude, codex, gemini, kimi};
use raw::Raw;
use std::path::PathBuf;

/// Longest input of a hook, in bytes: a whole file's new content is in it.
pub const HOOK_INPUT_MAX: usize = 32 * 1024 * 1024;
/// Longest id of a vendor's session, sub-agent or call, in bytes.
pub const VENDOR_ID_MAX: usize = 256;

/// Something that happened, or is about to, in a session of a vendor's program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookEvent {
    pub cli: Cli,
    /// What the vendor calls it; an answer repeats it.
    pub name: String,
    /// The vendor's id of the session.
    pub session: String,
    /// The sub-agent it happened in; none is the session's own agent.
    pub agent: Option<String>,
    /// What kind of sub-agent that is.
    pub agent_type: Option<String>,
    pub cwd: Option<PathBuf>,
    pub model: Option<String>,
    pub moment: Moment,
}

/// When in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    SessionStart,
    /// In the middle of a turn its history was made shorter: what it was told is to be told again.
    Compacted,
    /// The user has sent a prompt.
    Prompt,
    BeforeTool(ToolUse),
    AfterTool(ToolUse),
    /// The turn is over.
    Stop,
    SubagentStart,
    SubagentStop,
    SessionEnd,
    /// Of a kind we have no business with.
    Other,
}

/// A call of a tool, as far as it concerns files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ToolUse {
    pub name: String,
    /// The vendor's id of the call.
    pub call: Option<String>,
    /// Files it is about to change, as the vendor gave them: absolute, or from the session's folder.
    pub paths: Vec<String>,
    /// What it gives to a shell.
    pub command: Option<String>,
    /// The tool is there to change files. Without `paths` nobody can say which.
    pub mutates: bool,
}

/// What is said to the vendor's program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Go on; nothing to say.
    Quiet,
    /// Go on; this is for the model.
    Context(String),
    /// Do not; this is why.
    Deny(String),
}

/// An answer as the vendor's program reads it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rendered {
    pub stdout: String,
    pub stderr: String,
    pub exit: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    #[error("the hook's input is longer than {HOOK_INPUT_MAX} bytes")]
    TooLong,
    #[error("the hook's input cannot be read: {0}")]
    Unreadable(String),
    /// There is no telling whose it is.
    #[error("the hook's input has no usable `{0}`")]
    Missing(&'static str),
}

impl HookEvent {
    /// Reads what the vendor's program wrote to the hook's stdin.
    pub fn parse(cli: Cli, input: &[u8]) -> Result<Self, HookError> {
        if input.len() > HOOK_INPUT_MAX {
            return Err(HookError::TooLong);
        }
        let raw = Raw::read(input)?;
        let moment = match cli {
            Cli::Claude => claude::hook::moment(&raw),
            Cli::Codex => codex::hook::moment(&raw),
            Cli::Gemini => gemini::hook::moment(&raw),
            Cli::Kimi => kimi::hook::moment(&raw),
        };
        Ok(Self {
            cli,
            name: raw.event,
            session: raw.session,
            agent: raw.agent,
            agent_type: raw.agent_type,
            cwd: raw.cwd.map(PathBuf::from),
            model: raw.model,
            moment,
        })
    }

    /// Whether a [`Answer::Context`] reaches the model from here.
    pub fn is_heard(&self) -> bool {
        match self.cli {
            Cli::Claude | Cli::Codex | Cli::Gemini => {
                matches!(
                    self.moment,
                    Moment::SessionStart | Moment::Compacted | Moment::Prompt | Moment::AfterTool(_)
                )
            }
            // The others of its hooks are for looking on only.
            Cli::Kimi => matches!(self.moment, Moment::Prompt),
        }
    }

    /// The answer in the vendor's form.
    pub fn render(&self, answer: &Answer) -> Rendered {
        match answer {
            Answer::Quiet => Rendered::default(),
            Answer::Context(text) if self.is_heard() => match self.cli {
                Cli::Claude | Cli::Codex | Cli::Gemini => raw::context(&self.name, text),
                Cli::Kimi => kimi::hook::context(text),
            },
            Answer::Context(_) => Rendered::default(),
            Answer::Deny(why) => match self.cli {
                Cli::Claude | Cli::Codex | Cli::Kimi => raw::denied(&self.name, why),
                Cli::Gemini => gemini::hook::denied(why),
            },
        }
    }
}

impl Rendered {
    /// A denial every vendor's program understands, for when not even the event could be read.
    pub fn refusal(why: &str) -> Self {
        Self { stdout: String::new(), stderr: format!("{why}\n"), exit: 2 }
    }
}

/// Whether unreadable input looks as if a tool were about to run. Who cannot read the question must not answer "go on"
/// to that.
pub fn looks_like_a_tool(input: &[u8]) -> bool {
    let has = |word: &[u8]| input.windows(word.len()).any(|window| window == word);
    has(b"PreToolUse") || has(b"BeforeTool")
}

#[cfg(test)]
mod tests;
