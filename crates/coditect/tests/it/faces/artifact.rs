//! Artifacts.

use super::{NONE, Row, Stage, WHOLE};
use serde_json::json;

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new(
            "list_artifacts",
            Stage::Quiet,
            ("GET", "/artifacts?session={session}", NONE),
            &["artifact", "list", "--session", "{session}"],
            Ok(("artifact_list", json!({ "session": "{session}" }))),
            ["/items", "/items", "/artifacts"],
            &["name", "bytes"],
        ),
        Row::new(
            "get_artifact",
            Stage::Quiet,
            ("GET", "/artifacts/zzzzzzzz", NONE),
            &["artifact", "show", "zzzzzzzz"],
            Ok(("artifact_get", json!({ "artifact": "zzzzzzzz" }))),
            WHOLE,
            &[],
        )
        .refused("not_found"),
    ]
}
