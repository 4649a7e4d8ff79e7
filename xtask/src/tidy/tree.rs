//! The files of the project: everything git knows or would know, so that what is ignored is nobody's business.

use super::Findings;
use crate::place;
use crate::process::{command, output};

/// Names that say nothing about what is inside; such a file grows by whatever fits nowhere else.
const EMPTY_NAMES: &[&str] = &[
    "common", "core", "helper", "helpers", "manager", "misc", "service", "services", "shared", "stuff",
    "types", "util", "utils",
];

/// A text file: its path from the root, with `/`, and what is in it.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn lines(&self) -> usize {
        self.text.lines().count()
    }

    pub(crate) fn ends(&self, end: &str) -> bool {
        self.path.ends_with(end)
    }

    pub(crate) fn under(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }
}

/// Every text file, tracked or about to be.
pub(crate) fn read() -> Result<Vec<File>, String> {
    let listed = output(command("git", &["ls-files", "-z", "--cached", "--others", "--exclude-standard"]))?;
    let root = place::root();
    let mut files = Vec::new();
    for path in listed.split('\0').filter(|path| !path.is_empty()) {
        // What is not text, or was removed and not yet committed, has no rules.
        if let Ok(text) = std::fs::read_to_string(root.join(path)) {
            files.push(File { path: path.to_owned(), text });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    if files.is_empty() { Err("git lists no files here".to_owned()) } else { Ok(files) }
}

pub(crate) fn name(file: &File) -> Findings {
    let code = [".rs", ".ts", ".tsx", ".mjs"].iter().any(|end| file.ends(end));
    if !code || file.under("examples/") {
        return Findings::new();
    }
    let words = file.path.split('/').map(|part| part.split('.').next().unwrap_or(part));
    words.filter_map(|word| fault(word).map(|fault| format!("{}: `{word}` {fault}", file.path))).collect()
}

fn fault(word: &str) -> Option<&'static str> {
    if EMPTY_NAMES.contains(&word) {
        return Some("does not say what is inside; name it after its noun");
    }
    if word.starts_with("new_") || word.starts_with("old_") || word.ends_with("_v2") {
        return Some("is named after a moment; name it after what it does");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_is_inside() {
        let check = |path: &str| name(&File { path: path.to_owned(), text: String::new() }).len();
        assert_eq!(check("crates/store/src/session.rs"), 0);
        assert_eq!(check("crates/store/src/utils.rs"), 1);
        assert_eq!(check("crates/helpers/src/misc.rs"), 2);
        assert_eq!(check("web/src/app/new_shell.tsx"), 1);
        assert_eq!(check("examples/stint/src/util.js"), 0, "examples belong to somebody else's house");
    }
}
