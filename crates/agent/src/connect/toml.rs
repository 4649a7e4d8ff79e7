//! Tables of ours at the end of the user's TOML. The rest of the text is never touched; that it is TOML, and still is
//! with ours, is checked by a parser.
//!
//! The vendors' programs write these files too: they put their own tables between our lines, or drop comments. So ours
//! are found by what they say, not by the marks around them. What comes of that is read again: whatever is the user's
//! says the same as before, or nothing is changed.

use super::{SERVER, calls_us};
use crate::Cli;
use serde_json::{Map, Value as Json};
use toml_edit::{Document, Item, Value};

/// The table of all servers.
const SERVERS: &str = "mcp_servers";
/// The tables of hooks.
const HOOKS: &str = "hooks";

const BEGIN: &str = "# >>> coditect: made by `coditect connect`, and goes with `coditect disconnect`";
const END: &str = "# <<< coditect";

/// Why a text is left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    NotToml(String),
    /// Without ours, this of the user's would be lost or say something else.
    Entangled(String),
}

/// The text with our tables; the same when they are there as they should be.
pub(super) fn with(present: &str, block: &str, cli: Cli) -> Result<String, Fault> {
    let before = parse(present)?;
    let block = format!("{}\n", block.trim_end());
    let there: String = chunks(present)
        .filter(|chunk| is_ours(chunk, cli) == Some(Ours::Table))
        .map(|chunk| chunk.replace("\r\n", "\n"))
        .collect();
    if there == block {
        return Ok(present.to_owned());
    }
    let mut text = without(present, cli, Ours::Table);
    check(&theirs(before, cli), &theirs(reread(&text)?, cli))?;
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let end = if present.contains("\r\n") { "\r\n" } else { "\n" };
    text.push_str(&format!("{BEGIN}\n{block}{END}\n").replace('\n', end));
    parse(&text).map_err(|fault| match fault {
        Fault::NotToml(why) => Fault::NotToml(format!("with our part it would not be TOML any more: {why}")),
        entangled @ Fault::Entangled(_) => entangled,
    })?;
    Ok(text)
}

/// The text without anything of ours.
pub(super) fn without_any(present: &str, cli: Cli) -> Result<String, Fault> {
    let before = parse(present)?;
    let left = without(present, cli, Ours::Below);
    // Nothing of ours may be left either, so the whole is looked at.
    check(&theirs(before, cli), &without_empty(reread(&left)?))?;
    Ok(left)
}

/// What is left once ours is out: a key whose table went with ours may make it no TOML at all.
fn reread(left: &str) -> Result<Json, Fault> {
    parse(left).map_err(|fault| match fault {
        Fault::NotToml(why) => Fault::Entangled(why),
        entangled @ Fault::Entangled(_) => entangled,
    })
}

fn check(before: &Json, after: &Json) -> Result<(), Fault> {
    difference(before, after).map_or(Ok(()), |name| Err(Fault::Entangled(format!("`{name}`"))))
}

/// The name of the first value that is not the same in both.
fn difference(one: &Json, other: &Json) -> Option<String> {
    let (Some(these), Some(those)) = (one.as_object(), other.as_object()) else {
        return (one != other).then(String::new);
    };
    let names = these.keys().chain(those.keys());
    names.into_iter().find_map(|name| {
        let (this, that) = (these.get(name).unwrap_or(&Json::Null), those.get(name).unwrap_or(&Json::Null));
        let below = difference(this, that)?;
        Some(if below.is_empty() { name.clone() } else { format!("{name}.{below}") })
    })
}

/// What a text says besides ours.
fn theirs(mut said: Json, cli: Cli) -> Json {
    if let Some(servers) = said.get_mut(SERVERS).and_then(Json::as_object_mut) {
        servers.remove(SERVER);
    }
    if let Some(hooks) = said.get_mut(HOOKS).and_then(Json::as_array_mut) {
        hooks.retain(|hook| {
            let command = hook.get("command").and_then(Json::as_str);
            !command.is_some_and(|command| calls_us(command, cli))
        });
    }
    without_empty(said)
}

/// Tables that are there only for what is below them come and go with it.
fn without_empty(mut said: Json) -> Json {
    if let Some(all) = said.as_object_mut() {
        for name in [SERVERS, HOOKS] {
            let empty = all.get(name).is_some_and(|one| {
                one.as_object().is_some_and(Map::is_empty) || one.as_array().is_some_and(Vec::is_empty)
            });
            if empty {
                all.remove(name);
            }
        }
    }
    said
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
    if head == format!("[{SERVERS}.{SERVER}]") {
        return Some(Ours::Table);
    }
    if head.starts_with(&format!("[{SERVERS}.{SERVER}.")) {
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

/// What a text says, whatever it looks like.
fn parse(text: &str) -> Result<Json, Fault> {
    let read: Result<Document<&str>, _> = Document::parse(text);
    let first = |error: toml_edit::TomlError| error.to_string().lines().next().unwrap_or_default().to_owned();
    Ok(said(read.map_err(|error| Fault::NotToml(first(error)))?.as_item()))
}

fn said(item: &Item) -> Json {
    match item {
        Item::None => Json::Null,
        Item::Value(value) => said_by(value),
        Item::Table(table) => table.iter().map(|(name, item)| (name.to_owned(), said(item))).collect(),
        Item::ArrayOfTables(tables) => {
            let one = |table: &toml_edit::Table| -> Json {
                table.iter().map(|(name, item)| (name.to_owned(), said(item))).collect()
            };
            tables.iter().map(one).collect()
        }
    }
}

fn said_by(value: &Value) -> Json {
    match value {
        Value::String(text) => text.value().as_str().into(),
        Value::Integer(number) => (*number.value()).into(),
        // JSON has no endless numbers, and no dates; as text with their kind they are equal to nothing else.
        Value::Float(number) => format!("float {}", number.value()).into(),
        Value::Boolean(flag) => (*flag.value()).into(),
        Value::Datetime(time) => format!("time {}", time.value()).into(),
        Value::Array(values) => values.iter().map(said_by).collect(),
        Value::InlineTable(table) => {
            table.iter().map(|(name, value)| (name.to_owned(), said_by(value))).collect()
        }
    }
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
            assert_eq!(without_any(&other, Cli::Codex).unwrap(), original);
        }
    }

    #[test]
    fn what_the_program_wrote_between_our_lines_is_kept() {
        let connected = with("a = 1\n", SERVER_X, Cli::Codex).unwrap();
        let theirs = "\n[hooks.state.\"f:stop:0:0\"]\ntrusted_hash = \"sha256:1\"\n";
        let below = "[mcp_servers.coditect.tools.who]\napproval_mode = \"approve\"\n";
        let written = connected.replace(END, &format!("{below}{theirs}{END}"));
        assert_eq!(with(&written, SERVER_X, Cli::Codex).unwrap(), written);
        assert_eq!(without_any(&written, Cli::Codex).unwrap(), format!("a = 1\n{theirs}"));
    }

    #[test]
    fn a_key_of_the_users_inside_a_table_of_ours_is_not_left_to_another_table() {
        let before = "[model]\nname = \"x\"\n";
        let codex = with(before, SERVER_X, Cli::Codex).unwrap();
        let within = codex.replace(END, &format!("# slow here\nstartup_timeout_sec = 20\n{END}"));
        let fault = without_any(&within, Cli::Codex).unwrap_err();
        assert_eq!(fault, Fault::Entangled("`model.startup_timeout_sec`".into()));
        // Nor is it when our table is written anew.
        let anew = with(&within, "[mcp_servers.coditect]\ncommand = \"y\"", Cli::Codex).unwrap_err();
        assert_eq!(anew, fault);
        assert_eq!(with(&within, SERVER_X, Cli::Codex).unwrap(), within, "as it is, it may stay");
        let hook = "[[hooks]]\nevent = \"Stop\"\ncommand = \"coditect hook kimi\"\n";
        let theirs = "[[hooks]]\nevent = \"Stop\"\ncommand = \"mine\"\n";
        let kimi = format!("{theirs}{hook}\n# why\ntimeout = 3\n");
        assert!(matches!(without_any(&kimi, Cli::Kimi), Err(Fault::Entangled(_))));
        assert_eq!(without_any(&format!("{theirs}{hook}"), Cli::Kimi).unwrap(), theirs);
    }

    #[test]
    fn what_of_ours_cannot_be_taken_out_is_said() {
        for written in [
            "[mcp_servers.coditect] # mine\ncommand = \"x\"\n",
            "mcp_servers = { coditect = { command = \"x\" } }\n",
        ] {
            let fault = without_any(written, Cli::Codex).unwrap_err();
            assert!(matches!(&fault, Fault::Entangled(name) if name.contains("mcp_servers")), "{fault:?}");
        }
        assert!(matches!(without_any("a = ", Cli::Codex), Err(Fault::NotToml(_))));
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
        assert!(matches!(&why, Fault::NotToml(why) if why.contains("would not be TOML")), "{why:?}");
        let dotted = "mcp_servers.coditect.command = \"mine\"\n";
        assert!(with(dotted, SERVER_X, Cli::Codex).is_err());
    }
}
