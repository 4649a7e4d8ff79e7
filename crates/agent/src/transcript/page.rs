//! What was read of a transcript: the header as far as it is known, and what was said since it was last taken.

use model::{Block, Role, Timestamp, TouchedFile, Usage};
use std::collections::{HashMap, HashSet};

/// Most changed files of one page that are named; more are in the tool calls all the same.
pub const FILES_MAX: usize = 256;
/// Longest title that is taken over, in characters.
const TITLE_MAX: usize = 200;

/// Names a message within its session; the same however often it is read.
pub(crate) type Key = [u8; 16];

/// What is known of the session so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// The vendor's name of the session; of a sub-agent `<session>/<agent>`.
    pub session: String,
    /// The vendor's name of the session that started this one.
    pub parent: Option<String>,
    /// The tool call that started it.
    pub call: Option<String>,
    pub cwd: Option<String>,
    pub branch: Option<String>,
    pub version: Option<String>,
    pub model: Option<String>,
    /// The vendor's own title, or the first prompt's first line.
    pub title: Option<String>,
    pub started: Option<Timestamp>,
}

/// One message as it was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub key: [u8; 16],
    pub at: Timestamp,
    pub role: Role,
    pub blocks: Vec<Block>,
    pub usage: Option<Usage>,
}

/// The neutral stream.
#[derive(Debug, Default)]
pub struct Page {
    pub header: Header,
    /// True since the vendor named the session; a prompt names it no more.
    titled: bool,
    pub said: Vec<Said>,
    pub usage: Usage,
    pub files: Vec<TouchedFile>,
    seen: HashSet<Key>,
    tools: HashMap<String, String>,
    last: Timestamp,
}

impl Page {
    pub(crate) fn new(header: Header) -> Self {
        let titled = header.title.is_some();
        Self { header, titled, ..Self::default() }
    }

    /// What was said since it was last taken: messages, use, changed files.
    pub fn take(&mut self) -> (Vec<Said>, Usage, Vec<TouchedFile>) {
        (std::mem::take(&mut self.said), std::mem::take(&mut self.usage), std::mem::take(&mut self.files))
    }

    /// The time of this record: its own, or that of the one before.
    pub(crate) fn at(&mut self, given: Option<Timestamp>) -> Timestamp {
        if let Some(at) = given {
            self.last = at;
            self.header.started.get_or_insert(at);
        }
        self.last
    }

    /// Adds a message unless one of this name was there before.
    pub(crate) fn say(
        &mut self,
        name: &[&str],
        at: Timestamp,
        role: Role,
        blocks: Vec<Block>,
    ) -> Option<&mut Said> {
        if blocks.is_empty() || !self.first(name) {
            return None;
        }
        if role == Role::User && !self.titled && self.header.title.is_none() {
            self.header.title = first_line(&blocks);
        }
        self.said.push(Said { key: key(name), at, role, blocks, usage: None });
        self.said.last_mut()
    }

    /// True the first time something of this name is met.
    pub(crate) fn first(&mut self, name: &[&str]) -> bool {
        self.seen.insert(key(name))
    }

    pub(crate) fn used(&mut self, usage: &Usage) {
        add(&mut self.usage, usage);
    }

    pub(crate) fn changed(&mut self, path: &str, call: Option<&str>) {
        if self.files.len() < FILES_MAX && !path.is_empty() {
            self.files.push(TouchedFile { path: path.to_owned(), call: call.map(str::to_owned) });
        }
    }

    /// The vendor's own title.
    pub(crate) fn titled(&mut self, title: &str) {
        if let Some(title) = clean_title(title) {
            self.header.title = Some(title);
            self.titled = true;
        }
    }

    pub(crate) fn called(&mut self, call: &str, tool: &str) {
        self.tools.insert(call.to_owned(), tool.to_owned());
    }

    /// The tool behind a result; its call is over then.
    pub(crate) fn tool(&mut self, call: &str) -> String {
        self.tools.remove(call).unwrap_or_default()
    }
}

/// Adds to a sum, which stops growing before it wraps.
pub fn add(sum: &mut Usage, more: &Usage) {
    sum.input_tokens = sum.input_tokens.saturating_add(more.input_tokens);
    sum.output_tokens = sum.output_tokens.saturating_add(more.output_tokens);
    sum.cache_read_tokens = sum.cache_read_tokens.saturating_add(more.cache_read_tokens);
    sum.cache_write_tokens = sum.cache_write_tokens.saturating_add(more.cache_write_tokens);
    sum.cost_micros = sum.cost_micros.saturating_add(more.cost_micros);
}

/// Names are told apart by their lengths, so that no two lists of parts run into one.
fn key(name: &[&str]) -> Key {
    let mut hasher = blake3::Hasher::new();
    for part in name {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    let mut key = [0; 16];
    key.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    key
}

fn first_line(blocks: &[Block]) -> Option<String> {
    blocks.iter().find_map(|block| match block {
        Block::Text { text } => text.lines().find_map(clean_title),
        _ => None,
    })
}

/// A title as the studio takes it: one line without control characters, not too long.
fn clean_title(given: &str) -> Option<String> {
    let line = given.lines().find(|line| !line.trim().is_empty())?;
    let title: String = line.trim().chars().filter(|c| !c.is_control()).take(TITLE_MAX).collect();
    Some(title).filter(|title| !title.is_empty())
}
