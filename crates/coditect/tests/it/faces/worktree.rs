//! Repositories and their worktrees.

use super::{NONE, Row, Stage, WHOLE};
use serde_json::json;

pub(super) fn rows() -> Vec<Row> {
    repositories().into_iter().chain(making()).chain(ending()).collect()
}

#[expect(clippy::too_many_lines, reason = "a table is as long as what is in it")]
fn repositories() -> Vec<Row> {
    vec![
        Row::new(
            "add_repo",
            Stage::Checkout,
            ("POST", "/repos", json!({ "path": "{path}", "slug": "{slug}" })),
            &["repo", "add", "{path}", "--name", "{slug}"],
            Ok(("repo_add", json!({ "place": "{path}", "name": "{slug}" }))),
            ["", "", "/repo"],
            &["path", "url"],
        ),
        Row::new(
            "add_repo",
            Stage::Quiet,
            ("POST", "/repos", json!({ "path": "/nowhere/at/all" })),
            &["repo", "add", "/nowhere/at/all"],
            Ok(("repo_add", json!({ "place": "/nowhere/at/all" }))),
            WHOLE,
            &[],
        )
        .refused("path_missing"),
        Row::new(
            "list_repos",
            Stage::Repo,
            ("GET", "/repos", NONE),
            &["repo", "list"],
            Ok(("repo_list", json!({}))),
            // Each face has registered one more than the one before it; the first is the same for all.
            ["/items/0", "/items/0", "/repos/0"],
            &["path", "url"],
        ),
        Row::new(
            "get_repo",
            Stage::Repo,
            ("GET", "/repos/{slug}", NONE),
            &["repo", "show", "{slug}"],
            Err("repo_list shows them"),
            WHOLE,
            &["slug", "path", "branch", "test_command", "trusted"],
        ),
        Row::new(
            "change_repo",
            Stage::Repo,
            ("PATCH", "/repos/{slug}", json!({ "test_command": ["make"] })),
            &["repo", "set", "{slug}", "--test", "make"],
            Err("what is run is said by the user alone"),
            WHOLE,
            &["slug", "path", "test_command"],
        ),
        Row::new(
            "remove_repo",
            Stage::Repo,
            ("DELETE", "/repos/{slug}", NONE),
            &["repo", "rm", "{slug}"],
            Err("what the studio knows is said by the user alone"),
            WHOLE,
            &[],
        ),
        Row::new(
            "list_clones",
            Stage::Repo,
            ("GET", "/clones", NONE),
            &["repo", "clones"],
            Ok(("repo_list", json!({}))),
            ["/items", "/items", "/cloning"],
            &["slug", "url"],
        ),
        Row::new(
            "cancel_clone",
            Stage::Repo,
            ("DELETE", "/clones/zzzzzzzz", NONE),
            &["repo", "cancel", "zzzzzzzz"],
            Ok(("repo_cancel", json!({ "clone": "zzzzzzzz" }))),
            WHOLE,
            &[],
        )
        .refused("not_found"),
        Row::new(
            "start_clone",
            Stage::Quiet,
            ("POST", "/clones", json!({ "url": "ext::sh -c true" })),
            &["repo", "add", "ext::sh -c true"],
            Ok(("repo_add", json!({ "place": "ext::sh -c true" }))),
            WHOLE,
            &[],
        )
        .refused("bad_url"),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table is as long as what is in it")]
fn making() -> Vec<Row> {
    const SHOWN: &[&str] = &["name", "path", "branch", "state", "kept_because"];
    vec![
        Row::new(
            "add_worktree",
            Stage::Repo,
            ("POST", "/worktrees", json!({ "repo": "{slug}", "name": "feat" })),
            &["worktree", "add", "{slug}", "feat"],
            Ok(("worktree_add", json!({ "repo": "{slug}", "name": "feat" }))),
            WHOLE,
            SHOWN,
        ),
        Row::new(
            "add_worktree",
            Stage::Repo,
            ("POST", "/worktrees", json!({ "repo": "{slug}", "name": "../../x" })),
            &["worktree", "add", "{slug}", "../../x"],
            Ok(("worktree_add", json!({ "repo": "{slug}", "name": "../../x" }))),
            WHOLE,
            &[],
        )
        .refused("worktree_name_invalid"),
        Row::new(
            "adopt_worktree",
            Stage::Foreign,
            ("POST", "/worktrees/adopt", json!({ "repo": "{slug}", "path": "{foreign}" })),
            &["worktree", "adopt", "{slug}", "{foreign}"],
            Ok(("worktree_adopt", json!({ "repo": "{slug}", "path": "{foreign}" }))),
            WHOLE,
            SHOWN,
        ),
        Row::new(
            "list_worktrees",
            Stage::Worktree,
            ("GET", "/worktrees?repo={slug}", NONE),
            &["worktree", "list", "--repo", "{slug}"],
            Ok(("worktree_list", json!({ "repo": "{slug}" }))),
            ["/items", "/items", "/worktrees"],
            SHOWN,
        ),
        Row::new(
            "get_worktree",
            Stage::Worktree,
            ("GET", "/worktrees/{worktree}", NONE),
            &["worktree", "show", "{worktree}"],
            Ok(("worktree_get", json!({ "worktree": "{worktree}" }))),
            WHOLE,
            SHOWN,
        ),
        Row::new(
            "assign_worktree",
            Stage::Worktree,
            ("POST", "/sessions/{session}/worktree", json!({ "worktree": "{worktree}" })),
            &["worktree", "use", "{worktree}", "{session}"],
            Ok(("worktree_use", json!({ "worktree": "{worktree}", "session": "{session}" }))),
            WHOLE,
            SHOWN,
        ),
        Row::new(
            "unassign_worktree",
            Stage::Worktree,
            ("DELETE", "/sessions/{session}/worktree", NONE),
            &["worktree", "leave", "{session}"],
            Err("where a session works is said by the user, or by who gave it a worktree"),
            WHOLE,
            &[],
        ),
        Row::new(
            "start_script",
            Stage::Worktree,
            ("POST", "/worktrees/{worktree}/scripts", json!({ "script": "setup" })),
            &["worktree", "run", "{worktree}", "setup"],
            Ok(("worktree_run", json!({ "worktree": "{worktree}", "script": "setup" }))),
            WHOLE,
            &[],
        )
        .refused("no_script"),
        Row::new(
            "stop_scripts",
            Stage::Worktree,
            ("DELETE", "/worktrees/{worktree}/scripts", NONE),
            &["worktree", "stop", "{worktree}"],
            Ok(("worktree_run", json!({ "worktree": "{worktree}", "script": "stop" }))),
            WHOLE,
            SHOWN,
        ),
    ]
}

fn ending() -> Vec<Row> {
    vec![
        Row::new(
            "merge_worktree",
            Stage::Worktree,
            ("POST", "/worktrees/{worktree}/merge", json!({})),
            &["worktree", "merge", "{worktree}"],
            Ok(("worktree_merge", json!({ "worktree": "{worktree}" }))),
            WHOLE,
            &["into", "merged", "changed"],
        ),
        Row::new(
            "trash_worktree",
            Stage::Worktree,
            ("POST", "/worktrees/{worktree}/remove", json!({ "force": true })),
            &["worktree", "rm", "{worktree}", "--force"],
            Ok(("worktree_remove", json!({ "worktree": "{worktree}", "force": true }))),
            WHOLE,
            &["name", "kept_because"],
        ),
        Row::new(
            "trash_worktree",
            Stage::Unlanded,
            ("POST", "/worktrees/{worktree}/remove", json!({})),
            &["worktree", "rm", "{worktree}"],
            Ok(("worktree_remove", json!({ "worktree": "{worktree}" }))),
            WHOLE,
            &[],
        )
        .refused("worktree_holds_work"),
        Row::new(
            "merge_worktree",
            Stage::Unlanded,
            ("POST", "/worktrees/{worktree}/merge", json!({})),
            &["worktree", "merge", "{worktree}"],
            Ok(("worktree_merge", json!({ "worktree": "{worktree}" }))),
            WHOLE,
            &["into", "merged", "changed"],
        ),
        Row::new(
            "restore_worktree",
            Stage::Trashed,
            ("POST", "/worktrees/{worktree}/restore", NONE),
            &["worktree", "restore", "{worktree}"],
            Ok(("worktree_restore", json!({ "worktree": "{worktree}" }))),
            WHOLE,
            &["name", "path", "branch", "state"],
        ),
        Row::new(
            "purge_worktree",
            Stage::Trashed,
            ("DELETE", "/worktrees/{worktree}", NONE),
            &["worktree", "purge", "{worktree}"],
            Err("to delete for good is the user's alone"),
            WHOLE,
            &["name", "kept_because"],
        ),
    ]
}
