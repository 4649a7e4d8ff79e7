//! The folder a demo lives in: made for it alone, and gone with it unless it is to be kept.

use crate::output::Complaint;
use model::{DataRoot, Entropy};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

pub(crate) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// A new folder, mode 0700, among the system's temporary ones.
    pub(crate) fn make(entropy: &dyn Entropy) -> Result<Self, Complaint> {
        let mut random = [0u8; 8];
        entropy.fill(&mut random);
        let name = format!("coditect-demo-{:016x}", u64::from_be_bytes(random));
        let temporary = std::env::temp_dir();
        let fault = |error: std::io::Error| {
            Complaint::failed(
                "scratch_failed",
                format!("cannot make a folder in {}: {error}", temporary.display()),
            )
            .hint("make room there, or set TMPDIR to another folder")
        };
        // Git and Node speak of the real path; so does the demo.
        let path = temporary.canonicalize().map_err(fault)?.join(name);
        std::fs::DirBuilder::new().mode(0o700).create(&path).map_err(fault)?;
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn data_root(&self) -> DataRoot {
        DataRoot::new(self.path.join("data"))
    }

    pub(crate) fn repo(&self) -> PathBuf {
        self.path.join("stint")
    }

    /// One JSON line for each request to a model.
    pub(crate) fn request_log(&self) -> PathBuf {
        self.path.join("model-requests.jsonl")
    }

    /// What the daemon says besides its log.
    pub(crate) fn daemon_output(&self) -> PathBuf {
        self.path.join("daemon-output.txt")
    }

    pub(crate) fn remove(&self) {
        // What cannot be removed is in a temporary folder anyway.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
