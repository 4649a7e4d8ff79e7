//! Refusals: why a command was not carried out, in a form every face can show.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// A command that was understood and not carried out; nothing was changed. Carries what a person
/// needs: a stable code, what is wrong, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub kind: RefusalKind,
    /// Stable, machine-readable, `snake_case`.
    pub code: Cow<'static, str>,
    pub message: String,
    /// The next step, as a sentence or a command.
    pub hint: Option<String>,
}

/// Decides the HTTP status and the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// The request itself is wrong.
    Invalid,
    /// What it names does not exist.
    NotFound,
    /// It contradicts the present state: held lock, ended task, key used for something else.
    Conflict,
    /// The caller may not do it.
    Forbidden,
    /// A queue or a quota is full; later it may work.
    Busy,
    /// Disk full: nothing was written.
    Full,
    /// Something it needs is not there: a key, a program, a provider.
    Unavailable,
    /// A fault of ours.
    Internal,
}

impl Refusal {
    pub fn new(kind: RefusalKind, code: &'static str, message: impl Into<String>) -> Self {
        Self { kind, code: Cow::Borrowed(code), message: message.into(), hint: None }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(RefusalKind::Invalid, code, message)
    }

    pub fn not_found(noun: &'static str, given: impl fmt::Display) -> Self {
        Self::new(RefusalKind::NotFound, "not_found", format!("no {noun} `{given}`"))
    }

    pub fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(RefusalKind::Conflict, code, message)
    }

    /// There may be room or time later: to try again is no mistake.
    pub fn passes(&self) -> bool {
        matches!(self.kind, RefusalKind::Busy | RefusalKind::Full)
    }

    pub fn internal(error: impl fmt::Display) -> Self {
        Self::new(RefusalKind::Internal, "internal", error.to_string())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_full_or_busy_passes_and_nothing_else() {
        use RefusalKind::{Busy, Conflict, Forbidden, Full, Internal, Invalid, NotFound, Unavailable};
        let passes = |kind: &RefusalKind| Refusal::new(*kind, "x", "").passes();
        let all = [Invalid, NotFound, Conflict, Forbidden, Busy, Full, Unavailable, Internal];
        assert_eq!(all.into_iter().filter(passes).collect::<Vec<_>>(), [Busy, Full]);
    }
}
