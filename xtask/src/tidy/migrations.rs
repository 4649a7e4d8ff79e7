//! Migrations are only ever added: a released one has been run on somebody's files.
//!
//! `migrations/CHECKSUMS` of a room lists them by content; what the newest release listed is listed still.

use super::Findings;
use super::tree::File;
use crate::process::{command, output};

pub(crate) fn all(tree: &[File]) -> Findings {
    let lists = tree.iter().filter(|file| file.ends("/migrations/CHECKSUMS"));
    let mut findings: Findings = lists.flat_map(|list| room(list, tree)).collect();
    let unlisted = tree.iter().filter(|file| file.ends(".sql") && file.path.contains("/migrations/"));
    for file in unlisted {
        let folder = file.path.split("/migrations/").next().unwrap_or_default();
        if !tree.iter().any(|list| list.path == format!("{folder}/migrations/CHECKSUMS")) {
            findings.push(format!("{}: {folder}/migrations has no CHECKSUMS", file.path));
        }
    }
    findings
}

fn room(list: &File, tree: &[File]) -> Findings {
    let folder = list.path.trim_end_matches("CHECKSUMS");
    let present: Vec<String> = tree
        .iter()
        .filter_map(|file| {
            let name = file.path.strip_prefix(folder)?.strip_suffix(".sql")?;
            Some(format!("{}  {name}", blake3::hash(file.text.as_bytes()).to_hex()))
        })
        .collect();
    let listed = entries(&list.text);
    let mut findings = Findings::new();
    for entry in listed.iter().filter(|entry| !present.iter().any(|there| there == *entry)) {
        findings.push(format!("{}: `{entry}` was changed or removed; add a migration instead", list.path));
    }
    for entry in present.iter().filter(|entry| !listed.contains(&entry.as_str())) {
        findings.push(format!("{}: add the line `{entry}`", list.path));
    }
    let released = released(&list.path).unwrap_or_default();
    for entry in entries(&released).iter().filter(|entry| !listed.contains(entry)) {
        findings.push(format!("{}: `{entry}` was released and is gone", list.path));
    }
    findings
}

fn entries(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect()
}

/// The list as the newest tagged release carried it.
fn released(path: &str) -> Option<String> {
    let tag = output(command("git", &["describe", "--tags", "--abbrev=0"])).ok()?;
    output(command("git", &["show", &format!("{}:{path}", tag.trim())])).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_migration_is_listed_and_never_changes() {
        let at = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        let hash = blake3::hash(b"CREATE").to_hex();
        let list = at("crates/x/migrations/CHECKSUMS", &format!("# Only added.\n{hash}  0001_start\n"));
        assert!(all(&[list, at("crates/x/migrations/0001_start.sql", "CREATE")]).is_empty());
        let list = at("crates/x/migrations/CHECKSUMS", &format!("{hash}  0001_start\n"));
        assert_eq!(all(&[list, at("crates/x/migrations/0001_start.sql", "create")]).len(), 2);
        assert_eq!(all(&[at("crates/y/migrations/0001_start.sql", "CREATE")]).len(), 1);
    }
}
