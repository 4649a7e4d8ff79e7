//! A configuration file as it is, and how it becomes another one.

use crate::failure::{Exit, Failure};
use agent::CONFIG_MAX;
use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A file of the user's as it was found.
#[derive(Debug, Clone)]
pub(crate) struct Present {
    /// The file itself, behind whatever links lead to it.
    pub(crate) real: PathBuf,
    /// None: it is not there.
    pub(crate) bytes: Option<Vec<u8>>,
    mode: u32,
}

impl Present {
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let real = match path.canonicalize() {
            Ok(real) => real,
            Err(error) if error.kind() == ErrorKind::NotFound && !path.is_symlink() => {
                return Ok(Self { real: path.to_owned(), bytes: None, mode: 0o600 });
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let words = format!("{} is a link to nowhere; it is left as it is", path.display());
                return Err(Failure::new(Exit::Conflict, "config_unreadable", words)
                    .hint("make the file it leads to, or remove the link"));
            }
            Err(error) => return Err(Failure::file(path, &error)),
        };
        let meta = std::fs::metadata(&real).map_err(|error| Failure::file(&real, &error))?;
        if meta.len() > CONFIG_MAX || !meta.is_file() {
            let words =
                format!("{} is no file of at most {CONFIG_MAX} bytes; it is left as it is", real.display());
            return Err(Failure::new(Exit::Conflict, "config_unreadable", words));
        }
        let bytes = std::fs::read(&real).map_err(|error| Failure::file(&real, &error))?;
        Ok(Self { real, bytes: Some(bytes), mode: meta.permissions().mode() & 0o7777 })
    }

    pub(crate) fn text(&self, path: &Path) -> Result<Option<&str>, Failure> {
        let Some(bytes) = &self.bytes else { return Ok(None) };
        std::str::from_utf8(bytes).map(Some).map_err(|_| {
            let words = format!("{} is not UTF-8; it is left as it is", path.display());
            Failure::new(Exit::Conflict, "config_unreadable", words)
                .hint("save it as UTF-8, then connect again")
        })
    }

    /// Makes it this, unless somebody has changed it since it was read. None: it goes.
    pub(crate) fn replace(&self, wanted: Option<&[u8]>) -> Result<(), Failure> {
        let now = match std::fs::read(&self.real) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(Failure::file(&self.real, &error)),
        };
        if now != self.bytes {
            let words = format!(
                "{} was changed by somebody else just now; nothing was written to it",
                self.real.display()
            );
            return Err(Failure::new(Exit::Conflict, "config_changed", words).hint("try again"));
        }
        self.become_this(wanted)
    }

    /// Makes it what it was when it was read, unless it is not any more what we made of it.
    pub(crate) fn put_back(&self, made: Option<&[u8]>) -> Result<(), Failure> {
        let now = std::fs::read(&self.real).ok();
        if now.as_deref() != made {
            return Ok(());
        }
        self.become_this(self.bytes.as_deref())
    }

    fn become_this(&self, wanted: Option<&[u8]>) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::file(&self.real, &error);
        match wanted {
            Some(bytes) => write_whole(&self.real, bytes, self.mode).map_err(failed),
            None => match std::fs::remove_file(&self.real) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(error)),
                _ => Ok(()),
            },
        }
    }
}

/// Writes beside it and renames, so that nobody ever reads half of it.
pub(super) fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let fresh = folder.join(format!(".{name}.coditect-{}", std::process::id()));
    let written = (|| {
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(bytes)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&fresh);
    }
    written
}

/// What an empty file of this kind holds.
pub(super) fn empty(path: &Path) -> Vec<u8> {
    let is_toml = path.extension().is_some_and(|extension| extension == "toml");
    if is_toml { Vec::new() } else { b"{}\n".to_vec() }
}

/// Removes the folders that were made for a file, as long as nothing else is in them.
pub(super) fn tidy(path: &Path, folders: usize) {
    for folder in path.ancestors().skip(1).take(folders) {
        if std::fs::remove_dir(folder).is_err() {
            return;
        }
    }
}

/// A program of this name.
pub(super) fn on_path(name: &str, environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    let path = environment.get("PATH")?;
    let folders = path.split(':').filter(|folder| !folder.is_empty());
    folders.map(|folder| Path::new(folder).join(name)).find(|program| {
        std::fs::metadata(program).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    })
}
