//! `daemon.json`: where clients find the daemon. Written whole or not at all, readable for its owner only.

use protocol::DaemonInfo;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Writes the file in one step.
pub fn announce(path: &Path, info: &DaemonInfo) -> std::io::Result<()> {
    use rustix::fs::{Mode, OFlags};
    let text = serde_json::to_vec_pretty(info)?;
    let beside = path.with_extension("json.new");
    match std::fs::remove_file(&beside) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::open(&beside, flags, Mode::RUSR | Mode::WUSR)?);
    file.write_all(&text)?;
    std::fs::rename(&beside, path)
}

/// Takes the file away, when it is still about this process.
pub fn withdraw(path: &Path) {
    let ours = std::fs::read(path)
        .ok()
        .and_then(|text| serde_json::from_slice::<DaemonInfo>(&text).ok())
        .is_some_and(|info| info.pid == std::process::id());
    if ours {
        // Gone already is as good.
        let _ = std::fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    fn info(pid: u32) -> DaemonInfo {
        DaemonInfo {
            version: "1".to_owned(),
            api_revision: 1,
            pid,
            socket: None,
            address: ([127, 0, 0, 1], 4711).into(),
            started_at: model::Timestamp::from_millis(0),
        }
    }

    #[test]
    fn the_file_is_private_and_goes_with_its_daemon() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("daemon.json");
        announce(&path, &info(1)).unwrap();
        announce(&path, &info(2)).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        withdraw(&path);
        assert!(path.exists(), "another daemon's");
        announce(&path, &info(std::process::id())).unwrap();
        withdraw(&path);
        assert!(!path.exists());
    }
}
