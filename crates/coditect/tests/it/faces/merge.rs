//! The merge queue, and what is in the way of each other.

use super::{NONE, Place, Row, Stage, WHOLE, id};
use serde_json::{Value, json};
use std::path::Path;

/// Puts the worktree into the queue, where it waits for an order.
pub(super) fn hold(place: &Place, worktree: &str) -> String {
    id(&place.made("/merges", &json!({ "worktree": worktree, "hold": true })))
}

/// The worktree and the checkout have changed the same line, and the radar has seen it.
pub(super) fn collide(place: &Place, worktree: &str, checkout: &str) {
    for (folder, text) in [(worktree, "theirs\n"), (checkout, "ours\n")] {
        std::fs::write(Path::new(folder).join("a.txt"), text).unwrap();
    }
    place.made("/conflicts/sweep", &Value::Null);
}

pub(super) fn rows() -> Vec<Row> {
    adding().into_iter().chain(looking()).chain(ordering()).chain(conflicts()).collect()
}

fn adding() -> Vec<Row> {
    vec![
        Row::new(
            "add_merge",
            Stage::Unlanded,
            ("POST", "/merges", json!({ "worktree": "{worktree}", "message": "Land it" })),
            &["merge", "add", "{worktree}", "--message", "Land it"],
            Ok(("merge_add", json!({ "worktree": "{worktree}", "message": "Land it" }))),
            WHOLE,
            &["into"],
        ),
        Row::new(
            "add_merge",
            Stage::Unlanded,
            (
                "POST",
                "/merges",
                json!({ "worktree": "{worktree}", "hold": true, "priority": 2, "mode": "bisect" }),
            ),
            &["merge", "add", "{worktree}", "--hold", "--priority", "2", "--bisect"],
            Err("what waits, and before whom, is the user's to say; the tool adds without"),
            WHOLE,
            &["name", "path", "into", "mode", "style", "priority", "state", "attempt"],
        ),
        Row::new(
            "add_merge",
            Stage::Merging,
            ("POST", "/merges", json!({ "worktree": "{worktree}" })),
            &["merge", "add", "{worktree}"],
            Ok(("merge_add", json!({ "worktree": "{worktree}" }))),
            WHOLE,
            &[],
        )
        .refused("merge_queued"),
        Row::new(
            "add_merge",
            Stage::Repo,
            ("POST", "/merges", json!({ "worktree": "{slug}/nowhere" })),
            &["merge", "add", "{slug}/nowhere"],
            Ok(("merge_add", json!({ "worktree": "{slug}/nowhere" }))),
            WHOLE,
            &[],
        )
        .refused("worktree_not_found"),
    ]
}

fn looking() -> Vec<Row> {
    vec![
        Row::new(
            "list_merges",
            Stage::Merging,
            ("GET", "/merges?repo={slug}", NONE),
            &["merge", "list", "--repo", "{slug}"],
            Ok(("merge_list", json!({ "repo": "{slug}" }))),
            ["/items", "/items", "/merges"],
            &["id", "into", "state", "attempt", "text"],
        ),
        Row::new(
            "get_merge",
            Stage::Merging,
            ("GET", "/merges/{merge}", NONE),
            &["merge", "show", "{merge}"],
            Err("merge_list shows them"),
            WHOLE,
            &["name", "path", "into", "mode", "style", "priority", "state", "attempt", "paths"],
        ),
        Row::new(
            "get_merge",
            Stage::Quiet,
            ("GET", "/merges/zzzzzzzz", NONE),
            &["merge", "show", "zzzzzzzz"],
            Err("merge_list shows them"),
            WHOLE,
            &[],
        )
        .refused("not_found"),
    ]
}

fn ordering() -> Vec<Row> {
    const THEIRS: &str = "the order of the queue is the user's";
    vec![
        Row::new(
            "move_merge",
            Stage::Merging,
            ("POST", "/merges/{merge}/move", json!({ "priority": 5 })),
            &["merge", "move", "{merge}", "--priority", "5"],
            Err(THEIRS),
            ["/items", "/items", ""],
            &["name", "priority", "state"],
        ),
        Row::new(
            "move_merge",
            Stage::Merging,
            ("POST", "/merges/{merge}/move", json!({ "before": "{merge}" })),
            &["merge", "move", "{merge}", "--before", "{merge}"],
            Err(THEIRS),
            WHOLE,
            &[],
        )
        .refused("move_unclear"),
        Row::new(
            "cancel_merge",
            Stage::Merging,
            ("POST", "/merges/{merge}/cancel", NONE),
            &["merge", "cancel", "{merge}"],
            Err(THEIRS),
            WHOLE,
            &["name", "into", "state"],
        ),
        Row::new(
            "run_merges",
            Stage::Merging,
            ("POST", "/merges/run", json!({ "merge": "{merge}" })),
            &["merge", "run", "{merge}"],
            Err(THEIRS),
            ["/items", "/items", ""],
            &["id", "name", "into"],
        ),
        Row::new(
            "run_merges",
            Stage::Quiet,
            ("POST", "/merges/run", json!({ "merge": "zzzzzzzz" })),
            &["merge", "run", "zzzzzzzz"],
            Err(THEIRS),
            WHOLE,
            &[],
        )
        .refused("not_found"),
    ]
}

fn conflicts() -> Vec<Row> {
    const SHOWN: &[&str] = &["kind", "worktrees", "agents", "more"];
    vec![
        Row::new(
            "list_conflicts",
            Stage::Colliding,
            ("GET", "/conflicts?repo={slug}", NONE),
            &["conflict", "list", "--repo", "{slug}"],
            Ok(("conflict_list", json!({ "repo": "{slug}" }))),
            ["/items", "/items", "/conflicts"],
            SHOWN,
        ),
        Row::new(
            "list_conflicts",
            Stage::Quiet,
            ("GET", "/conflicts?repo=nowhere-at-all", NONE),
            &["conflict", "list", "--repo", "nowhere-at-all"],
            Ok(("conflict_list", json!({ "repo": "nowhere-at-all" }))),
            WHOLE,
            &[],
        )
        .refused("not_found"),
        Row::new(
            "sweep_conflicts",
            Stage::Colliding,
            ("POST", "/conflicts/sweep?repo={slug}", NONE),
            &["conflict", "sweep", "--repo", "{slug}"],
            Err("the studio looks by itself; conflict_list shows what it saw"),
            ["/items", "/items", ""],
            SHOWN,
        ),
    ]
}
