//! A real git repository in a temporary directory, driven by the real git with nobody's configuration.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Gone when dropped. Everything panics on failure: a test that cannot set up its world has failed.
#[derive(Debug)]
pub struct TempRepo {
    dir: tempfile::TempDir,
    top: PathBuf,
}

impl TempRepo {
    /// An empty repository on the unborn branch `main`, in a directory whose name has a space.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("make a temporary directory");
        let top = dir.path().canonicalize().expect("find the temporary directory").join("a repo");
        std::fs::create_dir(&top).expect("make the repository's directory");
        let repo = Self { dir, top };
        repo.git(&["init", "--quiet", "--initial-branch=main"]);
        repo
    }

    /// A repository whose first commit holds these files.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let repo = Self::new();
        for (path, content) in files {
            repo.write(path, content);
        }
        repo.commit_all("first");
        repo
    }

    /// Canonical path of the work tree.
    pub fn path(&self) -> &Path {
        &self.top
    }

    /// A place beside the repository, for what must not be inside it.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.top.with_file_name(name)
    }

    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.top.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).expect("make the file's directory");
        }
        std::fs::write(path, content).expect("write a file of the repository");
    }

    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.top.join(path)).expect("read a file of the repository")
    }

    pub fn remove(&self, path: &str) {
        std::fs::remove_file(self.top.join(path)).expect("remove a file of the repository");
    }

    /// Commits everything there is; gives the commit's id.
    pub fn commit_all(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// What git wrote, when it succeeded.
    pub fn git(&self, args: &[&str]) -> String {
        let output = self.try_git(args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {args:?}: {stderr}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    #[expect(clippy::disallowed_methods, reason = "a test repository is driven by the real git")]
    pub fn try_git(&self, args: &[&str]) -> Output {
        let mut command = Command::new("git");
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "XDG_CONFIG_HOME"] {
            command.env_remove(name);
        }
        for role in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{role}_NAME"), "Tess Ter")
                .env(format!("GIT_{role}_EMAIL"), "tess@example.com");
        }
        command
            .env("HOME", self.dir.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null");
        command.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C").current_dir(&self.top);
        command.args(args).output().expect("run git")
    }
}

impl Default for TempRepo {
    fn default() -> Self {
        Self::new()
    }
}

/// The search path of the test process, for code that is told it.
#[expect(clippy::disallowed_methods, reason = "a test finds programs where its caller finds them")]
pub fn search_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_default()
}
