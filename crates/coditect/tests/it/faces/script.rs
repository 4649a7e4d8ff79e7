//! Scripts that a repository brings.

use super::{NONE, Place, Row, Stage, WHOLE};
use serde_json::json;
use testkit::TempRepo;

/// The repository has one; this is its hash.
pub(super) fn write(place: &Place, repo: &TempRepo, slug: &str) -> String {
    repo.write(".coditect/setup.sh", "echo one\n");
    repo.git(&["add", "."]);
    repo.git(&["commit", "--quiet", "--message", "setup"]);
    let scripts = place.get(&format!("/repos/{slug}/scripts"));
    scripts["items"][0]["hash"].as_str().unwrap_or_else(|| panic!("no script: {scripts}")).to_owned()
}

pub(super) fn rows() -> Vec<Row> {
    const USERS: &str = "what a repository may have done is said by the user alone";
    vec![
        Row::new(
            "list_scripts",
            Stage::Scripted,
            ("GET", "/repos/{slug}/scripts", NONE),
            &["repo", "scripts", "{slug}"],
            Err(USERS),
            ["/items", "/items", ""],
            &["script", "path", "hash", "text", "trusted"],
        ),
        Row::new(
            "trust_scripts",
            Stage::Scripted,
            ("POST", "/repos/{slug}/trust", json!({ "hashes": ["{hash}"] })),
            &["repo", "trust", "{slug}"],
            Err(USERS),
            WHOLE,
            &["path", "trusted"],
        ),
        Row::new(
            "list_scripts",
            Stage::Quiet,
            ("GET", "/repos/nowhere-at-all/scripts", NONE),
            &["repo", "scripts", "nowhere-at-all"],
            Err(USERS),
            WHOLE,
            &[],
        )
        .refused("not_found"),
    ]
}
