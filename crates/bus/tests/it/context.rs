//! Shared context: nothing is overwritten by somebody who has not seen it.

use crate::stage::Stage;
use bus::{BusError, CONTEXT_CHANGES_MAX, CONTEXT_PAGE_MAX, ContextPage, ContextQuery, NewContext};
use model::{
    CONTEXT_ENTRIES_MAX, CONTEXT_HISTORY_MAX, CONTEXT_VALUE_MAX, CONTEXT_VERSIONS_MAX, Event, RegistrationId,
};
use serde_json::{Value, json};
use std::time::Duration;

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

fn since(stage: &Stage, prefix: &str, after: u64) -> ContextPage {
    let query = ContextQuery { prefix: prefix.to_owned(), after, limit: 0 };
    stage.bus.context_changes(&query).unwrap()
}

/// What happened to which key, in short.
fn told(page: &ContextPage) -> Vec<(String, Option<Value>)> {
    page.changes.iter().map(|change| (change.key.to_string(), change.value.clone())).collect()
}

#[test]
fn the_versions_of_an_entry_say_who_set_what() {
    let stage = Stage::new();
    let [a, b] = ["a", "b"].map(|name| stage.agent(name));
    stage.bus.set_context(&put(a, "plan", json!(1), None)).unwrap();
    stage.bus.set_context(&put(b, "other", json!("x"), None)).unwrap();
    stage.bus.set_context(&put(b, "plan", json!(2), None)).unwrap();
    stage.bus.set_context(&put(a, "plan", Value::Null, None)).unwrap();
    let versions = stage.bus.context_versions(&"plan".parse().unwrap()).unwrap();
    let said: Vec<_> = versions.iter().map(|one| (one.agent.as_str(), one.value.clone())).collect();
    assert_eq!(said, [("a", None), ("b", Some(json!(2))), ("a", Some(json!(1)))]);
    assert!(versions.is_sorted_by(|one, next| one.version > next.version));
    assert!(stage.bus.context_versions(&"none".parse().unwrap()).unwrap().is_empty());
}

#[test]
fn changes_are_followed_from_a_version() {
    let stage = Stage::new();
    let a = stage.agent("a");
    let first = stage.bus.set_context(&put(a, "api/a", json!(1), None)).unwrap();
    assert_eq!(stage.bus.newest_context().unwrap(), first.version);
    stage.bus.set_context(&put(a, "build", json!(2), None)).unwrap();
    stage.bus.set_context(&put(a, "api/a", Value::Null, None)).unwrap();
    let page = since(&stage, "api/", 0);
    let gone = ("api/a".to_owned(), None);
    assert_eq!(told(&page), [("api/a".to_owned(), Some(json!(1))), gone.clone()]);
    let rest = since(&stage, "", first.version);
    assert_eq!(told(&rest), [("build".to_owned(), Some(json!(2))), gone]);
    assert!(!rest.missed && told(&since(&stage, "", rest.next)).is_empty());
    // What others change moves the place to read on, too.
    assert_eq!(since(&stage, "no-such", first.version).next, rest.next);
    let query = ContextQuery { after: rest.next + 1, ..ContextQuery::default() };
    let ahead = stage.bus.context_changes(&query).unwrap_err().refusal();
    assert_eq!((ahead.code.as_ref(), ahead.hint.is_some()), ("context_ahead", true));
}

#[test]
fn history_is_bounded_and_a_reader_who_was_away_too_long_is_told() {
    let stage = Stage::new();
    let a = stage.agent("a");
    let old = stage.bus.set_context(&put(a, "old", json!("kept"), None)).unwrap();
    for n in 0..=CONTEXT_VERSIONS_MAX {
        stage.bus.set_context(&put(a, "busy", json!(n), None)).unwrap();
    }
    let busy = stage.bus.context_versions(&"busy".parse().unwrap()).unwrap();
    assert_eq!(
        (busy.len(), busy[0].value.clone()),
        (CONTEXT_VERSIONS_MAX, Some(json!(CONTEXT_VERSIONS_MAX)))
    );
    let page = since(&stage, "", old.version);
    assert!(page.missed, "the first of them is kept no more");
    assert_eq!(page.changes.len(), CONTEXT_VERSIONS_MAX);
    assert!(!since(&stage, "", old.version + 1).missed);
    let keys = CONTEXT_HISTORY_MAX / CONTEXT_VERSIONS_MAX + 1;
    for n in 0..=CONTEXT_HISTORY_MAX {
        stage.bus.set_context(&put(a, &format!("k{}", n % keys), json!(n), None)).unwrap();
    }
    let kept: i64 =
        stage.sql().query_row("SELECT count(*) FROM context_versions", [], |row| row.get(0)).unwrap();
    assert!(kept <= CONTEXT_HISTORY_MAX as i64 + 2, "{kept}");
    let now = stage.bus.context_versions(&"old".parse().unwrap()).unwrap();
    assert_eq!(now[0].value, Some(json!("kept")), "what is shared now is always kept");
    let page = since(&stage, "", 0);
    assert_eq!((page.changes.len(), page.next), (CONTEXT_CHANGES_MAX, page.changes.last().unwrap().version));
}

#[test]
fn who_waits_is_woken_by_a_change_of_its_keys() {
    let stage = Stage::new();
    let a = stage.agent("a");
    let query = ContextQuery { prefix: "api/".to_owned(), ..ContextQuery::default() };
    let none = stage.bus.wait_context(&query, Duration::ZERO).unwrap();
    assert_eq!((none.changes.len(), none.next), (0, 0));
    let woken = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| stage.bus.wait_context(&query, Duration::from_secs(600)).unwrap());
        stage.bus.set_context(&put(a, "build", json!(1), None)).unwrap();
        stage.bus.set_context(&put(a, "api/auth", json!("ready"), None)).unwrap();
        waiting.join().unwrap()
    });
    assert_eq!(told(&woken), [("api/auth".to_owned(), Some(json!("ready")))]);
}

/// Many count up one number, each from what it read: no step is lost, and whoever lost a race was told what is there.
#[test]
fn writers_that_race_lose_no_step() {
    const WRITERS: usize = 2;
    const STEPS: usize = 50;
    let stage = Stage::new();
    let authors = ["a", "b"].map(|name| stage.agent(name));
    stage.bus.set_context(&put(authors[0], "count", json!(0), Some(0))).unwrap();
    std::thread::scope(|scope| {
        for author in authors {
            let bus = &stage.bus;
            scope.spawn(move || {
                let mut seen = bus.context(&"count".parse().unwrap()).unwrap().unwrap();
                let mut done = 0;
                while done < STEPS {
                    let next = json!(seen.value.as_u64().unwrap() + 1);
                    match bus.set_context(&put(author, "count", next.clone(), Some(seen.version))) {
                        Ok(change) => {
                            (seen.value, seen.version) = (next, change.version);
                            done += 1;
                        }
                        Err(BusError::ContextConflict { present: Some(present), .. }) => {
                            assert!(present.version > seen.version);
                            seen = *present;
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
    let end = stage.bus.context(&"count".parse().unwrap()).unwrap().unwrap();
    assert_eq!(end.value, json!(WRITERS * STEPS));
    assert_eq!(since(&stage, "count", 0).changes.len().min(CONTEXT_VERSIONS_MAX), CONTEXT_VERSIONS_MAX);
}
