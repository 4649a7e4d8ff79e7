//! Files that are found.

use super::{NONE, Row, Stage, WHOLE};
use serde_json::json;

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new(
            "search_files",
            Stage::Repo,
            ("GET", "/files?query=one&repo={slug}&changed=false", NONE),
            &["file", "search", "one", "--repo", "{slug}"],
            Ok(("file_search", json!({ "query": "one", "repo": "{slug}" }))),
            ["/items", "/items", "/files"],
            &[
                "path",
                "worktree",
                "also_in",
                "repo",
                "bytes",
                "content_hash",
                "git_status",
                "agent_lock",
                "lines",
            ],
        ),
        Row::new(
            "search_files",
            Stage::Repo,
            ("GET", "/files?query=%2B%2B&repo={slug}", NONE),
            &["file", "search", "++", "--repo", "{slug}"],
            Ok(("file_search", json!({ "query": "++", "repo": "{slug}" }))),
            WHOLE,
            &[],
        )
        .refused("query_without_words"),
        Row::new(
            "index_files",
            Stage::Repo,
            ("POST", "/files/index", json!({ "repo": "{slug}" })),
            &["file", "index", "--repo", "{slug}"],
            Err("a search looks by itself; the whole index is the user's business"),
            // Each face has registered one more repository than the one before it.
            WHOLE,
            &["left_out"],
        ),
    ]
}
