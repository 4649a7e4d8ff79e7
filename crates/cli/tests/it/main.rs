//! What the command line writes for people is what it is.

use std::path::Path;

/// A stale page is written again and fails the test, so that the change is reviewed.
#[test]
fn guide_of_commands_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/cli.md");
    let text = cli::reference();
    if std::fs::read_to_string(&path).ok().as_deref() != Some(&text) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        panic!("docs/guide/cli.md was stale and has been written again; review and commit it");
    }
}

/// Every `coditect …` that any room tells a user to type, in hints and in help.
fn told() -> Vec<(String, String)> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut open = vec![crates];
    let mut found = Vec::new();
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).expect("a folder of ours").flatten() {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("tests") {
                open.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source of ours");
                let place = path.display().to_string();
                found.extend(
                    text.split("`coditect ")
                        .skip(1)
                        .filter_map(|rest| rest.split_once('`'))
                        .filter(|(line, _)| !line.contains('\n') && !line.starts_with(['_', '…', '<', '{']))
                        .map(|(line, _)| (place.clone(), line.to_owned())),
                );
            }
        }
    }
    found
}

#[test]
fn what_users_are_told_to_type_exists() {
    let guide = cli::reference();
    let told = told();
    assert!(told.len() > 30, "only {} found", told.len());
    for (place, line) in told {
        let words: Vec<&str> = line.split_whitespace().collect();
        let names = words.iter().take_while(|word| word.chars().all(|c| c.is_ascii_lowercase()));
        let names: Vec<&str> = names.copied().take(2).collect();
        // Arguments may look like names too: the longest heading that is there is the command.
        let heading =
            (1..=names.len()).rev().map(|count| format!("# coditect {}\n", names[..count].join(" ")));
        let Some(at) = heading.into_iter().find_map(|heading| guide.find(&heading)) else {
            assert!(words.first().is_some_and(|word| word.starts_with('-')), "{place}: `coditect {line}`");
            continue;
        };
        let section = &guide[at + 2..];
        let section = &section[..section.find("\n## ").unwrap_or(section.len())];
        for flag in words.iter().filter(|word| word.starts_with("--") && word.len() > 2) {
            let flag = flag.trim_end_matches(|c: char| !c.is_ascii_lowercase());
            let global = guide.split("\n## ").nth(2).unwrap().contains(flag);
            assert!(global || section.contains(flag), "{place}: `coditect {line}`: {flag}");
        }
    }
}
