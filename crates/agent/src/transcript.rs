//! Transcripts: what the vendors' own programs write down of a session, read into one neutral stream.
//!
//! Every vendor has its own reader in its own folder (`claude/transcript.rs` and so on). Invariant: **what a line yields depends on
//! the lines before it and on nothing else**, so a transcript read in two pieces gives what it gives in one, and one that is
//! read again gives the same keys. A line nobody understands is handed back as it is; it never stops the reading.

mod field;
mod find;
mod lines;
mod page;

pub use find::{PLACES_MAX, Place, PlaceError, home, places};
pub use lines::{LINE_MAX, Lines, RAW_MAX, Step};
pub use page::{FILES_MAX, Header, Page, Said, add};

pub(crate) use field::{At, Content, Flat, Text, exit_code};

use crate::{claude, codex, gemini, kimi};
use model::Vendor;

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Understanding {
    /// It said something of the conversation, or of the session.
    Said,
    /// It is known, and says nothing of the conversation.
    Passed,
    Unknown,
}

/// Reads one vendor's lines.
pub(crate) trait Dialect: Send {
    fn read(&mut self, line: &str, page: &mut Page) -> Understanding;
}

/// One transcript being read.
pub struct Transcript {
    dialect: Box<dyn Dialect>,
    page: Page,
}

impl std::fmt::Debug for Transcript {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transcript").field("header", &self.page.header).finish_non_exhaustive()
    }
}

impl Transcript {
    /// Begins at the file's first line, with what its place says already.
    pub fn new(vendor: Vendor, header: Header) -> Self {
        let dialect: Box<dyn Dialect> = match vendor {
            Vendor::Anthropic => Box::new(claude::transcript::Claude::default()),
            Vendor::Openai => Box::new(codex::transcript::Codex::default()),
            Vendor::Google => Box::new(gemini::transcript::Gemini::default()),
            Vendor::Moonshot => Box::new(kimi::transcript::Kimi::default()),
        };
        Self { dialect, page: Page::new(header) }
    }

    /// Reads the next line, without its line break.
    pub fn read(&mut self, line: &str) -> Understanding {
        self.dialect.read(line, &mut self.page)
    }

    /// What was read since it was last taken.
    pub fn page(&mut self) -> &mut Page {
        &mut self.page
    }
}

/// The vendor behind a word people type.
pub fn vendor_of(word: &str) -> Option<Vendor> {
    Vendor::ALL.into_iter().find(|vendor| program(*vendor) == word)
}

/// The word people type for a vendor's program.
pub const fn program(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Anthropic => "claude",
        Vendor::Openai => "codex",
        Vendor::Google => "gemini",
        Vendor::Moonshot => "kimi",
    }
}

#[cfg(test)]
mod tests;
