//! The fence by bubblewrap: a mount namespace in which everything is read-only but the writable places, and a process
//! namespace, without which `/proc/<pid>/root` of any other process of the user would lead out again.

use super::Fence;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Private to the run; what is below is seen only when it is named.
const TMP: &str = "/tmp";

impl Fence {
    /// What bubblewrap is told of the machine as it is to be seen. The folder it is started in stays the same.
    pub(super) fn view(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::new();
        let mut say = |words: &[&OsStr]| arguments.extend(words.iter().map(|word| (*word).to_owned()));
        let (tmp, null) = (OsStr::new(TMP), OsStr::new("/dev/null"));
        for word in ["--die-with-parent", "--unshare-pid", "--unshare-ipc"] {
            say(&[word.as_ref()]);
        }
        // Root without its powers is a user like any other.
        say(&["--cap-drop".as_ref(), "ALL".as_ref()]);
        say(&["--ro-bind".as_ref(), "/".as_ref(), "/".as_ref()]);
        say(&["--dev".as_ref(), "/dev".as_ref(), "--proc".as_ref(), "/proc".as_ref()]);
        if let Some(own) = there(&self.tmp) {
            say(&["--bind".as_ref(), own.as_os_str(), tmp]);
        }
        let bind = |kind: &'static str, path: &Path| [OsString::from(kind), path.into(), path.into()];
        for hidden in self.hidden.iter().filter_map(|path| there(path)).filter(|path| is_seen(path)) {
            match hidden.is_dir() {
                true => say(&["--tmpfs".as_ref(), hidden.as_os_str()]),
                false => say(&["--ro-bind".as_ref(), null, hidden.as_os_str()]),
            }
        }
        for (kind, paths) in
            [("--ro-bind", &self.readable), ("--bind", &self.writable), ("--ro-bind", &self.frozen)]
        {
            for path in paths.iter().filter_map(|path| there(path)) {
                let [kind, from, to] = bind(kind, &path);
                say(&[&kind, &from, &to]);
            }
        }
        if let Some(own) = there(&self.tmp) {
            say(&["--bind".as_ref(), own.as_os_str(), own.as_os_str()]);
        }
        arguments
    }
}

/// The place itself, whatever links lead to it; nothing when it does not exist.
fn there(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok()
}

/// What lies in `/tmp` is not seen at all any more.
fn is_seen(path: &Path) -> bool {
    !path.starts_with(TMP)
}
