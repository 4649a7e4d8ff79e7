//! The same tests on another engine: `cargo xtask test` runs some of them a second time with the data on PostgreSQL.

use serde_json::{Map, Value, json};
use std::path::Path;

/// Names the server of the second round, as a URL. Without it, data are in files.
pub const DATABASE: &str = "CODITECT_TEST_DATABASE";

/// Lets config.json name the server of this round, if there is one; the workspace is called after the data root there.
/// What the engine is told of its environment must have [`DATABASE`] in it.
pub fn name_database(config: &Path) {
    let Some(root) = config.parent().filter(|_| database().is_some()) else { return };
    let mut file: Map<String, Value> =
        std::fs::read(config).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let path = root.as_os_str().as_encoded_bytes();
    // The end of a path tells temporary folders apart; a name has no room for all of it.
    let name: String = path
        .iter()
        .rev()
        .filter(|c| c.is_ascii_alphanumeric())
        .take(20)
        .map(|c| format!("{c:02x}"))
        .collect();
    file.insert("database".to_owned(), json!({ "url_env": DATABASE, "name": name }));
    std::fs::create_dir_all(root).expect("the data root can be made");
    std::fs::write(config, Value::Object(file).to_string()).expect("config.json can be written");
}

/// The server of this round.
#[expect(clippy::disallowed_methods, reason = "the runner of the tests names the server")]
pub fn database() -> Option<String> {
    std::env::var(DATABASE).ok().filter(|url| !url.is_empty())
}
