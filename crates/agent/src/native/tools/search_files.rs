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

use super::super::confine::{ConfineError, Tree};
use super::super::output::cut;
use super::{Outcome, Parsed, ToolError, Toolbox, directory_path, in_background};
use crate::run::wire::Request;
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
    let doing = format!("search_files {pattern}");
    toolbox.status(ParticipantStatus::RunningTool, &doing).await;
    let arguments = json!({"pattern": pattern, "path": path, "glob": glob});
    let expression = compile(&pattern)?;
    let glob = glob
        .map(|glob| Glob::new(&glob).map(|glob| glob.compile_matcher()))
        .transpose()
        .map_err(|error| ToolError::Arguments(error.to_string()))?;
    let path = directory_path(path.as_deref())?;
    let (tree, from) = (toolbox.tree.clone(), path.clone());
    let found = in_background(move |stop| {
        let deadline = Instant::now() + TIME_MAX;
        let mut search = Search { tree: &tree, expression, glob, deadline, stop, found: Found::default() };
        search.walk(from.as_ref())?;
        Ok(search.found)
    })
    .await?;
    // Which files it is about is known only now; nothing of them has been shown yet.
    let paths = if found.paths.is_empty() { path.into_iter().collect() } else { found.paths.clone() };
    let request = Request::to_read("search_files", &doing, arguments, paths);
    toolbox.permitted(request, "what was found is not shown; narrow the search with path or glob").await?;
    Ok(Outcome::ok(found.describe()))
}

fn compile(pattern: &str) -> Result<Regex, ToolError> {
    RegexBuilder::new(pattern)
        .size_limit(EXPRESSION_MAX)
        .dfa_size_limit(EXPRESSION_MAX)
        .build()
        .map_err(|error| ToolError::Arguments(error.to_string()))
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
    /// The files of the lines, each once.
    paths: Vec<RepoPath>,
    files: usize,
    too_large: usize,
    ended_early: Option<&'static str>,
}

impl Search<'_> {
    fn walk(&mut self, path: Option<&RepoPath>) -> Result<(), ConfineError> {
        // The walk goes by names; that the place it starts from is a real one of ours is seen here.
        self.tree.directory(path)?;
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
                break;
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
                break;
            }
            self.found.files += 1;
            self.look_into(&path);
        }
        Ok(())
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
                if self.found.paths.last() != Some(path) {
                    self.found.paths.push(path.clone());
                }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn planted() -> tempfile::TempDir {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "needle outside").unwrap();
        let root = outside.path().join("tree");
        for (path, content) in [
            ("b/two.rs", "x\r\nneedle in b\r\n"),
            ("a.rs", "needle\nno\nneedle again"),
            (".hidden", "needle hidden"),
            (".git/config", "needle in git"),
            ("sub/.git", "needle in a git file"),
            (".gitignore", "target\n"),
            ("target/out", "needle built"),
            ("binary", "needle\0"),
        ] {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), content).unwrap();
        }
        symlink("../secret", root.join("link")).unwrap();
        symlink("..", root.join("up")).unwrap();
        outside
    }

    fn search(root: &Path, pattern: &str, path: Option<&str>, glob: Option<&str>, time: Duration) -> String {
        let tree = Tree::open(root).unwrap();
        let path = directory_path(path).unwrap();
        let mut search = Search {
            tree: &tree,
            expression: compile(pattern).unwrap(),
            glob: glob.map(|glob| Glob::new(glob).unwrap().compile_matcher()),
            deadline: Instant::now() + time,
            stop: &AtomicBool::new(false),
            found: Found::default(),
        };
        match search.walk(path.as_ref()) {
            Ok(()) => search.found.describe(),
            Err(error) => error.to_string(),
        }
    }

    fn check(pattern: &str, path: Option<&str>, glob: Option<&str>, expect: &str) {
        let outside = planted();
        assert_eq!(search(&outside.path().join("tree"), pattern, path, glob, TIME_MAX), expect);
    }

    #[test]
    fn what_git_ignores_what_is_binary_and_what_lies_outside_is_left_out() {
        let all = ".hidden:1: needle hidden\na.rs:1: needle\na.rs:3: needle again\nb/two.rs:2: needle in b";
        check("needle", None, None, all);
        check("^needle$", None, None, "a.rs:1: needle");
        check("needle in b$", Some("b/"), None, "b/two.rs:2: needle in b");
        check(
            "needle",
            None,
            Some("**/*.rs"),
            "a.rs:1: needle\na.rs:3: needle again\nb/two.rs:2: needle in b",
        );
        check("nowhere", None, Some("*.rs"), "[no match in 2 files]");
        check(
            "needle",
            Some("up"),
            None,
            "`up` is a symbolic link; use the path of what it points to, if that is in the repository",
        );
        check("needle", Some("missing"), None, "`missing` does not exist");
    }

    #[test]
    fn it_stops_after_many_matches_and_says_so() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("many"), "needle\n".repeat(MATCHES_MAX + 1)).unwrap();
        let found = search(root.path(), "needle", None, None, TIME_MAX);
        assert_eq!(found.lines().count(), MATCHES_MAX + 1);
        assert!(found.ends_with(
            "[stopped after 200 matches in 1 files: many matches; narrow the search with path or glob]"
        ));
        fs::write(root.path().join("many"), "needle\n".repeat(MATCHES_MAX)).unwrap();
        let found = search(root.path(), "needle", None, None, TIME_MAX);
        assert_eq!(found.lines().count(), MATCHES_MAX, "{found}");
    }

    #[test]
    fn it_stops_when_its_time_is_up() {
        let outside = planted();
        let found = search(&outside.path().join("tree"), "needle", None, None, Duration::ZERO);
        assert!(found.contains("time was up"), "{found}");
    }

    #[test]
    fn large_files_and_long_lines_are_bounded() {
        let root = tempfile::tempdir().unwrap();
        let size = usize::try_from(SEARCHED_FILE_MAX).unwrap();
        fs::write(root.path().join("large"), "needle".repeat(size / 6 + 1)).unwrap();
        fs::write(root.path().join("long"), "needle".repeat(size / 6)).unwrap();
        let found = search(root.path(), "needle", None, None, TIME_MAX);
        assert!(found.len() < 600 && found.contains("needle…"), "{found}");
        assert!(found.contains("[1 files over 2097152 bytes were not searched]"), "{found}");
    }

    #[test]
    fn an_expression_that_would_take_all_memory_or_is_none_is_refused() {
        for bad in ["(a{1000}){1000}", "(", r"\1"] {
            assert!(matches!(compile(bad), Err(ToolError::Arguments(_))), "{bad}");
        }
        let linear = compile("(a+)+$").unwrap();
        assert!(!linear.is_match(format!("{}!", "a".repeat(100_000)).as_bytes()));
    }
}
