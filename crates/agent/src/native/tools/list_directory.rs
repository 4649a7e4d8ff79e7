//! `list_directory`: what lies in a folder of the worktree.

use cap_std::fs::Dir;
use model::{ParticipantStatus, RepoPath};
use serde::Deserialize;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::confine::Tree;
use super::{Outcome, Parsed, ToolError, Toolbox, directory_path, in_background};
use crate::run::wire::Request;

/// Entries shown.
pub(super) const SHOWN_MAX: usize = 1000;
/// Entries looked at; a folder with more is cut in the folder's own order.
pub(super) const SCANNED_MAX: usize = 100_000;

#[derive(Deserialize)]
pub(super) struct Arguments {
    path: Option<String>,
}

pub(super) fn spec() -> (&'static str, Value) {
    (
        "List a directory of the repository: directories end in `/`, links show where they point, files \
         show their size.",
        json!({
            "type": "object",
            "properties": {"path": {"type": "string", "description": "the repository's root when missing"}},
            "required": []
        }),
    )
}

pub(super) async fn run(toolbox: &Toolbox, arguments: Parsed<Arguments>) -> Result<Outcome, ToolError> {
    let path = directory_path(arguments?.path.as_deref())?;
    let doing = format!("list_directory {}", path.as_ref().map_or(".", |path| path.as_str()));
    let arguments = json!({ "path": path });
    let request = Request::to_read("list_directory", &doing, arguments, path.iter().cloned().collect());
    toolbox.permitted(request, "the directory was not listed").await?;
    toolbox.status(ParticipantStatus::RunningTool, &doing).await;
    let tree = toolbox.tree.clone();
    in_background(move |stop| list(&tree, path.as_ref(), stop)).await
}

fn list(tree: &Tree, path: Option<&RepoPath>, stop: &AtomicBool) -> Result<Outcome, ToolError> {
    let dir = tree.directory(path)?;
    let failed = |error: std::io::Error| ToolError::Failed(format!("cannot list: {error}"));
    let mut names = Vec::new();
    let mut more = 0;
    for entry in dir.entries().map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if name.eq_ignore_ascii_case(".git") {
            continue;
        }
        if names.len() >= SCANNED_MAX || stop.load(Ordering::Relaxed) {
            more = 1;
            break;
        }
        names.push(name);
    }
    names.sort();
    let hidden = names.len().saturating_sub(SHOWN_MAX) + more;
    names.truncate(SHOWN_MAX);
    let mut lines: Vec<String> = names.iter().map(|name| describe(&dir, name)).collect();
    if lines.is_empty() {
        lines.push("[the directory is empty]".to_owned());
    }
    if hidden > 0 {
        lines.push(format!("[{SHOWN_MAX} entries shown; at least {hidden} more]"));
    }
    Ok(Outcome::ok(lines.join("\n")))
}

fn describe(dir: &Dir, name: &OsStr) -> String {
    let text = name.to_string_lossy();
    match dir.symlink_metadata(name) {
        Ok(metadata) if metadata.is_dir() => format!("{text}/"),
        Ok(metadata) if metadata.is_symlink() => match dir.read_link_contents(name) {
            Ok(target) => format!("{text} -> {}", target.display()),
            Err(_) => format!("{text} -> ?"),
        },
        Ok(metadata) => format!("{text} ({} bytes)", metadata.len()),
        Err(_) => text.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn list_at(root: &std::path::Path, path: Option<&str>) -> String {
        let path = path.map(|path| path.parse().unwrap());
        list(&Tree::open(root).unwrap(), path.as_ref(), &AtomicBool::new(false)).unwrap().output
    }

    #[test]
    fn entries_are_sorted_and_told_apart_and_git_is_not_there() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("src/empty")).unwrap();
        fs::create_dir(root.path().join(".git")).unwrap();
        fs::write(root.path().join("a.txt"), "four").unwrap();
        fs::write(root.path().join(".hidden"), "").unwrap();
        symlink("/etc", root.path().join("link")).unwrap();
        assert_eq!(list_at(root.path(), None), ".hidden (0 bytes)\na.txt (4 bytes)\nlink -> /etc\nsrc/");
        assert_eq!(list_at(root.path(), Some("src")), "empty/");
        assert_eq!(list_at(root.path(), Some("src/empty")), "[the directory is empty]");
    }

    #[test]
    fn a_large_directory_is_cut() {
        let root = tempfile::tempdir().unwrap();
        for n in 0..SHOWN_MAX + 7 {
            fs::write(root.path().join(format!("{n:05}")), "").unwrap();
        }
        let listed = list_at(root.path(), None);
        assert_eq!(listed.lines().count(), SHOWN_MAX + 1);
        assert!(listed.ends_with("[1000 entries shown; at least 7 more]"));
    }
}
