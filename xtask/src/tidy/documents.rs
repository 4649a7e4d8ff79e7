//! Rules for what is written for people: links lead somewhere, paths exist, nothing names one machine.

use super::Findings;
use super::tree::File;
use crate::place;
use std::path::{Path, PathBuf};

/// The only prose at the root.
const AT_THE_ROOT: &[&str] = &["ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md"];
/// Folders at the top of a file system whose paths exist on one machine only.
const MACHINE: &[&str] = &["home", "root", "work", "Users", "private"];
/// A word in backticks that begins like this names a file of the tree, which must be there.
const ROOMS: &[&str] = &["crates/", "docs/", "examples/", "schema/", "web/", "xtask/", ".config/", ".ci/"];

pub(crate) fn file(file: &File) -> Findings {
    if !file.ends(".md") || file.under("examples/stint/") {
        return Findings::new();
    }
    let mut findings = Findings::new();
    for (at, line) in file.text.lines().enumerate() {
        let place = format!("{}:{}", file.path, at + 1);
        let starts = MACHINE.iter().map(|folder| format!("/{folder}/")).chain(["C:\\Users".to_owned()]);
        for start in starts.filter(|start| begins_somewhere(line, start)) {
            findings.push(format!("{place}: `{start}…` is a path of one machine"));
        }
        for link in links(line) {
            if !leads_somewhere(&file.path, link) {
                findings.push(format!("{place}: the link `{link}` leads nowhere"));
            }
        }
        for named in ticked(line) {
            if ROOMS.iter().any(|room| named.starts_with(room)) && !place::root().join(named).exists() {
                findings.push(format!("{place}: `{named}` is not in the tree"));
            }
        }
    }
    findings
}

/// The documents together: which are at the root, and whether decisions are numbered and dated as they should be.
pub(crate) fn set(tree: &[File]) -> Findings {
    let mut findings = Findings::new();
    for name in AT_THE_ROOT.iter().filter(|name| !tree.iter().any(|file| file.path == **name)) {
        findings.push(format!("{name}: is missing at the root"));
    }
    let prose = |file: &&File| !file.path.contains('/') && (file.ends(".md") || file.ends(".txt"));
    for extra in tree.iter().filter(prose).filter(|file| !AT_THE_ROOT.contains(&file.path.as_str())) {
        findings.push(format!("{}: prose lives in docs/", extra.path));
    }
    let decisions = tree.iter().filter(|file| file.under("docs/decisions/"));
    for (at, file) in decisions.enumerate() {
        let number = at + 1;
        if !file.path.starts_with(&format!("docs/decisions/{number:04}-")) {
            findings
                .push(format!("{}: decisions are numbered without gaps; {number:04} is missing", file.path));
            break;
        }
        if !file.text.starts_with(&format!("# {number}. ")) || !file.text.contains("\nStatus: ") {
            findings
                .push(format!("{}: a decision begins with `# {number}. …` and has a `Status:`", file.path));
        }
    }
    findings
}

/// Whether an absolute path begins so: what goes on from another path or from `~` is somewhere else.
fn begins_somewhere(line: &str, start: &str) -> bool {
    let goes_on = |before: &str| before.ends_with(|c: char| c.is_alphanumeric() || "~./_-}>".contains(c));
    line.match_indices(start).any(|(at, _)| !goes_on(&line[..at]))
}

/// Targets of Markdown links in a line.
fn links(line: &str) -> Vec<&str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect()
}

/// What stands in backticks and looks like one whole path.
fn ticked(line: &str) -> Vec<&str> {
    let whole = |word: &&str| !word.contains([' ', '<', '*', '{', '…', '$']);
    line.split('`').skip(1).step_by(2).map(|word| word.trim_end_matches('/')).filter(whole).collect()
}

fn leads_somewhere(from: &str, link: &str) -> bool {
    let elsewhere = ["http://", "https://", "mailto:", "#"];
    if elsewhere.iter().any(|start| link.starts_with(start)) {
        return true;
    }
    let path = link.split('#').next().unwrap_or(link);
    let folder: PathBuf = Path::new(from).parent().map(Path::to_path_buf).unwrap_or_default();
    place::root().join(folder).join(path).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, findings: usize) {
        let found = file(&File { path: "docs/x.md".to_owned(), text: text.to_owned() });
        assert_eq!(found.len(), findings, "{found:?}");
    }

    #[test]
    fn links_and_paths_exist() {
        check("see [the lints](../clippy.toml) and [the web](https://example.org/nowhere)", 0);
        check("see [what is gone](gone.md#part)", 1);
        check("`crates/model/src/lib.rs`, `crates/<room>/src/lib.rs`, `crates/*/tests`", 0);
        check("`crates/model/src/gone.rs`", 1);
    }

    #[test]
    fn no_path_of_one_machine() {
        check(concat!("it is in /ho", "me/ada/projects"), 1);
        check("it is in ~/projects", 0);
        check(concat!("it is in ~/wo", "rk/notes"), 0);
    }

    #[test]
    fn the_root_has_five_documents_and_decisions_their_numbers() {
        let at = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        let mut tree: Vec<File> = AT_THE_ROOT.iter().map(|name| at(name, "")).collect();
        tree.push(at("docs/decisions/0001-x.md", "# 1. X\n\nStatus: accepted\n"));
        assert_eq!(set(&tree), Findings::new());
        tree.push(at("docs/decisions/0003-z.md", "# 3. Z\n\nStatus: accepted\n"));
        tree.push(at("NOTES.md", ""));
        assert_eq!(set(&tree).len(), 2);
        assert_eq!(set(&tree[1..]).len(), 3);
    }
}
