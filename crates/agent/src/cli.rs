//! The vendors' own command line programs, by the names people type.

use std::fmt;
use std::str::FromStr;

/// A vendor's program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cli {
    Claude,
    Codex,
    Gemini,
    Kimi,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is none of claude, codex, gemini and kimi")]
pub struct UnknownCli(String);

impl Cli {
    pub const ALL: [Self; 4] = [Self::Claude, Self::Codex, Self::Gemini, Self::Kimi];

    /// What it is called, and its program's file name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::Kimi => "kimi",
        }
    }
}

impl FromStr for Cli {
    type Err = UnknownCli;

    fn from_str(given: &str) -> Result<Self, UnknownCli> {
        let known = Self::ALL.into_iter().find(|cli| cli.as_str() == given);
        known.ok_or_else(|| UnknownCli(given.chars().take(80).collect()))
    }
}

impl fmt::Display for Cli {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
