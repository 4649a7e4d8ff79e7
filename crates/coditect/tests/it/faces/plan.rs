//! Plans.

use super::{Row, Stage, WHOLE};
use serde_json::json;

const PATH: &str = "/sessions/{session}/plans";

pub(super) fn rows() -> Vec<Row> {
    // Nobody proposes anything, so that it ends by itself.
    const IDLE: &str = "[[say I have no idea.]]";
    const FIELDS: &[&str] = &["prompt", "branch", "state", "worktrees"];
    let both = [
        (json!({ "prompt": IDLE }), &["session", "coordinate", "{session}", IDLE][..]),
        (
            json!({ "prompt": IDLE, "worktrees": true }),
            &["session", "coordinate", "{session}", IDLE, "--worktrees"][..],
        ),
    ];
    let mut rows: Vec<Row> = both
        .into_iter()
        .map(|(body, words)| {
            let mut tool = body.clone();
            tool["session"] = json!("{session}");
            let tool = Ok(("session_coordinate", tool));
            Row::new("coordinate", Stage::Worktree, ("POST", PATH, body), words, tool, WHOLE, FIELDS)
        })
        .collect();
    let nowhere = json!({ "prompt": IDLE, "worktrees": true });
    rows.push(
        Row::new(
            "coordinate",
            Stage::Quiet,
            ("POST", PATH, nowhere),
            &["session", "coordinate", "{session}", IDLE, "--worktrees"],
            Ok(("session_coordinate", json!({ "session": "{session}", "prompt": IDLE, "worktrees": true }))),
            WHOLE,
            &[],
        )
        .refused("no_repo"),
    );
    rows
}
