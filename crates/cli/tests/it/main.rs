//! What the command line writes for people is what it is.

use std::path::Path;

/// A stale page is written again and fails the test, so that the change is reviewed.
#[test]
fn guide_of_commands_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/cli.md");
    let text = cli::reference();
    if std::fs::read_to_string(&path).ok().as_deref() != Some(&text) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        panic!("docs/guide/cli.md was stale and has been written again; review and commit it");
    }
}
