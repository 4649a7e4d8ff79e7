//! An export brought back on another data root.

use crate::house::{House, text};

#[test]
fn an_export_comes_back_where_nothing_is_and_nowhere_else() {
    let house = House::new();
    let session = house.json(&["session", "new", "kept", "--agents", "claude", "--json"]);
    let archive = house.dir.path().join("all.coditect");
    let exported = house.run(&["data", "export", archive.to_str().unwrap(), "--json"]);
    assert!(exported.status.success(), "{}", text(&exported));

    let busy = house.run(&["data", "restore", archive.to_str().unwrap(), "--json"]);
    assert_eq!(busy.status.code(), Some(5), "{}", text(&busy));
    assert!(house.run(&["daemon", "stop"]).status.success());
    let taken = house.run(&["data", "restore", archive.to_str().unwrap(), "--json"]);
    assert_eq!(taken.status.code(), Some(5), "{}", text(&taken));
    assert!(text(&taken).contains("journal_exists"), "{}", text(&taken));

    let other = House::new();
    let restored = other.json(&["data", "restore", archive.to_str().unwrap(), "--json"]);
    assert!(restored["records"].as_u64().is_some_and(|records| records > 0), "{restored}");
    assert!(restored["segments"].as_u64().is_some_and(|segments| segments > 0), "{restored}");
    let sessions = other.api_after_start();
    assert_eq!(sessions, [session["id"].as_str().unwrap()]);
    assert!(other.run(&["daemon", "stop"]).status.success());
}

impl House {
    /// The sessions of a data root whose daemon is started for this.
    fn api_after_start(&self) -> Vec<String> {
        let _daemon = self.daemon();
        let sessions =
            self.api(async |client| client.sessions(&protocol::SessionQuery::default()).await.unwrap());
        sessions.value.items.iter().map(|session| session.id.to_string()).collect()
    }
}
