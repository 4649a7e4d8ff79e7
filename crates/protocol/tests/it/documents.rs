//! The documents under `schema/` are what the code generates, and events are what they describe.

use model::{Cursor, Event};
use protocol::{EventRecord, Resource, resources};
use serde_json::{Value, json};
use std::path::Path;
use testkit::mismatch;

/// Compares the file with what the code says; a stale one is written again and fails the test, so that the change is reviewed.
fn fresh(name: &str, generated: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema").join(name);
    let text = format!("{}\n", serde_json::to_string_pretty(generated).unwrap());
    if std::fs::read_to_string(&path).ok().as_deref() != Some(&text) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        panic!("schema/{name} was stale and has been written again; review and commit it");
    }
}

#[test]
fn openapi_is_fresh() {
    fresh("openapi.json", &protocol::openapi());
}

#[test]
fn event_schema_is_fresh() {
    fresh("events.schema.json", &protocol::event_schema());
}

#[test]
fn config_schema_is_fresh() {
    fresh("config.schema.json", &protocol::config_schema());
}

#[test]
fn every_reference_leads_somewhere() {
    for document in [protocol::openapi(), protocol::event_schema(), protocol::config_schema()] {
        let mut open = vec![&document];
        while let Some(value) = open.pop() {
            match value {
                Value::Object(fields) => {
                    if let Some(path) = fields.get("$ref").and_then(Value::as_str) {
                        assert!(document.pointer(path.trim_start_matches('#')).is_some(), "{path}");
                    }
                    open.extend(fields.values());
                }
                Value::Array(items) => open.extend(items),
                _ => {}
            }
        }
    }
}

#[test]
fn unions_have_constants_and_no_discriminator() {
    let text = protocol::openapi().to_string();
    assert!(!text.contains("discriminator"));
    let document = protocol::openapi();
    let branches = document["components"]["schemas"]["Fact"]["oneOf"].as_array().unwrap();
    let kinds: Vec<&str> =
        branches.iter().map(|branch| branch["properties"]["kind"]["const"].as_str().unwrap()).collect();
    assert_eq!(kinds, Event::KINDS);
}

#[test]
fn every_event_is_what_the_schema_says() {
    let document = protocol::event_schema();
    for event in testkit::every_event() {
        let value = serde_json::to_value(&event).unwrap();
        assert_eq!(mismatch(&document, &document, &value), None, "{}", event.kind());
    }
}

#[test]
fn the_schema_notices_what_is_not_described() {
    let document = protocol::event_schema();
    let event = json!({ "kind": "session.archived", "payload": { "session": "ses_1", "by": "ada" } });
    assert!(mismatch(&document, &document, &event).is_some());
    assert!(mismatch(&document, &document, &json!({ "kind": "session.vanished", "payload": {} })).is_some());
}

#[test]
fn records_and_resources_are_what_openapi_says() {
    let document = protocol::openapi();
    let record_schema = json!({ "$ref": "#/components/schemas/EventRecord" });
    let resource_schema = json!({ "$ref": "#/components/schemas/Resource" });
    let cursor = Cursor { epoch: 1, seq: 2 };
    let at = "2026-01-31T14:23:01.000Z".parse().unwrap();
    for event in testkit::every_event() {
        let record = EventRecord::new(cursor, at, event.session(), protocol::Actor::User, &event).unwrap();
        let value = serde_json::to_value(&record).unwrap();
        assert_eq!(mismatch(&document, &record_schema, &value), None, "{}", event.kind());
        for resource in resources(cursor, at, &event) {
            let value = serde_json::to_value(&resource).unwrap();
            assert_eq!(mismatch(&document, &resource_schema, &value), None, "{value}");
            body_is_described(&document, &resource);
        }
    }
}

/// A created resource is its noun's schema whole.
fn body_is_described(document: &Value, resource: &Resource) {
    use protocol::{Action, Noun};
    let name = match resource.noun {
        Noun::Clone => "RepoClone",
        Noun::Worktree => "WorktreeChange",
        Noun::Session => "Session",
        Noun::Participant => "Participant",
        Noun::Task => "Task",
        Noun::Turn => "Turn",
        Noun::Run => "Run",
        Noun::Message => "Message",
        Noun::Plan => "Plan",
        Noun::Proposal => "Proposal",
        Noun::Repo => "Repo",
        Noun::Lock => "LockChange",
        Noun::Notice => "Notice",
        Noun::Registration => "Registration",
        Noun::Checkpoint => "Checkpoint",
        Noun::Conflict => "Conflict",
        Noun::Artifact => "Artifact",
        Noun::Merge => "Merge",
        Noun::FileChange => "FileChange",
        Noun::RefusedEdit => "RefusedEdit",
        Noun::Permission => "Permission",
        Noun::PermissionRule => "PermissionRule",
        Noun::ContextEntry => "ContextEntry",
        Noun::Compaction => "Compaction",
        Noun::Board => "Board",
        Noun::Card => "Card",
        Noun::Zone => "Zone",
        Noun::Comment => "Comment",
        Noun::Firing => "Firing",
        Noun::User | Noun::Draft => return,
    };
    if resource.action == Action::Created {
        let schema = json!({ "$ref": format!("#/components/schemas/{name}") });
        assert_eq!(mismatch(document, &schema, &resource.body), None, "{name}");
    }
}
