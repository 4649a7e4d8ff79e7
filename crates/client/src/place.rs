//! Where the daemon of a data root is, read from files that only its owner can write.

use crate::ClientError;
use protocol::{DaemonInfo, DataRoot, Token};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Largest daemon.json or token file read, in bytes.
const FILE_MAX: u64 = 64 * 1024;

/// Who a client is.
#[derive(Clone)]
pub enum Credential {
    /// The user, by the token file of the data root.
    User,
    /// A running agent, by the credential it was given at its start. It talks over the Unix socket only: it does
    /// not know the user's token, with which a TCP port would prove itself.
    Run(String),
    /// As [`Credential::Run`], in the file the run was given.
    RunFile(PathBuf),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "User",
            Self::Run(_) => "Run(…)",
            Self::RunFile(_) => "RunFile(…)",
        })
    }
}

/// A data root whose daemon is to be talked to.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) root: DataRoot,
}

impl Place {
    /// What the daemon wrote about itself. It proves nothing.
    pub(crate) fn info(&self) -> Result<DaemonInfo, ClientError> {
        let path = self.root.daemon_info();
        let text = match private_text(&path) {
            Ok(text) => text,
            Err(Private::Absent) => {
                return Err(ClientError::NotRunning { data_root: self.root.path().to_owned() });
            }
            Err(Private::Bad(reason)) => {
                let address = path.display().to_string();
                return Err(ClientError::Unproven { address, reason });
            }
        };
        serde_json::from_str(&text)
            .map_err(|error| ClientError::Malformed { reason: format!("daemon.json: {error}") })
    }

    pub(crate) fn token(&self) -> Result<Token, ClientError> {
        let path = self.root.token();
        let bad = |reason: String| ClientError::Token { path: path.clone(), reason };
        match private_text(&path) {
            Ok(text) => Token::parse(&text).map_err(|error| bad(error.to_string())),
            Err(Private::Absent) => Err(ClientError::NotRunning { data_root: self.root.path().to_owned() }),
            Err(Private::Bad(reason)) => Err(bad(reason)),
        }
    }

    /// What an agent's credential file says.
    pub(crate) fn run_token(path: &Path) -> Result<String, ClientError> {
        match private_text(path) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(Private::Absent) => {
                Err(ClientError::RunToken { path: path.to_owned(), reason: "it is not there".to_owned() })
            }
            Err(Private::Bad(reason)) => Err(ClientError::RunToken { path: path.to_owned(), reason }),
        }
    }

    /// The socket, when nobody but its owner could have put it there.
    pub(crate) fn socket(info: &DaemonInfo) -> Result<Option<PathBuf>, ClientError> {
        let Some(socket) = &info.socket else { return Ok(None) };
        let unproven =
            |reason: String| ClientError::Unproven { address: socket.display().to_string(), reason };
        let parent = socket.parent().ok_or_else(|| unproven("it is in no folder".to_owned()))?;
        let folder = std::fs::symlink_metadata(parent).map_err(|error| unproven(error.to_string()))?;
        if !folder.is_dir() || folder.uid() != our_uid() || folder.mode() & 0o077 != 0 {
            return Err(unproven("others can write its folder; it should be mode 0700".to_owned()));
        }
        match std::fs::symlink_metadata(socket) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unproven(error.to_string())),
            Ok(meta) if meta.uid() != our_uid() => Err(unproven("it belongs to somebody else".to_owned())),
            Ok(_) => Ok(Some(socket.clone())),
        }
    }
}

enum Private {
    Absent,
    Bad(String),
}

/// Text of a small file that only its owner can read. A link is not followed: it could lead to a
/// file somebody else chose.
fn private_text(path: &Path) -> Result<String, Private> {
    let bad = |error: std::io::Error| Private::Bad(error.to_string());
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, rustix::fs::Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(rustix::io::Errno::NOENT) => return Err(Private::Absent),
        Err(rustix::io::Errno::LOOP) => return Err(Private::Bad("it is a symbolic link".to_owned())),
        Err(error) => return Err(bad(error.into())),
    };
    let meta = file.metadata().map_err(bad)?;
    if meta.uid() != our_uid() {
        return Err(Private::Bad("it belongs to somebody else".to_owned()));
    }
    if meta.mode() & 0o077 != 0 {
        return Err(Private::Bad(format!(
            "others can read it (mode {:o}); it should be 600",
            meta.mode() & 0o777
        )));
    }
    let mut text = String::new();
    file.take(FILE_MAX).read_to_string(&mut text).map_err(bad)?;
    Ok(text)
}

pub(crate) fn our_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn place() -> (tempfile::TempDir, Place) {
        let dir = tempfile::tempdir().unwrap();
        let place = Place { root: DataRoot::new(dir.path()) };
        std::fs::create_dir(place.root.daemon_dir()).unwrap();
        std::fs::set_permissions(place.root.daemon_dir(), PermissionsExt::from_mode(0o700)).unwrap();
        (dir, place)
    }

    fn write(path: &Path, text: &str, mode: u32) {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }

    #[test]
    fn without_a_file_no_daemon_runs() {
        let (_dir, place) = place();
        assert_eq!(place.info().unwrap_err().code(), "daemon_not_running");
        assert_eq!(place.token().unwrap_err().code(), "daemon_not_running");
    }

    #[test]
    fn a_token_others_could_read_or_plant_is_not_used() {
        let (_dir, place) = place();
        let token = "0".repeat(64);
        write(&place.root.token(), &token, 0o600);
        assert!(place.token().is_ok());
        write(&place.root.token(), &token, 0o644);
        assert_eq!(place.token().unwrap_err().code(), "token_unusable");
        let elsewhere = place.root.path().join("planted");
        write(&elsewhere, &token, 0o600);
        std::fs::remove_file(place.root.token()).unwrap();
        std::os::unix::fs::symlink(&elsewhere, place.root.token()).unwrap();
        assert_eq!(place.token().unwrap_err().code(), "token_unusable");
        std::fs::remove_file(place.root.token()).unwrap();
        write(&place.root.token(), "short", 0o600);
        assert_eq!(place.token().unwrap_err().code(), "token_unusable");
    }

    #[test]
    fn a_socket_in_a_shared_folder_is_not_used() {
        let (_dir, place) = place();
        let info = DaemonInfo {
            version: "1".to_owned(),
            api_revision: 1,
            pid: 1,
            socket: Some(place.root.daemon_dir().join("sock")),
            address: ([127, 0, 0, 1], 1).into(),
            started_at: protocol::Timestamp::from_millis(0),
        };
        assert!(Place::socket(&info).unwrap().is_none(), "there is none yet");
        write(&place.root.daemon_dir().join("sock"), "", 0o600);
        assert!(Place::socket(&info).unwrap().is_some());
        std::fs::set_permissions(place.root.daemon_dir(), PermissionsExt::from_mode(0o777)).unwrap();
        assert_eq!(Place::socket(&info).unwrap_err().code(), "daemon_unproven");
    }
}
