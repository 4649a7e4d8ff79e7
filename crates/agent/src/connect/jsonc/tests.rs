//! Edits at one spot of a JSON file: everything else stays byte for byte.

use super::*;
use proptest::prelude::*;
use serde_json::json;

const SETTINGS: &str = "// mine\n{\n    \"model\": \"opus\", // fast\n    \"hooks\": {\n        \"Stop\": [\n            { \"hooks\": [] },\n        ],\n    },\n}\n";

fn text(text: &str) -> Text {
    Text::read(text).unwrap()
}

#[test]
fn what_is_added_stands_in_the_users_own_form() {
    let mut settings = text(SETTINGS);
    settings.push(&["hooks", "Stop"], &json!({ "a": 1 })).unwrap();
    settings.push(&["hooks", "New"], &json!(1)).unwrap();
    settings.set(&["mcpServers", "coditect", "command"], &json!("x")).unwrap();
    let expected = "// mine\n{\n    \"model\": \"opus\", // fast\n    \"hooks\": {\n        \"Stop\": [\n            { \"hooks\": [] },\n            {\n                \"a\": 1\n            },\n        ],\n        \"New\": [\n            1\n        ],\n    },\n    \"mcpServers\": {\n        \"coditect\": {\n            \"command\": \"x\"\n        }\n    },\n}\n";
    assert_eq!(settings.into_string(), expected);
}

#[test]
fn what_was_added_is_taken_out_byte_for_byte() {
    for original in [
        SETTINGS,
        "{}",
        "{\n}\n",
        "{\"a\":1}",
        "{ \"a\": [1, 2], \"hooks\": {\"Stop\": [1]} }",
        "{\r\n\t\"a\": {\r\n\t\t\"b\": null\r\n\t}\r\n}\r\n",
        "{\n  \"hooks\": { \"Stop\": [ 1 ] } /* last */\n}",
    ] {
        let mut changed = text(original);
        let mine = json!({ "mine": true });
        changed.push(&["hooks", "Stop"], &mine).unwrap();
        changed.set(&["mcpServers", "coditect"], &mine).unwrap();
        assert_ne!(changed.clone().into_string(), original);
        assert_eq!(changed.get(&["mcpServers", "coditect", "mine"]).unwrap(), Some(json!(true)));
        changed.remove(&["mcpServers", "coditect"], 0).unwrap();
        changed.retain(&["hooks", "Stop"], |value| *value != mine).unwrap();
        if changed.get(&["hooks", "Stop"]).unwrap() == Some(json!([])) {
            changed.remove(&["hooks", "Stop"], 0).unwrap();
        }
        let left = changed.into_string();
        if original.trim_matches(['{', '}', '\n']).is_empty() {
            assert_eq!(text(&left).get(&[]).unwrap(), Some(json!({})));
        } else {
            assert_eq!(left, original);
        }
    }
}

#[test]
fn setting_what_is_there_changes_nothing() {
    let mut settings = text(SETTINGS);
    settings.set(&["model"], &json!("opus")).unwrap();
    assert_eq!(settings.clone().into_string(), SETTINGS);
    settings.set(&["model"], &json!("haiku")).unwrap();
    assert_eq!(settings.into_string(), SETTINGS.replace("opus", "haiku"));
}

#[test]
fn what_is_no_json_object_is_refused_with_its_line() {
    for (given, line) in [
        ("", 1),
        ("[]", 1),
        ("{\n\"a\" 1}", 2),
        ("{\"a\":1} x", 1),
        ("{\"a\":\n\nnope}", 3),
        ("{\"a\":1", 1),
        ("{/* ", 1),
        ("{\"a\":\"\\", 1),
    ] {
        assert_eq!(Text::read(given).unwrap_err().line, line, "{given:?}");
    }
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(DEPTH_MAX + 2), "]".repeat(DEPTH_MAX + 2));
    assert_eq!(Text::read(&deep).unwrap_err().what, "nested too deeply");
    let mut wrong = text("{\n\"hooks\": 7}");
    assert_eq!(wrong.push(&["hooks", "Stop"], &json!(1)).unwrap_err().line, 2);
    assert_eq!(wrong.into_string(), "{\n\"hooks\": 7}");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(given in "[{}\\[\\]:,\"\\\\/*a1 \n-]{0,40}") {
        if let Ok(mut read) = Text::read(&given) {
            let _ = read.push(&["a"], &json!({ "x": [1] }));
            let _ = read.set(&["b", "c"], &json!(1));
            let after = read.clone().into_string();
            prop_assert!(Text::read(&after).is_ok(), "{given:?} became {after:?}");
        }
    }
}
