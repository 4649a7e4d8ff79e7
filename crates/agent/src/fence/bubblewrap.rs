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
        let mut places: Vec<(PathBuf, Vec<OsString>)> = Vec::new();
        for hidden in self.hidden.iter().filter_map(|path| there(path)).filter(|path| is_seen(path)) {
            let words = match hidden.is_dir() {
                true => vec!["--tmpfs".into(), hidden.clone().into()],
                false => vec!["--ro-bind".into(), null.into(), hidden.clone().into()],
            };
            places.push((hidden, words));
        }
        for (kind, paths) in
            [("--ro-bind", &self.readable), ("--bind", &self.writable), ("--ro-bind", &self.frozen)]
        {
            let found = paths.iter().filter_map(|path| there(path));
            places.extend(found.map(|path| (path.clone(), bind(kind, &path).to_vec())));
        }
        // From the root downwards: what is hidden below a place that is seen stays hidden, and the other way round.
        places.sort_by_key(|(path, _)| path.components().count());
        for (_, words) in &places {
            say(&words.iter().map(OsString::as_os_str).collect::<Vec<_>>());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fence::Mechanism;

    #[test]
    fn what_is_hidden_below_a_seen_place_stays_hidden_and_the_other_way_round() {
        let room = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let (hidden, seen) = (room.join("src"), room.join("src/fence"));
        let fence = Fence {
            mechanism: Mechanism::Landlock,
            writable: vec![seen.clone()],
            readable: vec![room.clone()],
            hidden: vec![hidden.clone()],
            frozen: Vec::new(),
            tmp: room.join("none"),
        };
        let told = fence.view();
        let at = |path: &Path| told.iter().rposition(|word| word == path.as_os_str()).unwrap();
        assert!(at(&room) < at(&hidden) && at(&hidden) < at(&seen), "{told:?}");
    }
}
