//! Which checkouts take part. A file per checkout beside messaging.db, so that a hook knows without opening a database
//! that a folder is none of its business.
//!
//! It is looked up outside the repository: what is in a repository never switches anything on.

use crate::bus::refused;
use crate::error::BusError;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Most checkouts that are listed.
pub const MANAGED_MAX: usize = 10_000;

/// From now on sessions in this checkout take part. `dir` is the folder of messaging.db, `checkout` a canonical path.
/// False when they did already.
pub fn manage(dir: &Path, checkout: &str) -> Result<bool, BusError> {
    let folder = dir.join("managed");
    let path = marker(dir, checkout);
    if path.exists() {
        return Ok(false);
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.and_then(|()| std::fs::write(&path, format!("{checkout}\n")))
        .map_err(|error| refused(error, &path, "writing"))?;
    Ok(true)
}

/// Sessions in this checkout take part no more. False when they did not.
pub fn forget(dir: &Path, checkout: &str) -> Result<bool, BusError> {
    let path = marker(dir, checkout);
    match std::fs::remove_file(&path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(refused(error, &path, "removing")),
    }
}

/// Whether sessions in this checkout take part. One look at the file system.
pub fn is_managed(dir: &Path, checkout: &str) -> bool {
    marker(dir, checkout).exists()
}

/// The checkouts that take part, at most [`MANAGED_MAX`].
pub fn managed(dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir.join("managed")) else { return Vec::new() };
    let read = |path: PathBuf| Some(std::fs::read_to_string(path).ok()?.trim_end().to_owned());
    let mut found: Vec<String> =
        entries.flatten().take(MANAGED_MAX).filter_map(|entry| read(entry.path())).collect();
    found.sort();
    found
}

fn marker(dir: &Path, checkout: &str) -> PathBuf {
    let hash = blake3::hash(checkout.as_bytes()).to_hex();
    dir.join("managed").join(&hash[..32])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkout_takes_part_from_when_it_is_said_until_it_is_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        assert!(!is_managed(dir, "/a"));
        assert!(!forget(dir, "/a").unwrap());
        assert!(manage(dir, "/a").unwrap());
        assert!(!manage(dir, "/a").unwrap(), "twice is once");
        assert!(manage(dir, "/b").unwrap());
        assert_eq!(managed(dir), ["/a", "/b"]);
        assert!(is_managed(dir, "/a") && !is_managed(dir, "/a/b"));
        assert!(forget(dir, "/a").unwrap());
        assert!(!is_managed(dir, "/a"));
    }
}
