//! A journal that somebody changed: the commands say what is wrong, and never that something is.

use crate::house::{House, text};
use serde_json::Value;

/// Changes one byte of the newest record that says who acted.
fn flip_newest(house: &House) {
    let journal = house.root.workspace("default").journal();
    let mut segments: Vec<_> = std::fs::read_dir(journal)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "jsonl"))
        .collect();
    segments.sort();
    let newest = segments.last().unwrap();
    let mut bytes = std::fs::read(newest).unwrap();
    let line = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let at = bytes[line..].windows(5).position(|word| word == b"\"ts\":").unwrap() + line;
    let digit = at + bytes[at..].iter().position(u8::is_ascii_digit).unwrap();
    bytes[digit] ^= 1;
    std::fs::write(newest, bytes).unwrap();
}

#[test]
fn damage_is_named_by_every_command_that_meets_it() {
    let house = House::new();
    let _daemon = house.daemon();
    house.json(&["session", "new", "kept", "--agents", "claude", "--json"]);
    flip_newest(&house);

    let verified = house.run(&["data", "verify", "--json"]);
    assert_eq!(verified.status.code(), Some(1), "{}", text(&verified));
    let report: Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(report["ok"], false, "{report}");
    let problems = report["problems"].to_string();
    assert!(problems.contains("damaged") || problems.contains("hash"), "{report}");

    let archive = house.dir.path().join("all.coditect");
    for args in [&["data", "rebuild", "--json"][..], &["data", "export", archive.to_str().unwrap(), "--json"]]
    {
        let refused = house.run(args);
        assert!(!refused.status.success(), "{args:?}");
        let said: Value = serde_json::from_slice(&refused.stdout).unwrap();
        assert_eq!(said["error"]["code"], "journal_damaged", "{args:?}: {said}");
        assert!(said["error"]["hint"].as_str().is_some_and(|hint| hint.contains("good export")), "{said}");
    }
    assert!(!archive.exists(), "no half of an archive");
}
