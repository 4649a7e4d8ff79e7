//! The lock on a data root: one daemon, or one command that works without one.
//!
//! Invariant: the lock is the kernel's, so it ends with its holder however that ends; what the file says is for people, and may
//! be old. A child that the holder was just starting when it was killed has the lock until it runs its program.

use super::DaemonError;
use model::{DataRoot, Timestamp};
use protocol::DaemonInfo;
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Bytes of the lock file that are read.
const TEXT_MAX: u64 = 4096;
/// How long a holder gets to say who it is: it writes that right after it took the lock.
const NAME_PATIENCE: Duration = Duration::from_millis(500);
/// How long what a dead holder has left behind is waited for.
const LEFT_PATIENCE: Duration = Duration::from_secs(2);
/// Pause between two looks.
const NAP: Duration = Duration::from_millis(10);
/// How often a daemon looks whether its lock is still in its place.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Held for as long as it lives.
#[derive(Debug)]
pub(crate) struct DaemonLock {
    file: File,
    path: PathBuf,
}

/// Who holds the lock, in its file.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    pid: u32,
    since: Timestamp,
}

impl DaemonLock {
    /// Takes the lock, or says who has it.
    pub(crate) fn take(root: &DataRoot, now: Timestamp) -> Result<Self, DaemonError> {
        let path = root.daemon_lock();
        let fault = |action, error: std::io::Error| DaemonError::Io { action, path: path.clone(), error };
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|error| fault("open", error.into()))?;
        let file = File::from(fd);
        let started = Instant::now();
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::WOULDBLOCK) if started.elapsed() < LEFT_PATIENCE && is_dead(&path) => {
                    std::thread::sleep(NAP);
                }
                Err(Errno::WOULDBLOCK) => return Err(held(root)),
                Err(error) => return Err(fault("lock", error.into())),
            }
        }
        let lock = Self { file, path: path.clone() };
        if !lock.is_in_place() {
            // Whoever was waited for took the folder along.
            return Self::take(root, now);
        }
        let mut file = &lock.file;
        let holder = serde_json::to_vec(&Holder { pid: std::process::id(), since: now })
            .map_err(|error| fault("write", error.into()))?;
        // On a full disk the lock holds all the same; it only has no name on it.
        let named = file.set_len(0).and_then(|()| file.write_all(&holder));
        if let Err(error) = named {
            tracing::warn!(%error, "the lock file does not say who holds it");
        }
        Ok(lock)
    }

    /// Waits until the data root was deleted, moved away or replaced: another daemon may have the one that is there then.
    pub(crate) async fn lost(&self) {
        while self.is_in_place() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    pub(crate) fn is_in_place(&self) -> bool {
        match (self.file.metadata(), std::fs::symlink_metadata(&self.path)) {
            (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
            // Who cannot look has seen nothing.
            (_, Err(error)) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
            (Err(_), _) => true,
        }
    }
}

/// Names the holder as well as can be: a daemon announces itself only when it is ready.
fn held(root: &DataRoot) -> DaemonError {
    let started = Instant::now();
    let mut pid = read_pid(&root.daemon_lock());
    while pid.is_none() && started.elapsed() < NAME_PATIENCE {
        std::thread::sleep(NAP);
        pid = read_pid(&root.daemon_lock());
    }
    let url = read(&root.daemon_info())
        .and_then(|text| serde_json::from_str::<DaemonInfo>(&text).ok())
        .filter(|info| pid.is_none_or(|pid| pid == info.pid))
        .map(|info| format!("http://{}", info.address));
    DaemonError::Running { root: root.path().to_owned(), pid, url }
}

/// Whether the process that the lock file names is gone.
fn is_dead(path: &Path) -> bool {
    let pid = read_pid(path).and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    pid.is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH))
}

fn read_pid(path: &Path) -> Option<u32> {
    serde_json::from_str::<Holder>(&read(path)?).ok().map(|holder| holder.pid)
}

fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(TEXT_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> (tempfile::TempDir, DataRoot) {
        let dir = tempfile::tempdir().unwrap();
        let root = DataRoot::new(dir.path());
        std::fs::create_dir(root.daemon_dir()).unwrap();
        (dir, root)
    }

    #[test]
    fn the_second_is_told_who_the_first_is() {
        let (_dir, root) = root();
        let first = DaemonLock::take(&root, Timestamp::from_millis(1)).unwrap();
        let Err(DaemonError::Running { pid, url, .. }) = DaemonLock::take(&root, Timestamp::from_millis(2))
        else {
            panic!("two daemons");
        };
        assert_eq!((pid, url), (Some(std::process::id()), None));
        drop(first);
        DaemonLock::take(&root, Timestamp::from_millis(3)).unwrap();
    }

    /// The lock as a child has it whose parent, the daemon, was killed.
    fn left_behind(root: &DataRoot) -> File {
        let mut child = File::create(root.daemon_lock()).unwrap();
        flock(&child, FlockOperation::NonBlockingLockExclusive).unwrap();
        // A number that no process has.
        let holder = Holder { pid: i32::MAX.cast_unsigned(), since: Timestamp::from_millis(1) };
        child.write_all(&serde_json::to_vec(&holder).unwrap()).unwrap();
        child
    }

    #[test]
    fn what_never_lets_go_is_not_waited_for_for_ever() {
        let (_dir, root) = root();
        let _child = left_behind(&root);
        let started = Instant::now();
        let refused = DaemonLock::take(&root, Timestamp::from_millis(2)).unwrap_err();
        assert!(matches!(refused, DaemonError::Running { .. }), "{refused}");
        assert!(started.elapsed() >= LEFT_PATIENCE);
    }

    #[test]
    fn what_a_killed_daemon_was_starting_is_waited_for() {
        let (_dir, root) = root();
        let child = left_behind(&root);
        let (begun, taken) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let taking = scope.spawn(|| {
                begun.send(()).unwrap();
                DaemonLock::take(&root, Timestamp::from_millis(2))
            });
            taken.recv().unwrap();
            std::thread::sleep(5 * NAP);
            assert!(!taking.is_finished(), "nobody who lives has it");
            drop(child);
            taking.join().unwrap().unwrap();
        });
    }

    #[test]
    fn a_file_left_behind_holds_nothing() {
        let (_dir, root) = root();
        std::fs::write(root.daemon_lock(), r#"{"pid":1,"since":"2026-01-31T14:23:01.123Z"} and more of it"#)
            .unwrap();
        let lock = DaemonLock::take(&root, Timestamp::from_millis(1)).unwrap();
        assert_eq!(read_pid(&root.daemon_lock()), Some(std::process::id()));
        drop(lock);
    }

    #[test]
    fn a_link_is_not_followed() {
        let (dir, root) = root();
        let elsewhere = dir.path().join("precious");
        std::fs::write(&elsewhere, "data").unwrap();
        std::os::unix::fs::symlink(&elsewhere, root.daemon_lock()).unwrap();
        assert!(DaemonLock::take(&root, Timestamp::from_millis(1)).is_err());
        assert_eq!(std::fs::read_to_string(elsewhere).unwrap(), "data");
    }

    #[test]
    fn a_lock_is_lost_when_something_else_or_nothing_is_in_its_place() {
        let (_dir, root) = root();
        let lock = DaemonLock::take(&root, Timestamp::from_millis(1)).unwrap();
        assert!(lock.is_in_place());
        std::fs::remove_file(root.daemon_lock()).unwrap();
        assert!(!lock.is_in_place());
        let next = DaemonLock::take(&root, Timestamp::from_millis(2)).unwrap();
        assert!(next.is_in_place() && !lock.is_in_place());
        std::fs::rename(root.daemon_dir(), root.path().join("away")).unwrap();
        assert!(!next.is_in_place());
    }
}
