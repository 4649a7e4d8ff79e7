//! The folders of a data root: made for their owner only, and only where state is safe.
//!
//! Invariant: nothing is made on a file system that state may not live on.

use super::DaemonError;
use super::file_system::look;
use model::DataRoot;
use std::fs::Permissions;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

/// Longest name of a workspace, in bytes.
const WORKSPACE_MAX: usize = 64;

/// Makes the data root, the daemon's folder and the workspace's, mode 0700 where they are new. The latter two are ours
/// alone and are closed to others wherever they come from: a copied or restored data root may have lost its modes, and
/// the files in it rest on those of their folders.
pub(crate) fn prepare(root: &DataRoot, workspace: &str) -> Result<(), DaemonError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if workspace.is_empty() || workspace.len() > WORKSPACE_MAX || !workspace.bytes().all(plain) {
        return Err(DaemonError::Workspace(workspace.chars().take(WORKSPACE_MAX).collect()));
    }
    for folder in [root.path(), &root.daemon_dir(), root.workspace(workspace).path()] {
        refuse_unsafe(folder)?;
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| DaemonError::Io { action: "make", path: folder.to_owned(), error })?;
        // Something may have been mounted in its place.
        refuse_unsafe(folder)?;
    }
    close(&root.daemon_dir())?;
    close(root.workspace(workspace).path())
}

fn close(folder: &Path) -> Result<(), DaemonError> {
    let closing = std::fs::metadata(folder).and_then(|meta| match meta.permissions().mode() & 0o077 {
        0 => Ok(()),
        _ => std::fs::set_permissions(folder, Permissions::from_mode(0o700)),
    });
    closing.map_err(|error| DaemonError::Io { action: "close to others", path: folder.to_owned(), error })
}

/// Looks at the folder itself, or at the nearest one above that is there.
fn refuse_unsafe(folder: &Path) -> Result<(), DaemonError> {
    for path in folder.ancestors() {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        match look(path) {
            Ok(None) => return Ok(()),
            Ok(Some(kind)) => return Err(DaemonError::FileSystem { path: path.to_owned(), kind }),
            // A place below one that lets nobody in says no more than that one.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied
                ) => {}
            Err(error) => return Err(DaemonError::Io { action: "look at", path: path.to_owned(), error }),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_made_for_their_owner() {
        let dir = tempfile::tempdir().unwrap();
        let root = DataRoot::new(dir.path().join("projects/.coditect-data"));
        prepare(&root, "default").unwrap();
        prepare(&root, "default").unwrap();
        for folder in [root.path(), &root.daemon_dir(), root.workspace("default").path()] {
            let mode = std::fs::metadata(folder).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{}", folder.display());
        }
    }

    #[test]
    fn folders_that_were_copied_without_their_modes_are_closed() {
        let dir = tempfile::tempdir().unwrap();
        let root = DataRoot::new(dir.path());
        let ours = [root.daemon_dir(), root.workspace("default").path().to_owned()];
        for folder in &ours {
            std::fs::create_dir_all(folder).unwrap();
            std::fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        }
        prepare(&root, "default").unwrap();
        for folder in &ours {
            let mode = std::fs::metadata(folder).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{}", folder.display());
        }
    }

    #[test]
    fn a_workspace_is_named_by_one_plain_word() {
        let dir = tempfile::tempdir().unwrap();
        let root = DataRoot::new(dir.path().join("data"));
        for bad in ["", "..", "a/b", "a b", &"x".repeat(WORKSPACE_MAX + 1)] {
            assert!(matches!(prepare(&root, bad), Err(DaemonError::Workspace(_))), "{bad}");
        }
        assert!(!root.path().exists(), "nothing was made");
        prepare(&root, &"x".repeat(WORKSPACE_MAX)).unwrap();
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        std::fs::write(&path, "precious").unwrap();
        let error = prepare(&DataRoot::new(&path), "default").unwrap_err();
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }
}
