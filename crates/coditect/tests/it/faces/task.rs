//! Tasks and queues.

use super::{NONE, Row, Stage, WHOLE};
use serde_json::json;

const TASK: &[&str] = &["title", "state"];

#[expect(clippy::too_many_lines, reason = "a table is as long as what is in it")]
pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new(
            "prompt",
            Stage::Quiet,
            (
                "POST",
                "/sessions/{session}/messages",
                json!({ "text": "[[say two]]", "targets": ["second"], "priority": 2 }),
            ),
            &["session", "prompt", "{session}", "[[say two]]", "--to", "second", "--priority", "2"],
            Ok((
                "session_prompt",
                json!({ "session": "{session}", "prompt": "[[say two]]", "to": ["second"], "priority": 2 }),
            )),
            WHOLE,
            &["title"],
        ),
        Row::new(
            "prompt",
            Stage::Queue,
            (
                "POST",
                "/sessions/{session}/messages",
                json!({
                    "text": "[[say two]]", "targets": ["second"], "depends_on": ["{first}", "{second}"], "on_failed": "wait",
                    "deadline_seconds": 3600,
                    "retry": { "max_attempts": 3, "on": ["crash", "stall", "rate_limit", "vendor_error"] },
                }),
            ),
            &[
                "session",
                "prompt",
                "{session}",
                "[[say two]]",
                "--to",
                "second",
                "--after",
                "{first},{second}",
                "--on-failed",
                "wait",
                "--deadline",
                "1h",
                "--attempts",
                "3",
            ],
            Ok((
                "session_prompt",
                json!({
                    "session": "{session}", "prompt": "[[say two]]", "to": ["second"], "after": ["{first}", "{second}"],
                    "on_failed": "wait", "deadline_seconds": 3600, "attempts": 3,
                }),
            )),
            WHOLE,
            TASK,
        ),
        Row::new(
            "prompt",
            Stage::Quiet,
            (
                "POST",
                "/sessions/{session}/messages",
                json!({ "text": "Translate it", "wants": ["german"], "pool": true }),
            ),
            &["session", "prompt", "{session}", "Translate it", "--wants", "german", "--pool"],
            Ok((
                "session_prompt",
                json!({ "session": "{session}", "prompt": "Translate it", "wants": ["german"], "pool": true }),
            )),
            WHOLE,
            TASK,
        ),
        Row::new(
            "prompt",
            Stage::Quiet,
            ("POST", "/sessions/{session}/messages", json!({ "text": "x", "depends_on": ["zzzzzzzz"] })),
            &["session", "prompt", "{session}", "x", "--after", "zzzzzzzz"],
            Ok(("session_prompt", json!({ "session": "{session}", "prompt": "x", "after": ["zzzzzzzz"] }))),
            WHOLE,
            &[],
        )
        .refused("not_found"),
        Row::new(
            "prompt",
            Stage::Archived,
            ("POST", "/sessions/{session}/messages", json!({ "text": "x" })),
            &["session", "prompt", "{session}", "x"],
            Ok(("session_prompt", json!({ "session": "{session}", "prompt": "x" }))),
            WHOLE,
            &[],
        )
        .refused("session_archived"),
        Row::new(
            "prompt",
            Stage::Quiet,
            ("POST", "/sessions/{session}/messages", json!({ "text": "x", "client": "nobody" })),
            &["session", "prompt", "{session}", "x", "--client", "nobody"],
            Ok(("session_prompt", json!({ "session": "{session}", "prompt": "x", "client": "nobody" }))),
            WHOLE,
            &[],
        )
        .refused("not_attached"),
        Row::new(
            "list_session_tasks",
            Stage::Quiet,
            ("GET", "/sessions/{session}/tasks", NONE),
            &["task", "list", "--session", "{session}"],
            Ok(("session_read", json!({ "session": "{session}" }))),
            ["/items", "/items", "/tasks"],
            TASK,
        ),
        Row::new(
            "get_task",
            Stage::Quiet,
            ("GET", "/tasks/{task}", NONE),
            &["task", "show", "{task}"],
            Err("session_read shows the tasks of a session"),
            WHOLE,
            &["title", "state", "text"],
        ),
        Row::new(
            "list_queue",
            Stage::Queue,
            ("GET", "/sessions/{session}/queue", NONE),
            &["session", "queue", "{session}"],
            Ok(("queue_list", json!({ "session": "{session}" }))),
            ["/items", "/items", "/tasks"],
            TASK,
        ),
        Row::new(
            "move_task",
            Stage::Queue,
            ("POST", "/tasks/{second}/move", json!({ "before": "{first}" })),
            &["task", "move", "{second}", "--before", "{first}"],
            Ok(("task_move", json!({ "task": "{second}", "before": "{first}" }))),
            ["/items", "/items", "/tasks"],
            TASK,
        ),
        Row::new(
            "move_task",
            Stage::Queue,
            ("POST", "/tasks/{task}/move", json!({ "last": true })),
            &["task", "move", "{task}", "--last"],
            Ok(("task_move", json!({ "task": "{task}", "last": true }))),
            WHOLE,
            &[],
        )
        .refused("task_begun"),
        Row::new(
            "move_task",
            Stage::Queue,
            ("POST", "/tasks/{first}/move", json!({ "last": true, "client": "nobody" })),
            &["task", "move", "{first}", "--last", "--client", "nobody"],
            Ok(("task_move", json!({ "task": "{first}", "last": true, "client": "nobody" }))),
            WHOLE,
            &[],
        )
        .refused("not_attached"),
        Row::new(
            "cancel_task",
            Stage::Queue,
            ("POST", "/tasks/{first}/cancel", NONE),
            &["task", "cancel", "{first}"],
            Ok(("task_cancel", json!({ "task": "{first}" }))),
            WHOLE,
            TASK,
        ),
        Row::new(
            "change_task",
            Stage::Queue,
            ("PATCH", "/tasks/{second}", json!({ "depends_on": ["{first}"], "on_failed": "wait" })),
            &["task", "change", "{second}", "--depends-on", "{first}", "--on-failed", "wait"],
            Err("what a task waits for is said with its prompt; to change that is the user's"),
            WHOLE,
            &["title", "state", "on_failed"],
        ),
        Row::new(
            "change_task",
            Stage::Queue,
            ("PATCH", "/tasks/{first}", json!({ "depends_on": ["{first}"] })),
            &["task", "change", "{first}", "--depends-on", "{first}"],
            Err("what a task waits for is said with its prompt; to change that is the user's"),
            WHOLE,
            &[],
        )
        .refused("dependency_cycle"),
        Row::new(
            "list_pool",
            Stage::Pool,
            ("GET", "/pool", NONE),
            &["task", "pool"],
            Ok(("pool_list", json!({}))),
            ["/items/0", "/items/0", "/tasks/0"],
            &["title", "state", "wants"],
        ),
        Row::new(
            "claim_task",
            Stage::Pool,
            ("POST", "/pool/claim", json!({ "task": "{task}", "holder": "w" })),
            &["task", "claim", "{task}", "--as", "w"],
            Ok(("pool_claim", json!({ "task": "{task}", "holder": "w" }))),
            WHOLE,
            TASK,
        ),
        Row::new(
            "claim_task",
            Stage::Claimed,
            ("POST", "/pool/claim", json!({ "task": "{task}" })),
            &["task", "claim", "{task}"],
            Ok(("pool_claim", json!({ "task": "{task}" }))),
            WHOLE,
            &[],
        )
        .refused("task_claimed"),
        Row::new(
            "renew_claim",
            Stage::Claimed,
            ("POST", "/tasks/{task}/renew", json!({ "token": 1 })),
            &["task", "renew", "{task}", "--token", "1"],
            Ok(("pool_report", json!({ "task": "{task}", "token": 1, "state": "working" }))),
            WHOLE,
            TASK,
        ),
        Row::new(
            "finish_claim",
            Stage::Claimed,
            ("POST", "/tasks/{task}/finish", json!({ "token": 1, "outcome": "completed", "text": "it is" })),
            &["task", "finish", "{task}", "--token", "1", "it is"],
            Ok((
                "pool_report",
                json!({ "task": "{task}", "token": 1, "state": "completed", "text": "it is" }),
            )),
            WHOLE,
            TASK,
        ),
        Row::new(
            "finish_claim",
            Stage::Claimed,
            ("POST", "/tasks/{task}/finish", json!({ "token": 1, "outcome": "released" })),
            &["task", "release", "{task}", "--token", "1"],
            Ok(("pool_report", json!({ "task": "{task}", "token": 1, "state": "released" }))),
            WHOLE,
            TASK,
        ),
        Row::new(
            "finish_claim",
            Stage::Claimed,
            ("POST", "/tasks/{task}/finish", json!({ "token": 9, "outcome": "completed" })),
            &["task", "finish", "{task}", "--token", "9"],
            Ok(("pool_report", json!({ "task": "{task}", "token": 9, "state": "completed" }))),
            WHOLE,
            &[],
        )
        .refused("claim_lost"),
    ]
}
