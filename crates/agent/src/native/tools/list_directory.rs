//! `list_directory`: what lies in a folder of the worktree.

use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

use super::{Outcome, Parsed, ToolError, Toolbox, directory_path, in_background};
use model::ParticipantStatus;

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
    let shown = path.as_ref().map_or(".", |path| path.as_str());
    toolbox.status(ParticipantStatus::RunningTool, &format!("list_directory {shown}")).await;
    let tree = toolbox.tree.clone();
    in_background(move |stop| {
        let dir = tree.directory(path.as_ref())?;
        let failed = |error: std::io::Error| ToolError::Failed(format!("cannot list: {error}"));
        let mut names = Vec::new();
        let mut more = 0usize;
        for entry in dir.entries().map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            if name.eq_ignore_ascii_case(".git") {
                continue;
            }
            if names.len() >= SCANNED_MAX || stop.load(Ordering::Relaxed) {
                more += 1;
                break;
            }
            names.push(name);
        }
        names.sort();
        let hidden = names.len().saturating_sub(SHOWN_MAX) + more;
        names.truncate(SHOWN_MAX);
        let mut lines: Vec<String> = names
            .iter()
            .map(|name| {
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
            })
            .collect();
        if lines.is_empty() {
            lines.push("[the directory is empty]".to_owned());
        }
        if hidden > 0 {
            lines.push(format!("[{SHOWN_MAX} entries shown; at least {hidden} more]"));
        }
        Ok(Outcome::ok(lines.join("\n")))
    })
    .await
}
