//! Tables of ours at the end of the user's TOML. The rest of the text is never touched; that it is TOML, and still is
//! with ours, is checked by a parser.
//!
//! The vendors' programs write these files too: they put their own tables between our lines, or drop comments. So ours
//! are found by what they say, not by the marks around them.

use super::{SERVER, calls_us};
use crate::Cli;
use toml_edit::Document;

const BEGIN: &str = "# >>> coditect: made by `coditect connect`, and goes with `coditect disconnect`";
const END: &str = "# <<< coditect";

/// The text with our tables; the same when they are there as they should be.
pub(super) fn with(present: &str, block: &str, cli: Cli) -> Result<String, String> {
    parse(present)?;
    let block = format!("{}\n", block.trim_end());
    let there: String = chunks(present)
        .filter(|chunk| is_ours(chunk, cli) == Some(Ours::Table))
        .map(|chunk| chunk.replace("\r\n", "\n"))
        .collect();
    if there == block {
        return Ok(present.to_owned());
    }
    let mut text = without(present, cli, Ours::Table);
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let end = if present.contains("\r\n") { "\r\n" } else { "\n" };
    text.push_str(&format!("{BEGIN}\n{block}{END}\n").replace('\n', end));
    parse(&text).map_err(|why| format!("with our part it would not be TOML any more: {why}"))?;
    Ok(text)
}

/// The text without anything of ours.
pub(super) fn without_any(present: &str, cli: Cli) -> String {
    without(present, cli, Ours::Below)
}

fn without(present: &str, cli: Cli, upto: Ours) -> String {
    let stays =
        |chunk: &&str| is_ours(chunk, cli).is_none_or(|ours| ours == Ours::Below && upto == Ours::Table);
    chunks(present).filter(stays).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ours {
    /// A table we wrote, or a mark around them.
    Table,
    Mark,
    /// What somebody has added below one.
    Below,
}

fn is_ours(chunk: &str, cli: Cli) -> Option<Ours> {
    let head = chunk.lines().next().unwrap_or_default().trim();
    if head == BEGIN || head == END {
        return Some(Ours::Mark);
    }
    if head == format!("[mcp_servers.{SERVER}]") {
        return Some(Ours::Table);
    }
    if head.starts_with(&format!("[mcp_servers.{SERVER}.")) {
        return Some(Ours::Below);
    }
    let command = || {
        let line =
            chunk.lines().find_map(|line| line.trim().strip_prefix("command")?.trim().strip_prefix('='))?;
        let item: toml_edit::Value = line.trim().parse().ok()?;
        Some(calls_us(item.as_str()?, cli))
    };
    (head == "[[hooks]]" && command() == Some(true)).then_some(Ours::Table)
}

/// The text in pieces: a table's head with the values right below it, or a line of anything else.
fn chunks(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut end = rest.find('\n').map_or(rest.len(), |at| at + 1);
        if rest.trim_start().starts_with('[') {
            while let Some(line) = rest[end..].split_inclusive('\n').next() {
                let plain = line.trim();
                if plain.is_empty() || plain.starts_with(['#', '[']) {
                    break;
                }
                end += line.len();
            }
        }
        let (chunk, after) = rest.split_at(end);
        rest = after;
        Some(chunk)
    })
}

fn parse(text: &str) -> Result<(), String> {
    let read: Result<Document<&str>, _> = Document::parse(text);
    read.map(drop).map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned())
}

/// A TOML text in quotes.
pub(crate) fn quoted(text: &str) -> String {
    // JSON's escapes are TOML's, too.
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER_X: &str = "[mcp_servers.coditect]\ncommand = \"x\"";

    #[test]
    fn the_tables_come_and_go_byte_for_byte() {
        for original in ["", "a = 1\n", "# mine\n[x]\ny = [1, 2]\n\n", "a = 1\r\n[b]\r\n"] {
            let changed = with(original, SERVER_X, Cli::Codex).unwrap();
            assert!(changed.starts_with(original) && changed.len() > original.len());
            assert_eq!(with(&changed, SERVER_X, Cli::Codex).unwrap(), changed, "again");
            let other = with(&changed, "[mcp_servers.coditect]\ncommand = \"y\"", Cli::Codex).unwrap();
            assert!(other.contains("\"y\"") && !other.contains("\"x\""));
            assert_eq!(without_any(&other, Cli::Codex), original);
        }
    }

    #[test]
    fn what_the_program_wrote_between_our_lines_is_kept() {
        let connected = with("a = 1\n", SERVER_X, Cli::Codex).unwrap();
        let theirs = "\n[hooks.state.\"f:stop:0:0\"]\ntrusted_hash = \"sha256:1\"\n";
        let below = "[mcp_servers.coditect.tools.who]\napproval_mode = \"approve\"\n";
        let written = connected.replace(END, &format!("{below}{theirs}{END}"));
        assert_eq!(with(&written, SERVER_X, Cli::Codex).unwrap(), written);
        assert_eq!(without_any(&written, Cli::Codex), format!("a = 1\n{theirs}"));
    }

    #[test]
    fn our_hooks_are_known_without_their_marks() {
        let hook = |path: &str| format!("[[hooks]]\nevent = \"Stop\"\ncommand = \"{path} hook kimi\"\n");
        let written =
            format!("[[hooks]]\nevent = \"Stop\"\ncommand = \"mine\"\n\n{}[models.x]\n", hook("/a/coditect"));
        assert_eq!(with(&written, &hook("/a/coditect"), Cli::Kimi).unwrap(), written);
        let moved = with(&written, &hook("/b/coditect"), Cli::Kimi).unwrap();
        assert!(
            moved.contains("/b/coditect") && !moved.contains("/a/coditect") && moved.contains("\"mine\"")
        );
    }

    #[test]
    fn what_is_no_toml_or_would_be_none_is_left_alone() {
        assert!(with("a = ", "[x]", Cli::Codex).is_err());
        let hook = "[[hooks]]\nevent = \"Stop\"";
        let why = with("hooks = [{ event = \"Stop\" }]\n", hook, Cli::Kimi).unwrap_err();
        assert!(why.contains("would not be TOML"), "{why}");
        let dotted = "mcp_servers.coditect.command = \"mine\"\n";
        assert!(with(dotted, SERVER_X, Cli::Codex).is_err());
    }
}
