//! The peer of the daemon bench: opencode, an agent of the same kind, whose npm package carries its binary.
//!
//! It is fetched once into a cache folder of the user, never into the tree or the system, and runs with a home of
//! its own in which nothing is configured, so that it has nobody to call.

use crate::process::{self, command};
use crate::say;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PACKAGE: &str = "opencode-ai";
/// What the figures in docs/benchmarks.md were compared with.
const VERSION: &str = "1.18.33";

pub(crate) struct Opencode {
    program: PathBuf,
}

impl Opencode {
    /// The program, fetched when it is not there yet.
    pub(crate) fn fetched() -> Result<Opencode, String> {
        let folder = process::cache(&format!("opencode-{VERSION}"))?;
        let program = folder.join("node_modules/.bin/opencode");
        if !program.exists() {
            say(&format!(
                "fetching {PACKAGE} {VERSION} to compare with (into the user's cache; --no-peers goes without)"
            ));
            std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
            let mut npm = command("npm");
            npm.args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"]).arg(&folder);
            npm.arg(format!("{PACKAGE}@{VERSION}")).stdout(Stdio::null()).current_dir(&folder);
            let status = npm.status().map_err(|error| format!("npm cannot be started: {error}"))?;
            if !status.success() || !program.exists() {
                return Err(format!("npm could not install {PACKAGE} {VERSION} ({status})"));
            }
        }
        Ok(Opencode { program: binary(&folder).unwrap_or(program) })
    }

    /// A command of it, at home in `home`.
    pub(crate) fn command(&self, home: &Path) -> Command {
        let mut command = command(&self.program);
        command.env_clear().env("PATH", process::told("PATH").unwrap_or_default()).env("HOME", home);
        for (name, folder) in [
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_DATA_HOME", "data"),
            ("XDG_CACHE_HOME", "cache"),
            ("XDG_STATE_HOME", "state"),
        ] {
            command.env(name, home.join(folder));
        }
        for name in
            ["OPENCODE_DISABLE_AUTOUPDATE", "OPENCODE_DISABLE_MODELS_FETCH", "OPENCODE_DISABLE_LSP_DOWNLOAD"]
        {
            command.env(name, "true");
        }
        command.current_dir(home);
        command
    }

    pub(crate) fn label(&self) -> String {
        format!("opencode {VERSION}")
    }
}

/// The binary itself, past the script that npm puts before it: we compare with the program, not with Node's start.
fn binary(folder: &Path) -> Option<PathBuf> {
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let path = folder.join(format!("node_modules/opencode-linux-{arch}/bin/opencode"));
    path.exists().then_some(path)
}
