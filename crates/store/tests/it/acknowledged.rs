//! What the clients of a process that will be killed were answered, a key on each line of a file.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use testkit::noted;

pub(crate) struct Acknowledged {
    path: PathBuf,
}

impl Acknowledged {
    pub(crate) fn of(root: &Path) -> Self {
        Self { path: root.join("acknowledged") }
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        noted::lines(&self.path)
    }

    pub(crate) fn open(&self) -> Log {
        Log(Mutex::new(noted::go_on(&self.path)))
    }
}

pub(crate) struct Log(Mutex<File>);

impl Log {
    /// Synced before the client goes on.
    pub(crate) fn add(&self, key: &str) {
        let mut file = self.0.lock().unwrap();
        file.write_all(format!("{key}\n").as_bytes()).unwrap();
        file.sync_data().unwrap();
    }
}
