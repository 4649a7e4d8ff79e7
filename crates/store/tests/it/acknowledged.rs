//! What the clients of a process that will be killed were answered, one key in each line of a file.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

pub(crate) struct Acknowledged {
    path: PathBuf,
}

impl Acknowledged {
    pub(crate) fn of(root: &Path) -> Self {
        Self { path: root.join("acknowledged") }
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.whole().lines().map(str::to_owned).collect()
    }

    /// For the next process, which must not go on in the middle of what the last one left.
    pub(crate) fn open(&self) -> Log {
        let file = OpenOptions::new().create(true).append(true).open(&self.path).unwrap();
        file.set_len(self.whole().len() as u64).unwrap();
        Log(Mutex::new(file))
    }

    /// Without a last line that a kill broke off: its client had not been answered completely.
    fn whole(&self) -> String {
        let mut text = std::fs::read_to_string(&self.path).unwrap_or_default();
        text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
        text
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
