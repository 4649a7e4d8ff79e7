//! Checkpoints. What they do to files and to a repository that lost something is in checkpoints.rs.

use super::{NONE, Row, Stage, WHOLE};
use serde_json::json;

#[expect(clippy::too_many_lines, reason = "a table is as long as what is in it")]
pub(super) fn rows() -> Vec<Row> {
    const KEPT: &[&str] = &["kind", "name", "message"];
    vec![
        Row::new(
            "create_checkpoint",
            Stage::Kept,
            ("POST", "/sessions/{session}/checkpoints", json!({ "name": "good" })),
            &["checkpoint", "create", "{session}", "--name", "good"],
            Ok(("checkpoint_create", json!({ "session": "{session}", "name": "good" }))),
            WHOLE,
            KEPT,
        ),
        Row::new(
            "create_checkpoint",
            Stage::Kept,
            ("POST", "/sessions/{session}/checkpoints", json!({ "name": " " })),
            &["checkpoint", "create", "{session}", "--name", " "],
            Ok(("checkpoint_create", json!({ "session": "{session}", "name": " " }))),
            WHOLE,
            &[],
        )
        .refused("checkpoint_name_invalid"),
        Row::new(
            "create_checkpoint",
            Stage::Quiet,
            ("POST", "/sessions/{session}/checkpoints", json!({ "name": "x" })),
            &["checkpoint", "create", "{session}", "--name", "x"],
            Ok(("checkpoint_create", json!({ "session": "{session}", "name": "x" }))),
            WHOLE,
            &[],
        )
        .refused("session_has_no_repo"),
        Row::new(
            "list_checkpoints",
            Stage::Kept,
            ("GET", "/sessions/{session}/checkpoints?automatic=false&limit=5", NONE),
            &["checkpoint", "list", "{session}", "--asked", "--limit", "5"],
            Ok(("checkpoint_list", json!({ "session": "{session}", "asked": true, "limit": 5 }))),
            ["/items", "/items", "/checkpoints"],
            KEPT,
        ),
        Row::new(
            "get_checkpoint",
            Stage::Kept,
            ("GET", "/checkpoints/{checkpoint}", NONE),
            &["checkpoint", "show", "{checkpoint}"],
            Err("checkpoint_list shows them"),
            WHOLE,
            KEPT,
        ),
        Row::new(
            "compare_checkpoint",
            Stage::Kept,
            ("GET", "/checkpoints/{checkpoint}/changes?path=a.txt", NONE),
            &["checkpoint", "compare", "{checkpoint}", "--path", "a.txt"],
            Err("agents have git for that: its commit is in checkpoint_list"),
            ["/files", "/files", "/files"],
            &["path", "change", "added", "removed"],
        ),
        Row::new(
            "restore_checkpoint",
            Stage::Kept,
            ("POST", "/checkpoints/{checkpoint}/restore", json!({ "paths": ["a.txt"] })),
            &["checkpoint", "restore", "{checkpoint}", "a.txt"],
            Ok(("checkpoint_restore", json!({ "checkpoint": "{checkpoint}", "paths": ["a.txt"] }))),
            WHOLE,
            &["kept"],
        ),
        Row::new(
            "restore_checkpoint",
            Stage::Quiet,
            ("POST", "/checkpoints/zzzzzzzz/restore", json!({ "paths": ["a.txt"] })),
            &["checkpoint", "restore", "zzzzzzzz", "a.txt"],
            Ok(("checkpoint_restore", json!({ "checkpoint": "zzzzzzzz", "paths": ["a.txt"] }))),
            WHOLE,
            &[],
        )
        .refused("not_found"),
        Row::new(
            "remove_checkpoint",
            Stage::Kept,
            ("DELETE", "/checkpoints/{checkpoint}", NONE),
            &["checkpoint", "remove", "{checkpoint}"],
            Err("what is kept is given up by the user alone"),
            WHOLE,
            KEPT,
        ),
        Row::new(
            "import_bundle",
            Stage::Repo,
            ("POST", "/repos/{slug}/bundles/import", json!({ "path": "{path}/a.txt" })),
            &["checkpoint", "import", "{path}/a.txt", "--repo", "{slug}"],
            Err("bundles are brought in by the user alone"),
            WHOLE,
            &[],
        )
        .refused("not_a_bundle"),
    ]
}
