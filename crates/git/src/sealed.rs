//! The sealed common directory: how git works on a repository without reading its configuration.
//!
//! Invariant: what git takes for the repository's common directory is a directory of ours. It holds
//! links to the real objects, refs and logs, and a configuration written here from a short list of
//! keys, each of which can only describe how data is stored. So no hook, filter, driver, program,
//! include or unknown key of the repository exists for git, whichever verb runs (the layout is that of git's own `git-new-workdir`).

use crate::conversion::LineEnds;
use crate::process::Place;
use crate::{Git, GitError};
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Keys taken over from the repository. All of them say how bytes are stored.
const STORAGE_KEYS: [&str; 8] = [
    "core.autocrlf",
    "core.eol",
    "core.filemode",
    "core.ignorecase",
    "core.logallrefupdates",
    "core.precomposeunicode",
    "core.sharedrepository",
    "core.symlinks",
];
/// Extensions that change the format and are taken over.
const KEPT_EXTENSIONS: [&str; 3] = ["objectformat", "preciousobjects", "refstorage"];
/// Extensions that only concern configuration or fetching, which sealed git does not do.
const NEEDLESS_EXTENSIONS: [&str; 4] = ["noop", "partialclone", "relativeworktrees", "worktreeconfig"];
/// Linked always, because git may make them later.
const LINKED: [&str; 4] = ["objects", "refs", "packed-refs", "shallow"];
/// Linked when there: git does not make them through a dangling link.
const LINKED_WHEN_THERE: [&str; 2] = ["logs", "reftable"];
/// Plain lists of patterns; without drivers in the configuration they start nothing.
const LINKED_INFO: [&str; 2] = ["attributes", "exclude"];

#[derive(Debug)]
pub(crate) struct Sealed {
    pub dir: PathBuf,
    /// Hex digits of an object id.
    pub width: usize,
    pub bare: bool,
    pub(crate) line_ends: LineEnds,
    /// Modes, links and the case of names are in this repository as the file system has them.
    pub(crate) faithful: bool,
    /// `core.worktree` as the repository says it; never used, only compared.
    pub work_tree: Option<String>,
}

/// Makes or renews the sealed directory of a repository.
pub(crate) fn seal(git: &Git, common_dir: &Path) -> Result<Sealed, GitError> {
    let config = read(git, common_dir)?;
    let said = |key: &str| config.get(key).map(String::as_str);
    let name = blake3::hash(common_dir.as_os_str().as_encoded_bytes()).to_hex();
    let dir = Path::new("sealed").join(&name[..32]);
    let (info, dir) = (git.scratch(dir.join("info"))?, git.scratch(dir)?);
    let text = storage_config(&config, common_dir.join("logs").is_dir())?;
    replace_file(&dir, "config", &text)?;
    for name in LINKED {
        link(&dir.join(name), &common_dir.join(name))?;
    }
    for name in LINKED_WHEN_THERE.into_iter().filter(|name| common_dir.join(name).is_dir()) {
        link(&dir.join(name), &common_dir.join(name))?;
    }
    for name in LINKED_INFO {
        link(&info.join(name), &common_dir.join("info").join(name))?;
    }
    let width = if said("extensions.objectformat") == Some("sha256") { 64 } else { 40 };
    let is = |key: &str| said(key).is_some_and(truth);
    let bare = is("core.bare");
    let autocrlf = is("core.autocrlf");
    let line_ends = LineEnds {
        inward: autocrlf || said("core.autocrlf") == Some("input"),
        outward: autocrlf || said("core.eol") == Some("crlf"),
    };
    let kept = |key: &str| said(key).is_none_or(truth);
    let faithful = kept("core.filemode") && kept("core.symlinks") && !is("core.ignorecase");
    Ok(Sealed { dir, width, bare, line_ends, faithful, work_tree: config.get("core.worktree").cloned() })
}

/// The repository's own configuration file, without includes; the last of several values counts, as for git.
fn read(git: &Git, common_dir: &Path) -> Result<BTreeMap<String, String>, GitError> {
    let nowhere = git.scratch("home")?;
    let place = Place { git_dir: &nowhere, common_dir: &nowhere, work_tree: &nowhere };
    let file = common_dir.join("config");
    if !file.is_file() {
        return Ok(BTreeMap::new());
    }
    let answer = git
        .call(Some(place), "config")
        .arg("--file")
        .arg(&file)
        .args(["--no-includes", "--list", "-z"])
        .run()?;
    let entries = answer.stdout.split(|byte| *byte == 0).filter(|entry| !entry.is_empty());
    Ok(entries
        .map(|entry| {
            let text = String::from_utf8_lossy(entry);
            // A key without a value is how git writes "true".
            text.split_once('\n').map_or_else(
                || (text.to_string(), "true".to_owned()),
                |(key, value)| (key.to_owned(), value.to_owned()),
            )
        })
        .collect())
}

fn storage_config(config: &BTreeMap<String, String>, logged: bool) -> Result<String, GitError> {
    let (mut core, mut extensions) = (String::new(), String::new());
    for (key, value) in config {
        if let Some(extension) = key.strip_prefix("extensions.") {
            if KEPT_EXTENSIONS.contains(&extension) && is_word(value) {
                extensions.push_str(&format!("\t{extension} = {value}\n"));
            } else if !NEEDLESS_EXTENSIONS.contains(&extension) {
                return Err(GitError::Extension(extension.to_owned()));
            }
        } else if STORAGE_KEYS.contains(&key.as_str()) && is_word(value) {
            let name = key.trim_start_matches("core.");
            if name != "logallrefupdates" || logged {
                core.push_str(&format!("\t{name} = {value}\n"));
            }
        }
    }
    if !logged {
        core.push_str("\tlogallrefupdates = false\n");
    }
    let format = u8::from(!extensions.is_empty());
    Ok(format!("[core]\n\trepositoryformatversion = {format}\n{core}[extensions]\n{extensions}"))
}

/// True for the plain words and numbers that storage keys have as values.
fn is_word(value: &str) -> bool {
    !value.is_empty() && value.len() <= 32 && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// What git takes for true.
fn truth(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "true" | "yes" | "on")
        || value.parse().is_ok_and(|n: i64| n != 0)
}

fn link(at: &Path, to: &Path) -> Result<(), GitError> {
    let failed = |error| GitError::io(format!("link {}", at.display()), error);
    match symlink(to, at) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            if std::fs::read_link(at).is_ok_and(|now| now == to) {
                return Ok(());
            }
            std::fs::remove_file(at).map_err(failed)?;
            symlink(to, at).map_err(failed)
        }
        other => other.map_err(failed),
    }
}

/// Writes a file unless it has that content already, so that a git reading it never sees half of it.
fn replace_file(dir: &Path, name: &str, text: &str) -> Result<(), GitError> {
    let path = dir.join(name);
    if std::fs::read_to_string(&path).is_ok_and(|now| now == text) {
        return Ok(());
    }
    let failed = |error| GitError::io(format!("write {}", path.display()), error);
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.persist(&path).map_err(|e| failed(e.error))?;
    Ok(())
}
