//! Sessions, what was said in them, and who watches.

use super::{NONE, Row, Stage, WHOLE};
use serde_json::json;

const SESSION: &[&str] = &["title", "state", "archived", "tags"];

#[expect(clippy::too_many_lines, reason = "a table is as long as what is in it")]
pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new(
            "create_session",
            Stage::Quiet,
            ("POST", "/sessions", json!({ "title": "New", "agents": ["claude"] })),
            &["session", "new", "New", "--agents", "claude"],
            Err("session_spawn makes one with its first prompt"),
            WHOLE,
            &["title", "state", "tags"],
        ),
        Row::new(
            "get_session",
            Stage::Quiet,
            ("GET", "/sessions/{session}", NONE),
            &["session", "show", "{session}"],
            Ok(("session_read", json!({ "session": "{session}" }))),
            ["", "/session", "/sessions/0"],
            SESSION,
        ),
        Row::new(
            "get_session",
            Stage::Quiet,
            ("GET", "/sessions/zzzzzzzz", NONE),
            &["session", "show", "zzzzzzzz"],
            Ok(("session_read", json!({ "session": "zzzzzzzz" }))),
            WHOLE,
            &[],
        )
        .refused("not_found"),
        Row::new(
            "list_sessions",
            Stage::Family,
            ("GET", "/sessions?parent={session}&sort=title&text=parity", NONE),
            &["session", "list", "--parent", "{session}", "--sort", "title", "--text", "parity"],
            Ok(("session_list", json!({ "parent": "{session}", "sort": "title", "text": "parity" }))),
            ["/items", "/items", "/sessions"],
            SESSION,
        ),
        Row::new(
            "list_sessions",
            Stage::Quiet,
            ("GET", "/sessions?cursor=nonsense", NONE),
            &["session", "list", "--cursor", "nonsense"],
            Ok(("session_list", json!({ "cursor": "nonsense" }))),
            WHOLE,
            &[],
        )
        .refused("cursor_malformed"),
        Row::new(
            "change_session",
            Stage::Quiet,
            ("PATCH", "/sessions/{session}", json!({ "title": "Other" })),
            &["session", "rename", "{session}", "Other"],
            Ok(("session_change", json!({ "session": "{session}", "title": "Other" }))),
            WHOLE,
            SESSION,
        ),
        Row::new(
            "change_session",
            Stage::Quiet,
            ("PATCH", "/sessions/{session}", json!({ "add_tags": ["ui", "a"] })),
            &["session", "tag", "{session}", "ui", "a"],
            Ok(("session_change", json!({ "session": "{session}", "add_tags": ["ui", "a"] }))),
            WHOLE,
            SESSION,
        ),
        Row::new(
            "change_session",
            Stage::Quiet,
            ("PATCH", "/sessions/{session}", json!({ "add_tags": ["a b"] })),
            &["session", "tag", "{session}", "a b"],
            Ok(("session_change", json!({ "session": "{session}", "add_tags": ["a b"] }))),
            WHOLE,
            &[],
        )
        .refused("tag_invalid"),
        Row::new(
            "change_session",
            Stage::Child,
            ("PATCH", "/sessions/{fork}", json!({ "callback": "always" })),
            &["session", "callback", "{fork}", "always"],
            Ok(("session_change", json!({ "session": "{fork}", "callback": "always" }))),
            WHOLE,
            SESSION,
        ),
        Row::new(
            "archive_session",
            Stage::Quiet,
            ("POST", "/sessions/{session}/archive", NONE),
            &["session", "archive", "{session}"],
            Ok(("session_change", json!({ "session": "{session}", "archived": true }))),
            WHOLE,
            SESSION,
        ),
        Row::new(
            "unarchive_session",
            Stage::Archived,
            ("POST", "/sessions/{session}/unarchive", NONE),
            &["session", "unarchive", "{session}"],
            Ok(("session_change", json!({ "session": "{session}", "archived": false }))),
            WHOLE,
            SESSION,
        ),
        Row::new(
            "remove_session",
            Stage::Family,
            ("DELETE", "/sessions/{session}?anyway=true", NONE),
            &["session", "rm", "{session}", "--anyway"],
            Ok(("session_remove", json!({ "session": "{session}", "anyway": true }))),
            WHOLE,
            &["id", "relatives"],
        ),
        Row::new(
            "remove_session",
            Stage::Family,
            ("DELETE", "/sessions/{session}", NONE),
            &["session", "rm", "{session}"],
            Ok(("session_remove", json!({ "session": "{session}" }))),
            WHOLE,
            &[],
        )
        .refused("session_has_relatives"),
        Row::new(
            "list_messages",
            Stage::Family,
            ("GET", "/sessions/{session}/messages", NONE),
            &["session", "messages", "{session}"],
            Ok(("session_read", json!({ "session": "{session}" }))),
            ["/items", "/items", "/messages"],
            &["role"],
        ),
        Row::new(
            "attach_client",
            Stage::Quiet,
            (
                "POST",
                "/sessions/{session}/attach",
                json!({ "client": "c", "name": "phone", "input": "claim" }),
            ),
            &["session", "attach", "{session}", "--client", "c", "--name", "phone", "--claim"],
            Ok((
                "client_attach",
                json!({ "session": "{session}", "client": "c", "name": "phone", "input": "claim" }),
            )),
            ["/clients", "/clients", "/clients"],
            &["client", "name", "owns_input", "typing"],
        ),
        Row::new(
            "detach_client",
            Stage::Quiet,
            ("POST", "/sessions/{session}/detach", json!({ "client": "c" })),
            &["session", "detach", "{session}", "--client", "c"],
            Ok(("client_attach", json!({ "session": "{session}", "client": "c", "input": "leave" }))),
            WHOLE,
            &["clients"],
        ),
        Row::new(
            "list_clients",
            Stage::Quiet,
            ("GET", "/sessions/{session}/clients", NONE),
            &["session", "clients", "{session}"],
            Ok(("client_list", json!({ "session": "{session}" }))),
            WHOLE,
            &["clients"],
        ),
    ]
}
