//! `search_files`: a regular expression over the worktree's files.
//!
//! Invariant: it ends — in time, in files, in matches — and says when that was before the end. The
//! expression is one that takes linear time.

use globset::{Glob, GlobMatcher};
use ignore::WalkBuilder;
use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::super::confine::Tree;
use super::super::output::cut;
use super::{Outcome, Parsed, ToolError, Toolbox, directory_path, in_background};
use model::{ParticipantStatus, RepoPath};

/// Matching lines shown.
pub(super) const MATCHES_MAX: usize = 200;
/// Files looked into.
pub(super) const FILES_MAX: usize = 50_000;
/// Larger files are passed over, in bytes.
pub(super) const SEARCHED_FILE_MAX: u64 = 2 * 1024 * 1024;
/// How much of a matching line is shown, in bytes.
const SHOWN_LINE_MAX: usize = 300;
/// Memory a compiled expression may take, in bytes.
const EXPRESSION_MAX: usize = 1024 * 1024;
const TIME_MAX: Duration = Duration::from_secs(10);
/// Lines between two looks at the clock.
const LINES_PER_LOOK: usize = 1024;

#[derive(Deserialize)]
pub(super) struct Arguments {
    pattern: String,
    path: Option<String>,
    glob: Option<String>,
}

pub(super) fn spec() -> (&'static str, Value) {
    (
        "Search the repository's text files for a regular expression, line by line. Files that git ignores \
         and binary files are left out. Results are `path:line: text`.",
        json!({
            "type": "object",
            "properties": {
                "pattern": {"type": "string", "description": "regular expression (Rust syntax)"},
                "path": {"type": "string", "description": "directory to search in; everything when missing"},
                "glob": {"type": "string", "description": "only files whose path matches, as **/*.rs"}
            },
            "required": ["pattern"]
        }),
    )
}

pub(super) async fn run(toolbox: &Toolbox, arguments: Parsed<Arguments>) -> Result<Outcome, ToolError> {
    let Arguments { pattern, path, glob } = arguments?;
    toolbox.status(ParticipantStatus::RunningTool, &format!("search_files {pattern}")).await;
    let expression = RegexBuilder::new(&pattern)
        .size_limit(EXPRESSION_MAX)
        .dfa_size_limit(EXPRESSION_MAX)
        .build()
        .map_err(|error| ToolError::Arguments(error.to_string()))?;
    let glob = glob
        .map(|glob| Glob::new(&glob).map(|glob| glob.compile_matcher()))
        .transpose()
        .map_err(|error| ToolError::Arguments(error.to_string()))?;
    let path = directory_path(path.as_deref())?;
    let tree = toolbox.tree.clone();
    in_background(move |stop| {
        // The walk goes by names; that the place it starts from is a real one of ours is seen here.
        tree.directory(path.as_ref())?;
        let mut search = Search {
            tree: &tree,
            expression,
            glob,
            deadline: Instant::now() + TIME_MAX,
            stop,
            found: Found::default(),
        };
        search.walk(path.as_ref());
        Ok(Outcome::ok(search.found.describe()))
    })
    .await
}

struct Search<'a> {
    tree: &'a Tree,
    expression: Regex,
    glob: Option<GlobMatcher>,
    deadline: Instant,
    stop: &'a AtomicBool,
    found: Found,
}

#[derive(Default)]
struct Found {
    lines: Vec<String>,
    files: usize,
    too_large: usize,
    ended_early: Option<&'static str>,
}

impl Search<'_> {
    fn walk(&mut self, path: Option<&RepoPath>) {
        let root = self.tree.path();
        let from = path.map_or_else(|| root.to_owned(), |path| root.join(path.as_str()));
        let walk = WalkBuilder::new(from)
            .hidden(false)
            .parents(false)
            .require_git(false)
            .git_global(false)
            .git_exclude(false)
            .follow_links(false)
            .sort_by_file_name(std::cmp::Ord::cmp)
            .filter_entry(|entry| !entry.file_name().eq_ignore_ascii_case(".git"))
            .build();
        for entry in walk {
            if self.ended() {
                return;
            }
            let Ok(entry) = entry else { continue };
            if !entry.file_type().is_some_and(|kind| kind.is_file()) {
                continue;
            }
            let Some(path) = repo_path(root, entry.path()) else { continue };
            if self.glob.as_ref().is_some_and(|glob| !glob.is_match(path.as_str())) {
                continue;
            }
            if self.found.files == FILES_MAX {
                self.found.ended_early = Some("many files");
                return;
            }
            self.found.files += 1;
            self.look_into(&path);
        }
    }

    fn ended(&mut self) -> bool {
        if self.found.ended_early.is_none() {
            if self.found.lines.len() >= MATCHES_MAX {
                self.found.ended_early = Some("many matches");
            } else if Instant::now() >= self.deadline || self.stop.load(Ordering::Relaxed) {
                self.found.ended_early = Some("time was up");
            }
        }
        self.found.ended_early.is_some()
    }

    /// Opened through the tree's handle: what the walk saw may be something else by now.
    fn look_into(&mut self, path: &RepoPath) {
        use super::super::confine::ConfineError;
        let content = match self.tree.read(path, SEARCHED_FILE_MAX) {
            Ok(content) => content,
            Err(ConfineError::TooLarge { .. }) => {
                self.found.too_large += 1;
                return;
            }
            Err(_) => return,
        };
        if content.contains(&0) {
            return;
        }
        for (number, line) in content.split(|byte| *byte == b'\n').enumerate() {
            if number % LINES_PER_LOOK == LINES_PER_LOOK - 1 && self.ended() {
                return;
            }
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if self.expression.is_match(line) {
                if self.found.lines.len() >= MATCHES_MAX {
                    self.found.ended_early = Some("many matches");
                    return;
                }
                let text = String::from_utf8_lossy(line);
                let shown = cut(&text, SHOWN_LINE_MAX);
                let more = if shown.len() < text.len() { "…" } else { "" };
                self.found.lines.push(format!("{path}:{}: {shown}{more}", number + 1));
            }
        }
    }
}

impl Found {
    fn describe(mut self) -> String {
        let matches = self.lines.len();
        if matches == 0 {
            self.lines.push(format!("[no match in {} files]", self.files));
        }
        if self.too_large > 0 {
            self.lines
                .push(format!("[{} files over {SEARCHED_FILE_MAX} bytes were not searched]", self.too_large));
        }
        if let Some(reason) = self.ended_early {
            self.lines.push(format!(
                "[stopped after {matches} matches in {} files: {reason}; narrow the search with path or glob]",
                self.files
            ));
        }
        self.lines.join("\n")
    }
}

fn repo_path(root: &Path, found: &Path) -> Option<RepoPath> {
    found.strip_prefix(root).ok()?.to_str()?.parse().ok()
}
