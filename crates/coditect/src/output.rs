//! What is said to a person or a shell when a part of the binary could not do its work.
//!
//! Invariant: every complaint has a stable code, an exit code and, where there is one, a next step.

use model::{Refusal, RefusalKind};
use protocol::ExitClass;
use std::io::Write;
use std::process::ExitCode;

/// Something that ends a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Complaint {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    pub(crate) class: ExitClass,
}

impl Complaint {
    pub(crate) fn new(class: ExitClass, code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, class }
    }

    pub(crate) fn failed(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(ExitClass::Failed, code, message)
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitClass::Usage, "usage", message)
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<Refusal> for Complaint {
    fn from(refusal: Refusal) -> Self {
        let class = match refusal.kind {
            RefusalKind::Invalid => ExitClass::Usage,
            RefusalKind::NotFound => ExitClass::NotFound,
            RefusalKind::Conflict => ExitClass::Conflict,
            RefusalKind::Forbidden => ExitClass::Authentication,
            RefusalKind::Busy | RefusalKind::Full | RefusalKind::Unavailable | RefusalKind::Internal => {
                ExitClass::Failed
            }
        };
        let code = match refusal.code {
            std::borrow::Cow::Borrowed(code) => code,
            std::borrow::Cow::Owned(_) => "refused",
        };
        Self { code, message: refusal.message, hint: refusal.hint, class }
    }
}

/// Says it on stderr; the exit code is the class's.
pub(crate) fn complain(complaint: &Complaint) -> ExitCode {
    let mut text = format!("error: {} [{}]\n", complaint.message, complaint.code);
    if let Some(hint) = &complaint.hint {
        text.push_str(&format!("hint: {hint}\n"));
    }
    // Nobody is left to be told that stderr is closed.
    let _ = std::io::stderr().write_all(text.as_bytes());
    ExitCode::from(complaint.class.code())
}

/// One line on stdout, at once.
pub(crate) fn say(line: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}
