//! What this machine can hold a fence with, found by trying: a kernel may have a mechanism and not let us use it.

use super::{Fence, Mechanism};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a trial may take.
const TRIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause between two looks whether it is over.
const TRIAL_NAP: Duration = Duration::from_millis(5);
/// Says more than that something is wrong, and less than a page.
const WORDS_MAX: usize = 300;
/// Writes where it may and where it may not, and copies what it must not read.
const TRIAL: &str = "echo made > inside/made || exit 1; { echo broken > outside/broken; } 2>/dev/null; \
                     cat outside/secret > inside/copied 2>/dev/null; exit 0";

/// What was tried, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FenceReport {
    /// The program that works, or why none does.
    pub bubblewrap: Result<PathBuf, String>,
    /// Or why it does not work.
    pub landlock: Result<(), String>,
}

impl FenceReport {
    /// The mechanism to use: bubblewrap, which hides more, before Landlock.
    pub fn best(&self) -> Option<Mechanism> {
        match (&self.bubblewrap, &self.landlock) {
            (Ok(program), _) => Some(Mechanism::Bubblewrap { program: program.clone() }),
            (Err(_), Ok(())) => Some(Mechanism::Landlock),
            (Err(_), Err(_)) => None,
        }
    }

    /// Every mechanism that works.
    pub fn working(&self) -> Vec<Mechanism> {
        let bubblewrap =
            self.bubblewrap.iter().map(|program| Mechanism::Bubblewrap { program: program.clone() });
        bubblewrap.chain(self.landlock.iter().map(|()| Mechanism::Landlock)).collect()
    }

    /// Why there is no fence, for whoever has to do something about it.
    pub fn failure(&self) -> String {
        let said = |result: Option<&String>| result.cloned().unwrap_or_default();
        format!(
            "bubblewrap: {}; Landlock: {}",
            said(self.bubblewrap.as_ref().err()),
            said(self.landlock.as_ref().err())
        )
    }
}

/// Tries both mechanisms in a folder that is made in `scratch` and taken away again. Blocks, some tens of milliseconds
/// as a rule. `search_path` is a `PATH`.
pub fn probe(search_path: &str, scratch: &Path) -> FenceReport {
    let bubblewrap = match found("bwrap", search_path) {
        None => Err("`bwrap` is not installed".to_owned()),
        Some(program) => {
            trial(Mechanism::Bubblewrap { program: program.clone() }, search_path, scratch).map(|()| program)
        }
    };
    FenceReport { bubblewrap, landlock: trial(Mechanism::Landlock, search_path, scratch) }
}

fn found(program: &str, search_path: &str) -> Option<PathBuf> {
    let folders = std::env::split_paths(search_path).filter(|folder| folder.is_absolute());
    folders.map(|folder| folder.join(program)).find(|program| program.is_file())
}

fn trial(mechanism: Mechanism, search_path: &str, scratch: &Path) -> Result<(), String> {
    let yard = scratch.join(format!("fence-{}-{}", mechanism.as_str(), std::process::id()));
    let tried = try_in(&yard, mechanism, search_path);
    // Nothing of value is in it.
    let _ = std::fs::remove_dir_all(&yard);
    tried
}

fn try_in(yard: &Path, mechanism: Mechanism, search_path: &str) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("cannot try it: {error}");
    for folder in ["inside", "outside", "tmp"] {
        std::fs::create_dir_all(yard.join(folder)).map_err(failed)?;
    }
    let yard = yard.canonicalize().map_err(failed)?;
    std::fs::write(yard.join("outside/secret"), "secret").map_err(failed)?;
    let fence = Fence {
        mechanism,
        writable: vec![yard.join("inside")],
        readable: Vec::new(),
        hidden: vec![yard.join("outside/secret")],
        frozen: Vec::new(),
        tmp: yard.join("tmp"),
    };
    let shell = found("sh", search_path).ok_or("there is no `sh` in PATH")?;
    let (dir, path) = (yard.clone(), search_path.to_owned());
    let prepare = move |command: &mut Command| {
        command.current_dir(dir).env_clear().env("PATH", path);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    };
    let arguments = ["-c".into(), TRIAL.into()];
    let mut fenced =
        fence.spawn(shell.as_os_str(), &arguments, prepare).map_err(|error| error.to_string())?;
    let child = &mut fenced.child;
    let stderr = child.stderr.take();
    let deadline = Instant::now() + TRIAL_TIMEOUT;
    let status = loop {
        match child.try_wait().map_err(failed)? {
            Some(status) => break status,
            None if Instant::now() < deadline => std::thread::sleep(TRIAL_NAP),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                return Err("it did not answer".to_owned());
            }
        }
    };
    if !status.success() {
        return Err(words(stderr).unwrap_or_else(|| format!("it failed with {status}")));
    }
    let content = |name: &str| std::fs::read_to_string(yard.join(name)).unwrap_or_default();
    match (content("inside/made").as_str(), yard.join("outside/broken").exists(), content("inside/copied")) {
        ("made\n", false, copied) if copied.is_empty() => Ok(()),
        ("made\n", true, _) => Err("it did not keep a process from writing outside".to_owned()),
        ("made\n", false, _) => Err("it did not keep a process from reading what is hidden".to_owned()),
        _ => Err("a process could not write inside".to_owned()),
    }
}

/// The last words of what failed.
fn words(stderr: Option<std::process::ChildStderr>) -> Option<String> {
    use std::io::Read;
    let mut said = Vec::new();
    stderr?.take(4096).read_to_end(&mut said).ok()?;
    let said = String::from_utf8_lossy(&said).trim().replace('\n', "; ");
    let said: String = said.chars().take(WORDS_MAX).collect();
    (!said.is_empty()).then_some(said)
}
