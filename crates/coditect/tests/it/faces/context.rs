//! What goes over the bus: shared context, notices, locks.

use super::{NONE, Place, Row, Stage, WHOLE};
use serde_json::json;

/// Something is shared under a key that has the session's name.
pub(super) fn share(place: &Place, session: &str) {
    place.made("/context", &json!({ "key": format!("parity.{session}"), "value": { "a": 1 } }));
}

/// Something was said on a channel that has the session's name.
pub(super) fn tell(place: &Place, session: &str) {
    place.made("/notices", &json!({ "channel": format!("to.{session}"), "payload": { "text": "hi" } }));
}

/// The user holds a file of the repository.
pub(super) fn lock(place: &Place, slug: &str) {
    place.made("/locks", &json!({ "repo": slug, "paths": ["a.txt"], "ttl_seconds": 86_400 }));
}

pub(super) fn rows() -> Vec<Row> {
    changing().into_iter().chain(reading()).chain(others()).collect()
}

fn changing() -> Vec<Row> {
    vec![
        Row::new(
            "set_context",
            Stage::Quiet,
            ("POST", "/context", json!({ "key": "parity.{session}", "value": { "a": 1 } })),
            &["context", "set", "parity.{session}", r#"{"a":1}"#],
            Ok(("context_set", json!({ "key": "parity.{session}", "value": { "a": 1 } }))),
            WHOLE,
            &["key"],
        ),
        Row::new(
            "set_context",
            Stage::Shared,
            ("POST", "/context", json!({ "key": "parity.{session}", "value": 2, "expected_version": 0 })),
            &["context", "set", "parity.{session}", "2", "--expected-version", "0"],
            Ok(("context_set", json!({ "key": "parity.{session}", "value": 2, "expected_version": 0 }))),
            WHOLE,
            &[],
        )
        .refused("context_conflict"),
        Row::new(
            "set_context",
            Stage::Shared,
            ("POST", "/context", json!({ "key": "parity.{session}", "value": null })),
            &["context", "rm", "parity.{session}"],
            Ok(("context_set", json!({ "key": "parity.{session}", "value": null }))),
            WHOLE,
            &["key"],
        ),
    ]
}

fn reading() -> Vec<Row> {
    const SHOWN: &[&str] = &["key", "value", "agent"];
    vec![
        Row::new(
            "get_context",
            Stage::Shared,
            ("GET", "/context/parity.{session}", NONE),
            &["context", "get", "parity.{session}"],
            Ok(("context_get", json!({ "key": "parity.{session}" }))),
            WHOLE,
            SHOWN,
        ),
        Row::new(
            "get_context",
            Stage::Quiet,
            ("GET", "/context/parity.{session}", NONE),
            &["context", "get", "parity.{session}"],
            Ok(("context_get", json!({ "key": "parity.{session}" }))),
            WHOLE,
            &[],
        )
        .refused("no_context"),
        Row::new(
            "list_context",
            Stage::Shared,
            ("GET", "/context?prefix=parity.{session}", NONE),
            &["context", "list", "parity.{session}"],
            Ok(("context_list", json!({ "prefix": "parity.{session}" }))),
            ["/items", "/items", "/entries"],
            &["key", "agent"],
        ),
        Row::new(
            "list_context_versions",
            Stage::Shared,
            ("GET", "/context/parity.{session}/versions", NONE),
            &["context", "versions", "parity.{session}"],
            Ok(("context_get", json!({ "key": "parity.{session}", "versions": true }))),
            ["/items", "/items", "/versions"],
            SHOWN,
        ),
        Row::new(
            "watch_context",
            Stage::Shared,
            ("GET", "/context-changes?prefix=parity.{session}&after=0", NONE),
            // One change is one line.
            &["context", "watch", "parity.{session}", "--after", "0", "--no-follow"],
            Ok(("context_wait", json!({ "prefix": "parity.{session}", "after": 0, "wait_seconds": 0 }))),
            ["/items/0", "", "/changes/0"],
            SHOWN,
        ),
    ]
}

fn others() -> Vec<Row> {
    vec![
        Row::new(
            "publish_notice",
            Stage::Quiet,
            ("POST", "/notices", json!({ "channel": "to.{session}", "payload": { "text": "hi" } })),
            &["msg", "send", "to.{session}", "hi"],
            Ok(("notice_send", json!({ "channel": "to.{session}", "text": "hi" }))),
            WHOLE,
            &["channel"],
        ),
        Row::new(
            "list_notices",
            Stage::Told,
            ("GET", "/notices?channel=to.{session}&after=0", NONE),
            &["msg", "list", "--channel", "to.{session}"],
            Err("notice_read gives what is for its reader, once"),
            ["/items", "/items", ""],
            &["channel", "payload", "priority", "agent"],
        ),
        Row::new(
            "list_locks",
            Stage::Locked,
            ("GET", "/locks", NONE),
            &["lock", "list"],
            Ok(("lock_list", json!({ "everywhere": true }))),
            // Each stage has locked one more, and each alike.
            ["/items/0", "/items/0", "/locks/0"],
            &["path", "mode", "agent"],
        ),
    ]
}
