//! The two places to listen at: 127.0.0.1, and a Unix socket that only its owner can open.

use crate::{Port, ServerError};
use std::net::Ipv4Addr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use tokio::net::{TcpListener, UnixListener};

/// Longest path of a Unix socket, in bytes; the kernel's limit with its NUL.
pub(crate) const SOCKET_PATH_MAX: usize = 107;

pub(crate) async fn tcp(port: Port) -> Result<TcpListener, ServerError> {
    let at = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    match port {
        Port::Any => at(0).await.map_err(ServerError::Tcp),
        Port::Fixed(port) => at(port).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => ServerError::PortTaken { port },
            _ => ServerError::Tcp(error),
        }),
        Port::Preferred(port) => match at(port).await {
            Ok(listener) => Ok(listener),
            Err(_) => at(0).await.map_err(ServerError::Tcp),
        },
    }
}

/// None where the path is too long for the system; TCP, which proves itself, is enough then.
pub(crate) fn unix(path: &Path) -> Result<Option<UnixListener>, ServerError> {
    if path.as_os_str().len() > SOCKET_PATH_MAX {
        tracing::warn!("the Unix socket's path is too long for this system; TCP only");
        return Ok(None);
    }
    let fault = |error| ServerError::Socket { path: path.to_owned(), error };
    // A daemon that died left its socket. The owner of the data root's lock is us, so nobody listens behind it.
    match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.file_type().is_socket() => std::fs::remove_file(path).map_err(fault)?,
        Ok(_) => return Err(fault(std::io::Error::other("something that is no socket is in its place"))),
        Err(_) => {}
    }
    let listener = UnixListener::bind(path).map_err(fault)?;
    // Its folder is 0700 already; this keeps it so when somebody opens the folder.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(fault)?;
    Ok(Some(listener))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[tokio::test]
    async fn a_taken_port_is_an_error_only_when_no_other_will_do() {
        let holder = tcp(Port::Any).await.unwrap();
        let port = holder.local_addr().unwrap().port();
        assert!(matches!(tcp(Port::Fixed(port)).await, Err(ServerError::PortTaken { .. })));
        let other = tcp(Port::Preferred(port)).await.unwrap().local_addr().unwrap();
        assert_ne!(other.port(), port);
        drop(holder);
        let again = tcp(Port::Preferred(port)).await.unwrap().local_addr().unwrap();
        assert_eq!((again.port(), again.ip()), (port, Ipv4Addr::LOCALHOST.into()));
    }

    #[tokio::test]
    async fn a_socket_is_its_owners_and_replaces_a_dead_one_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sock");
        drop(unix(&path).unwrap());
        assert!(path.exists(), "a dead socket stays behind");
        let listener = unix(&path).unwrap();
        assert!(listener.is_some());
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let precious = dir.path().join("precious");
        std::fs::write(&precious, "data").unwrap();
        assert!(unix(&precious).is_err());
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), "data");
    }

    #[tokio::test]
    async fn a_path_too_long_for_the_system_means_tcp_only() {
        let dir = tempfile::tempdir().unwrap();
        assert!(unix(&dir.path().join("x".repeat(SOCKET_PATH_MAX))).unwrap().is_none());
    }
}
