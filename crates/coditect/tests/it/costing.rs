//! `coditect cost`, typed: what agents used, told apart, and marked by where the figure comes from.

use crate::house::{Daemon, text};
use crate::kill::Workplace;
use serde_json::{Value, json};

/// A daemon with an agent whose model has a list price, and one whose model has none.
fn place() -> (Workplace, Daemon) {
    let place =
        Workplace::with(&[("claude", json!({})), ("odd", json!({ "model": "model-without-a-price" }))]);
    let daemon = place.daemon();
    (place, daemon)
}

fn rows(report: &Value) -> Vec<(String, u64, String)> {
    let rows = report["rows"].as_array().unwrap().iter();
    rows.map(|row| {
        let source = row["usage"]["cost_source"].as_str().unwrap().to_owned();
        (row["key"].as_str().unwrap().to_owned(), row["calls"].as_u64().unwrap(), source)
    })
    .collect()
}

#[test]
fn what_was_used_is_told_apart_and_marked_by_its_source() {
    let (place, _daemon) = place();
    let house = &place.house;
    let (first, second) = (place.session("claude,odd"), place.session("claude"));
    let priced = place.prompt(&first, "claude", "[[read README.md]] [[say one]]");
    place.over(&priced);
    let free = place.prompt(&first, "odd", "[[say two]]");
    place.over(&free);
    let other = place.prompt(&second, "claude", "[[say three]]");
    place.over(&other);
    let by = |what: &str, more: &[&str]| house.json(&[&["cost", "--json", "--by", what][..], more].concat());

    let agents = by("agent", &[]);
    let row = |key: &str, calls: u64, source: &str| (key.to_owned(), calls, source.to_owned());
    assert_eq!(rows(&agents), [row("claude", 3, "table"), row("odd", 1, "none")], "the costliest first");
    let usage = &agents["rows"][0]["usage"];
    assert!(usage["cost_micros"].as_u64().unwrap() > 0 && usage["input_tokens"].as_u64().unwrap() > 0);
    assert_eq!(agents["rows"][1]["usage"]["cost_micros"], 0, "what has no price is not guessed");
    assert_eq!(agents["total"]["cost_source"], "mixed");
    assert_eq!(agents["total"]["cost_micros"], usage["cost_micros"]);

    let mut tasks = rows(&by("task", &[]));
    tasks.sort();
    let mut wanted = [row(&priced, 2, "table"), row(&free, 1, "none"), row(&other, 1, "table")];
    wanted.sort();
    assert_eq!(tasks, wanted);
    let mut sessions = rows(&by("session", &[]));
    sessions.sort();
    let mut wanted = [row(&first, 3, "mixed"), row(&second, 1, "table")];
    wanted.sort();
    assert_eq!(sessions, wanted);
    assert_eq!(rows(&by("agent", &["--session", &second])), [row("claude", 1, "table")]);
    let models: Vec<String> = rows(&by("model", &[])).into_iter().map(|(key, ..)| key).collect();
    assert_eq!(models, ["claude-sonnet-4-5", "model-without-a-price"]);

    // A test that runs over midnight has two days.
    let days = rows(&by("day", &["--since", "1d"]));
    assert_eq!(days.iter().map(|(_, calls, _)| calls).sum::<u64>(), 4, "{days:?}");
    assert!(days.iter().all(|(day, ..)| day.len() == 10 && day.starts_with("20")), "{days:?}");
    assert_eq!(rows(&by("day", &["--since", "2999-01-01"])), []);

    let shown = text(&house.run(&["cost"]));
    assert!(shown.contains("table") && shown.contains("list prices of"), "{shown}");
    assert!(shown.contains("≥$"), "a part has no known price: {shown}");
    let odd = text(&house.run(&["cost", "--by", "task", "--session", &second]));
    assert!(odd.contains("~$") && !odd.contains('≥'), "{odd}");
}

#[test]
fn what_cannot_be_reckoned_is_refused_with_its_exit_code() {
    let (place, _daemon) = place();
    for (args, exit, code) in [
        (&["cost", "--by", "mood"][..], 2, "bad_usage"),
        (&["cost", "--since", "yesterday"], 2, "not_a_day"),
        (&["cost", "--since", "-1d"], 2, "bad_usage"),
        (&["cost", "--since", "99999999d"], 2, "not_a_day"),
        (&["cost", "--session", "zzzz"], 3, "not_found"),
    ] {
        let output = place.house.run(&[args, &["--json"]].concat());
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((output.status.code(), &said["error"]["code"]), (Some(exit), &json!(code)), "{args:?}");
    }
    let nothing = place.house.json(&["cost", "--json"]);
    assert_eq!((rows(&nothing).len(), &nothing["total"]["cost_source"]), (0, &json!("none")));
}
