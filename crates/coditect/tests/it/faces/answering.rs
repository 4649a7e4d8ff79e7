//! Tasks at work, who does them, and sessions as files.

use super::{NONE, Row, Stage, WHOLE};
use serde_json::json;

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new(
            "list_tasks",
            Stage::Queue,
            ("GET", "/tasks?state=input_required&limit=1", NONE),
            &["task", "list", "--state", "input_required", "--limit", "1"],
            Err("queue_list and session_read show those of a session"),
            ["/items", "/items", ""],
            &["id", "title", "state"],
        ),
        Row::new(
            "answer_task",
            Stage::Queue,
            ("POST", "/tasks/{task}/answer", json!({ "answer": "yes" })),
            &["task", "answer", "{task}", "yes"],
            Err("the user is asked, and the user answers"),
            WHOLE,
            &["id", "title"],
        ),
        Row::new(
            "answer_task",
            Stage::Quiet,
            ("POST", "/tasks/{task}/answer", json!({ "answer": "yes" })),
            &["task", "answer", "{task}", "yes"],
            Err("the user is asked, and the user answers"),
            WHOLE,
            &[],
        )
        .refused("no_question"),
        Row::new(
            "steer_task",
            Stage::Quiet,
            ("POST", "/tasks/{task}/steer", json!({ "text": "shorter" })),
            &["task", "steer", "{task}", "shorter"],
            Err("whose words go into a turn is the user's to say; agents send notices"),
            WHOLE,
            &[],
        )
        .refused("task_not_running"),
        Row::new(
            "list_agents",
            Stage::Quiet,
            ("GET", "/agents", NONE),
            &["agent", "list"],
            Err("session_read says who is in a session, who says who is on the bus"),
            ["/items", "/items", ""],
            &["name", "vendor", "model", "key_present"],
        ),
        Row::new(
            "export_session",
            Stage::Quiet,
            ("GET", "/sessions/zzzzzzzz/export", NONE),
            &["session", "export", "zzzzzzzz"],
            Err("it is a file of the user's: server/tests/it/artifacts.rs reads one"),
            WHOLE,
            &[],
        )
        .refused("not_found"),
    ]
}
