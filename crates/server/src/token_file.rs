//! The user's token: a file only its owner can read. It is looked at for every request, and watched while somebody who was
//! let in by it stays, so that a new one counts at once and an idle daemon has nothing to do.
//!
//! Invariant: what is refused is decided by the file as it is now, never by the file as it was. A
//! file that is gone, unreadable or readable for others means that nobody has a token.

use crate::ServerError;
use model::Entropy;
use protocol::Token;
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use tokio::sync::{Notify, watch};

/// Largest token file looked at, in bytes.
const FILE_MAX: u64 = 1024;

/// The token in force, and a bell that rings when it is another one.
pub(crate) struct TokenFile {
    path: PathBuf,
    current: RwLock<Current>,
    changed: watch::Sender<u64>,
    /// Somebody began to listen to `changed`.
    came: Notify,
}

struct Current {
    stamp: Option<Stamp>,
    token: Option<Arc<Token>>,
}

/// Tells one state of the file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: (u64, u64),
    written: (i64, i64),
    changed: (i64, i64),
    len: u64,
    mode: u32,
}

impl TokenFile {
    /// Opens the token, or makes one where there is none.
    pub(crate) fn open(path: &Path, entropy: &dyn Entropy) -> Result<Self, ServerError> {
        let fault = |reason: String| ServerError::Token { path: path.to_owned(), reason };
        let folder = path.parent().ok_or_else(|| fault("it is in no folder".to_owned()))?;
        private_folder(folder).map_err(|error| fault(error.to_string()))?;
        if std::fs::symlink_metadata(path).is_err() {
            create(path, entropy).map_err(|error| fault(error.to_string()))?;
        }
        let (stamp, token) = read(path).map_err(fault)?;
        let current = Current { stamp: Some(stamp), token: Some(Arc::new(token)) };
        let (changed, came) = (watch::Sender::new(0), Notify::new());
        Ok(Self { path: path.to_owned(), current: RwLock::new(current), changed, came })
    }

    /// As the file is now; none while it is not one that counts.
    pub(crate) fn token(&self) -> Option<Arc<Token>> {
        self.refresh();
        match self.current.read() {
            Ok(current) => current.token.clone(),
            Err(poisoned) => poisoned.into_inner().token.clone(),
        }
    }

    /// Rings at every change; whoever was let in by the old token leaves then.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        let receiver = self.changed.subscribe();
        self.came.notify_one();
        receiver
    }

    /// Returns when somebody listens to changes; until then the file need not be looked at.
    pub(crate) async fn wanted(&self) {
        while self.changed.receiver_count() == 0 {
            self.came.notified().await;
        }
    }

    /// Looks at the file again.
    pub(crate) fn refresh(&self) {
        let stamp = std::fs::symlink_metadata(&self.path).ok().map(|meta| Stamp::of(&meta));
        let known = match self.current.read() {
            Ok(current) => current.stamp,
            Err(poisoned) => poisoned.into_inner().stamp,
        };
        if stamp == known {
            return;
        }
        let (stamp, token) = match read(&self.path) {
            Ok((stamp, token)) => (Some(stamp), Some(Arc::new(token))),
            Err(reason) => {
                tracing::error!(
                    reason,
                    "the token file does not count; every request is refused until it does"
                );
                (stamp, None)
            }
        };
        let mut current = match self.current.write() {
            Ok(current) => current,
            Err(poisoned) => poisoned.into_inner(),
        };
        let same = current.token == token;
        *current = Current { stamp, token };
        drop(current);
        if !same {
            tracing::info!("the token is another one; everybody let in by the old one is out");
            self.changed.send_modify(|generation| *generation += 1);
        }
    }
}

impl Stamp {
    fn of(meta: &std::fs::Metadata) -> Self {
        Self {
            inode: (meta.dev(), meta.ino()),
            written: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
            len: meta.len(),
            mode: meta.mode(),
        }
    }
}

/// A folder of ours that others can neither list nor change.
fn private_folder(folder: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let meta = std::fs::symlink_metadata(folder)?;
    if !meta.is_dir() || meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(std::io::Error::other("its folder belongs to somebody else or is a link"));
    }
    if meta.mode() & 0o077 != 0 {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

fn create(path: &Path, entropy: &dyn Entropy) -> std::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?);
    // A token is written whole or not at all: half of one would never be read as one.
    writeln!(file, "{}", Token::generate(entropy).reveal())?;
    file.sync_all()
}

fn read(path: &Path) -> Result<(Stamp, Token), String> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(rustix::io::Errno::LOOP) => return Err("it is a symbolic link".to_owned()),
        Err(error) => return Err(error.to_string()),
    };
    let meta = file.metadata().map_err(|error| error.to_string())?;
    if !meta.is_file() {
        return Err("it is not a file".to_owned());
    }
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return Err("it belongs to somebody else".to_owned());
    }
    if meta.mode() & 0o077 != 0 {
        return Err(format!("others can read it (mode {:o}); it should be 600", meta.mode() & 0o777));
    }
    let mut text = String::new();
    file.take(FILE_MAX).read_to_string(&mut text).map_err(|error| error.to_string())?;
    let token = Token::parse(&text).map_err(|error| error.to_string())?;
    Ok((Stamp::of(&meta), token))
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::SeededEntropy;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("daemon/token");
        (dir, path)
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_new_token_is_its_owners_alone_and_stays() {
        let (_dir, path) = place();
        let first = TokenFile::open(&path, &SeededEntropy::new(1)).unwrap().token().unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        let second = TokenFile::open(&path, &SeededEntropy::new(2)).unwrap().token().unwrap();
        assert_eq!(first, second);
    }

    #[test]
    fn a_planted_link_or_an_open_file_is_no_token() {
        let (dir, path) = place();
        TokenFile::open(&path, &SeededEntropy::new(1)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(TokenFile::open(&path, &SeededEntropy::new(1)).is_err());
        std::fs::remove_file(&path).unwrap();
        let planted = dir.path().join("planted");
        std::fs::write(&planted, "0".repeat(64)).unwrap();
        std::fs::set_permissions(&planted, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(&planted, &path).unwrap();
        assert!(TokenFile::open(&path, &SeededEntropy::new(1)).is_err());
        std::os::unix::fs::symlink("/nowhere", dir.path().join("daemon/dangling")).unwrap();
        assert!(TokenFile::open(&dir.path().join("daemon/dangling"), &SeededEntropy::new(1)).is_err());
    }

    #[test]
    fn nobody_asks_for_looks_until_somebody_listens() {
        use std::task::{Context, Poll, Waker};
        let (_dir, path) = place();
        let file = TokenFile::open(&path, &SeededEntropy::new(1)).unwrap();
        let mut context = Context::from_waker(Waker::noop());
        let mut wanted = Box::pin(file.wanted());
        assert_eq!(wanted.as_mut().poll(&mut context), Poll::Pending);
        let bell = file.changes();
        assert_eq!(wanted.as_mut().poll(&mut context), Poll::Ready(()));
        drop(bell);
        assert_eq!(Box::pin(file.wanted()).as_mut().poll(&mut context), Poll::Pending);
    }

    #[test]
    fn the_file_as_it_is_now_decides() {
        let (_dir, path) = place();
        let file = TokenFile::open(&path, &SeededEntropy::new(1)).unwrap();
        let mut bell = file.changes();
        let old = file.token().unwrap();
        file.refresh();
        assert!(!bell.has_changed().unwrap(), "nothing happened");

        std::fs::remove_file(&path).unwrap();
        file.refresh();
        assert!(file.token().is_none());
        assert!(bell.has_changed().unwrap());
        bell.mark_unchanged();

        create(&path, &SeededEntropy::new(9)).unwrap();
        assert!(file.token().is_some_and(|new| new != old));
        assert!(bell.has_changed().unwrap());

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        file.refresh();
        assert!(file.token().is_none());
    }
}
