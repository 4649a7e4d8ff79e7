//! Where things are in the tree.

use std::path::{Path, PathBuf};

/// The root of the project.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

pub(crate) fn web() -> PathBuf {
    root().join("web")
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    let told = crate::process::told("CARGO_TARGET_DIR");
    root().join(told.unwrap_or_else(|| "target".to_owned()))
}
