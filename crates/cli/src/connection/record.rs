//! What a connection has changed, under the data root: the user's bytes from before, and how we left each file.

use super::file::write_whole;
use crate::failure::Failure;
use agent::{Cli, Scope};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What a file was, and became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    path: PathBuf,
    /// Hash of the bytes from before, which are in `originals`; none: it was not there.
    pub(super) before: Option<String>,
    /// Hash of the bytes it had when we were done.
    pub(super) after: String,
    /// So many folders were made for it.
    made: usize,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Written {
    vendor: String,
    scope: String,
    project: Option<PathBuf>,
    files: Vec<Kept>,
}

#[derive(Debug)]
pub(super) struct Record {
    folder: PathBuf,
    path: PathBuf,
    written: Written,
    pub(super) was_there: bool,
}

pub(super) fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

impl Record {
    pub(super) fn of(root: &Path, cli: Cli, scope: Scope, project: Option<&Path>) -> Self {
        let folder = root.join("connect");
        let project = project.filter(|_| scope == Scope::Project);
        let name = match project {
            Some(top) => format!("{cli}-project-{}.json", &hash(top.as_os_str().as_encoded_bytes())[..16]),
            None => format!("{cli}-user.json"),
        };
        let path = folder.join(name);
        let known = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let was_there = known.is_some();
        let written = known.unwrap_or_else(|| Written {
            vendor: cli.as_str().to_owned(),
            scope: scope.as_str().to_owned(),
            project: project.map(Path::to_owned),
            files: Vec::new(),
        });
        Self { folder, path, written, was_there }
    }

    pub(super) fn kept(&self, path: &Path) -> Option<Kept> {
        self.written.files.iter().find(|kept| kept.path == path).cloned()
    }

    pub(super) fn made(&self, path: &Path) -> usize {
        self.kept(path).map_or(0, |kept| kept.made)
    }

    /// The bytes from before; none when there was no file.
    pub(super) fn original(&self, kept: &Kept) -> Result<Option<Vec<u8>>, Failure> {
        let Some(name) = &kept.before else { return Ok(None) };
        let path = self.folder.join("originals").join(name);
        let bytes = std::fs::read(&path).map_err(|error| Failure::file(&path, &error))?;
        if hash(&bytes) != *name {
            let words =
                format!("{} is damaged, so {} cannot be put back", path.display(), kept.path.display());
            return Err(Failure::failed("original_damaged", words)
                .hint("remove what is ours from the file by hand, then remove the record beside it"));
        }
        Ok(Some(bytes))
    }

    /// Keeps the bytes from before a file is changed.
    pub(super) fn keep(&mut self, path: &Path, before: Option<&[u8]>) -> Result<(), Failure> {
        let name = before.map(hash);
        if let (Some(name), Some(bytes)) = (&name, before) {
            self.store(&self.folder.join("originals").join(name), bytes)?;
        }
        let made = match self.kept(path) {
            Some(known) => known.made,
            None => path.ancestors().skip(1).take_while(|folder| !folder.exists()).count(),
        };
        self.written.files.retain(|kept| kept.path != path);
        self.written.files.push(Kept { path: path.to_owned(), before: name, after: String::new(), made });
        Ok(())
    }

    /// How the file was left.
    pub(super) fn settle(&mut self, path: &Path, bytes: &[u8]) {
        if let Some(kept) = self.written.files.iter_mut().find(|kept| kept.path == path) {
            kept.after = hash(bytes);
        }
    }

    pub(super) fn write(&self) -> Result<(), Failure> {
        let text = serde_json::to_vec_pretty(&self.written)
            .map_err(|error| Failure::failed("json", error.to_string()))?;
        self.store(&self.path, &text)
    }

    /// The user's configuration may hold keys: the folder is for the user alone.
    fn store(&self, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
        use std::os::unix::fs::DirBuilderExt;
        let failed = |error: std::io::Error| Failure::file(path, &error);
        let folder = path.parent().unwrap_or(&self.folder);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        write_whole(path, bytes, 0o600).map_err(failed)
    }

    /// Nothing is left to be put back. Bytes that no other record needs go with it.
    pub(super) fn remove(&self) -> Result<(), Failure> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Failure::file(&self.path, &error));
            }
            _ => {}
        }
        let others: String = std::fs::read_dir(&self.folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| std::fs::read_to_string(entry.path()).ok())
            .collect();
        for name in self.written.files.iter().filter_map(|kept| kept.before.as_ref()) {
            if !others.contains(name.as_str()) {
                let _ = std::fs::remove_file(self.folder.join("originals").join(name));
            }
        }
        Ok(())
    }
}
