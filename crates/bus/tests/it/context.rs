//! Shared context: nothing is overwritten by somebody who has not seen it.

use crate::stage::Stage;
use bus::{BusError, CONTEXT_PAGE_MAX, NewContext};
use model::{CONTEXT_ENTRIES_MAX, CONTEXT_VALUE_MAX, Event, RegistrationId};
use serde_json::{Value, json};

fn put(author: RegistrationId, key: &str, value: Value, expected_version: Option<u64>) -> NewContext {
    NewContext { author, key: key.parse().unwrap(), value, expected_version }
}

#[test]
fn a_change_is_made_on_the_version_it_names_or_not_at_all() {
    let stage = Stage::new();
    let [a, b] = ["a", "b"].map(|name| stage.agent(name));
    let first = stage.bus.set_context(&put(a, "plan", json!({ "step": 1 }), Some(0))).unwrap();
    let BusError::ContextConflict { present: Some(present), .. } =
        stage.bus.set_context(&put(b, "plan", json!("mine"), Some(0))).unwrap_err()
    else {
        panic!("somebody else was there first")
    };
    assert_eq!((present.version, present.agent.as_str()), (first.version, "a"));
    let second = stage.bus.set_context(&put(b, "plan", json!({ "step": 2 }), Some(first.version))).unwrap();
    assert!(second.version > first.version);
    let late = stage.bus.set_context(&put(a, "plan", json!(0), Some(first.version))).unwrap_err();
    assert_eq!(late.refusal().code, "context_conflict");
    assert!(late.refusal().hint.is_some());
    let found = stage.bus.context(&"plan".parse().unwrap()).unwrap().unwrap();
    assert_eq!((found.value, found.version, found.author), (json!({ "step": 2 }), second.version, b));
    // Who names no version overwrites.
    stage.bus.set_context(&put(a, "plan", json!(3), None)).unwrap();
}

#[test]
fn a_key_removed_and_set_anew_is_not_the_old_one() {
    let stage = Stage::new();
    let a = stage.agent("a");
    let first = stage.bus.set_context(&put(a, "k", json!(1), None)).unwrap();
    let gone = stage.bus.set_context(&put(a, "k", Value::Null, Some(first.version))).unwrap();
    assert_eq!(gone.value, None);
    assert_eq!(stage.bus.context(&"k".parse().unwrap()).unwrap(), None);
    let again = stage.bus.set_context(&put(a, "k", Value::Null, None)).unwrap_err();
    assert_eq!(again.refusal().code, "no_context");
    let anew = stage.bus.set_context(&put(a, "k", json!(1), Some(0))).unwrap();
    assert!(anew.version > gone.version && gone.version > first.version);
}

#[test]
fn keys_are_listed_by_prefix_in_pages() {
    let stage = Stage::new();
    let a = stage.agent("a");
    for key in ["api/auth", "api/billing", "apis", "build"] {
        stage.bus.set_context(&put(a, key, json!(key), None)).unwrap();
    }
    let keys = |prefix: &str, after: Option<&str>, limit| -> Vec<String> {
        let after = after.map(|key| key.parse().unwrap());
        let found = stage.bus.context_entries(prefix, after.as_ref(), limit).unwrap();
        found.into_iter().map(|entry| entry.key.to_string()).collect()
    };
    assert_eq!(keys("", None, CONTEXT_PAGE_MAX), ["api/auth", "api/billing", "apis", "build"]);
    assert_eq!(keys("api/", None, CONTEXT_PAGE_MAX), ["api/auth", "api/billing"]);
    assert_eq!(keys("", Some("api/auth"), 2), ["api/billing", "apis"]);
    assert_eq!(keys("z", None, 1), Vec::<String>::new());
    assert_eq!(keys("%", None, 9), Vec::<String>::new(), "a prefix is no pattern");
}

#[test]
fn values_and_entries_are_bounded() {
    let stage = Stage::new();
    let a = stage.agent("a");
    let most = json!("v".repeat(CONTEXT_VALUE_MAX - 2));
    stage.bus.set_context(&put(a, "big", most, None)).unwrap();
    let more = json!("v".repeat(CONTEXT_VALUE_MAX - 1));
    let refused = stage.bus.set_context(&put(a, "big", more, None)).unwrap_err();
    assert_eq!(refused.refusal().code, "context_too_large");
    stage
        .sql()
        .execute(
            "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
             INSERT INTO context_entries (key, value, author, agent, changed_at)
             SELECT 'k' || i, '1', (SELECT author FROM context_entries), 'a', '2026-01-31T14:23:01.000Z' FROM n",
            [CONTEXT_ENTRIES_MAX as i64],
        )
        .unwrap();
    let full = stage.bus.set_context(&put(a, "one-more", json!(1), None)).unwrap_err();
    assert_eq!(full.refusal().code, "context_full");
    stage.bus.set_context(&put(a, "k2", json!(2), None)).unwrap();
    stage.bus.set_context(&put(a, "k3", Value::Null, None)).unwrap();
    stage.bus.set_context(&put(a, "one-more", json!(1), None)).unwrap();
    let page = stage.bus.context_entries("", None, usize::MAX).unwrap();
    assert_eq!(page.len(), CONTEXT_PAGE_MAX);
}

#[test]
fn only_the_living_set_something_and_the_journal_is_told() {
    let stage = Stage::new();
    let a = stage.agent("a");
    let before = stage.events().len();
    stage.bus.set_context(&put(a, "k", json!([1]), None)).unwrap();
    stage.bus.set_context(&put(a, "k", json!(2), Some(77))).unwrap_err();
    let events = stage.events();
    assert_eq!(events.len(), before + 1, "what was refused is not told");
    let Some(Event::ContextChanged(change)) = events.last() else { panic!("{events:?}") };
    assert_eq!((change.value.clone(), change.agent.as_str()), (Some(json!([1])), "a"));
    stage.bus.end(a, "finished").unwrap();
    let refused = stage.bus.set_context(&put(a, "k", json!(3), None)).unwrap_err();
    assert_eq!(refused.refusal().code, "registration_ended");
}
