//! Sessions among each other.

use super::{NONE, Row, Stage, WHOLE};
use serde_json::json;

#[expect(clippy::too_many_lines, reason = "a table is as long as what is in it")]
pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new(
            "fork_session",
            Stage::Quiet,
            ("POST", "/sessions/{session}/fork", json!({ "message": "{message}" })),
            &["session", "fork", "{session}", "--at", "{message}"],
            Ok(("session_fork", json!({ "session": "{session}", "message": "{message}" }))),
            WHOLE,
            &["title", "state", "forked_from"],
        ),
        Row::new(
            "fork_session",
            Stage::Quiet,
            (
                "POST",
                "/sessions/{session}/fork",
                json!({ "message": "msg_018f000000007000800000000000000a" }),
            ),
            &["session", "fork", "{session}", "--at", "msg_018f000000007000800000000000000a"],
            Ok((
                "session_fork",
                json!({ "session": "{session}", "message": "msg_018f000000007000800000000000000a" }),
            )),
            WHOLE,
            &[],
        )
        .refused("not_found"),
        Row::new(
            "spawn_session",
            Stage::Quiet,
            (
                "POST",
                "/sessions/{session}/spawn",
                json!({ "prompt": "[[say child]]", "agents": ["second"], "callback": "once" }),
            ),
            &["session", "spawn", "{session}", "[[say child]]", "--agents", "second", "--callback", "once"],
            Ok((
                "session_spawn",
                json!({ "parent": "{session}", "prompt": "[[say child]]", "agents": ["second"], "callback": "once" }),
            )),
            ["/session", "/session", "/session"],
            &["title", "parent"],
        ),
        Row::new(
            "ask_session",
            Stage::Quiet,
            ("POST", "/sessions/{session}/ask", json!({ "question": "Which?\n[[say that one]]" })),
            &["session", "ask", "{session}", "Which?\n[[say that one]]", "--no-wait"],
            Ok((
                "session_ask",
                json!({ "session": "{session}", "question": "Which?\n[[say that one]]", "wait_seconds": 0 }),
            )),
            WHOLE,
            &["asked", "question"],
        ),
        Row::new(
            "list_asides",
            Stage::Quiet,
            ("GET", "/sessions/{session}/asides", NONE),
            &["session", "asides", "{session}"],
            Ok(("aside_list", json!({ "session": "{session}" }))),
            ["/items", "/items", "/asides"],
            &["question", "answer"],
        ),
        Row::new(
            "compact_session",
            Stage::Quiet,
            ("POST", "/sessions/{session}/compact", NONE),
            &["session", "compact", "{session}"],
            Err("a conversation is condensed by itself when it is too long for its agent; only a person would want it sooner"),
            WHOLE,
            &[],
        )
        .refused("nothing_to_compact"),
        Row::new(
            "list_compactions",
            Stage::Quiet,
            ("GET", "/sessions/{session}/compactions", NONE),
            &["session", "compactions", "{session}"],
            Err("agents are shown the summary itself"),
            ["/items", "/items", "/items"],
            &["generation", "summary"],
        ),
        Row::new(
            "get_family",
            Stage::Family,
            ("GET", "/sessions/{session}/family?depth=2", NONE),
            &["session", "tree", "{session}", "--depth", "2"],
            Ok(("family_get", json!({ "session": "{session}", "depth": 2 }))),
            ["/descendants", "/descendants", "/descendants"],
            &["title", "state", "depth", "forked_from"],
        ),
    ]
}
