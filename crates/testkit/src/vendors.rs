//! The real programs of the four vendors, for tests that drive them against a scripted model server.
//!
//! `cargo xtask e2e` installs them and names their folder in [`FOLDER`]. A test begins with
//! `let Some(vendors) = Vendors::find("what it would show") else { return };`, which says SKIPPED where they are not.
//! Every run has a home of its own, an environment made from nothing, a key that is none, and 127.0.0.1 to talk to.
//!
//! Invariant: nothing of the user's is read or written, and no process of a run outlives its [`VendorRun`].

mod home;
mod run;

pub use home::{Permission, VendorHome};
pub use run::{Ended, RUN_LIMIT, VendorRun};

use crate::skipped::{skipped, variable};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The variable that names the folder with `bin/` and `versions.json`.
pub const FOLDER: &str = "CODITECT_TEST_VENDORS";
/// The variable that names the one program that is wanted.
const ONLY: &str = "CODITECT_TEST_VENDOR";
/// The variable that asks for homes to be left where they are.
const KEEP: &str = "CODITECT_TEST_KEEP";
/// The key every program is given; the scripted server takes any.
pub const TEST_KEY: &str = "test-key";

/// One of the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VendorCli {
    Claude,
    Codex,
    Gemini,
    Kimi,
}

impl VendorCli {
    pub const ALL: [Self; 4] = [Self::Claude, Self::Codex, Self::Gemini, Self::Kimi];

    /// Its name in `bin/`, on command lines and in scripts' sections.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::Kimi => "kimi",
        }
    }
}

/// The installed programs.
#[derive(Debug, Clone)]
pub struct Vendors {
    folder: PathBuf,
    versions: Value,
}

impl Vendors {
    /// The programs, or a line that says what is not tested now and how it would be.
    pub fn find(what: &str) -> Option<Self> {
        let Some(folder) = variable(FOLDER) else {
            skipped(what, &format!("{FOLDER} is not set; run `cargo xtask e2e --install`"));
            return None;
        };
        Some(Self::at(Path::new(&folder)))
    }

    /// The programs in a folder. A folder that was named and has none is a mistake, not a reason to skip.
    pub fn at(folder: &Path) -> Self {
        let path = folder.join("versions.json");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| {
            panic!("{FOLDER} names a folder without vendors: {}: {error}", path.display())
        });
        let versions = serde_json::from_str(&text).expect("versions.json is JSON");
        Self { folder: folder.to_path_buf(), versions }
    }

    /// The programs that are wanted: all, or the one `cargo xtask e2e --vendor` named.
    pub fn wanted(&self) -> Vec<VendorCli> {
        let only = variable(ONLY);
        VendorCli::ALL
            .into_iter()
            .filter(|cli| only.as_deref().is_none_or(|only| only == cli.name()))
            .collect()
    }

    /// `bin/`, to put it first on somebody's PATH.
    pub fn bin(&self) -> PathBuf {
        self.folder.join("bin")
    }

    pub fn program(&self, cli: VendorCli) -> PathBuf {
        let program = self.bin().join(cli.name());
        assert!(program.exists(), "{} is not there: run `cargo xtask e2e --install`", program.display());
        program
    }

    /// The exact version that is installed.
    pub fn version(&self, cli: VendorCli) -> &str {
        self.versions[cli.name()].as_str().expect("versions.json names the version")
    }

    /// A home for it whose settings lead to the scripted server.
    pub fn home(&self, cli: VendorCli, server: SocketAddr) -> VendorHome {
        VendorHome::new(self, cli, server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "names a folder without vendors")]
    fn a_named_folder_without_programs_is_no_skip() {
        Vendors::at(Path::new("/nowhere"));
    }

    #[test]
    fn a_home_leads_to_the_server_and_says_no_more_than_it_must() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("bin")).unwrap();
        for cli in VendorCli::ALL {
            std::fs::write(dir.path().join("bin").join(cli.name()), "").unwrap();
        }
        std::fs::write(dir.path().join("versions.json"), r#"{"claude":"1.2.3"}"#).unwrap();
        let vendors = Vendors::at(dir.path());
        assert_eq!(vendors.version(VendorCli::Claude), "1.2.3");
        let server: SocketAddr = "127.0.0.1:8099".parse().unwrap();
        for cli in VendorCli::ALL {
            let home = vendors.home(cli, server);
            let settings =
                home.settings().map(|path| std::fs::read_to_string(path).unwrap()).unwrap_or_default();
            let all = format!("{settings}{:?}", home.variables());
            assert!(all.contains("127.0.0.1:8099"), "{cli:?}: {all}");
            assert!(
                home.variables()
                    .iter()
                    .any(|(name, value)| *name == "HOME" && value == home.path().as_os_str())
            );
            assert!(home.folder().starts_with(home.path()));
        }
    }
}
